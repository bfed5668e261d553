"""Client code without running it: breakers and retries that don't do what they seem to."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise

from harness.manifests.rules import Remark, Rule
from harness.manifests.source import FunctionNode, Made, Source, plain
from harness.model import Severity

SIGNATURES: Mapping[str, frozenset[str]] = {
    "pybreaker.CircuitBreaker": frozenset(
        {"fail_max", "reset_timeout", "success_threshold", "exclude", "listeners", "state_storage", "name",
         "throw_new_error_on_trip"}
    ),
    "aiobreaker.CircuitBreaker": frozenset(
        {"fail_max", "timeout_duration", "exclude", "listeners", "state_storage", "name"}
    ),
    "circuitbreaker.CircuitBreaker": frozenset(
        {"failure_threshold", "recovery_timeout", "expected_exception", "name", "fallback_function"}
    ),
}  # fmt: skip
"""Keyword arguments of breakers (pybreaker 1.4, aiobreaker 1.2, circuitbreaker 2.1)."""

STATUS_ERRORS = ("httpx.HTTPStatusError", "requests.HTTPError", "requests.exceptions.HTTPError")
UNREAL = "aiohttp.ClientResponseError"
FIXED_WAITS = ("wait_exponential", "wait_fixed", "wait_incrementing", "wait_chain")
BROAD = ("httpx.RequestError", "httpx.TransportError", "httpx.HTTPError", "requests.RequestException", "Exception")


def _unknown_arguments(source: Source) -> Iterator[Remark]:
    for made in source.of_name(*SIGNATURES):
        known = SIGNATURES[made.name]
        for word in made.call.keywords:
            if word.arg is not None and word.arg not in known:
                why = f"{made.name} has no argument `{word.arg}`: the module raises TypeError when it is imported"
                yield Remark(source.where(word), why, f"one of {', '.join(sorted(known))}")


def _excluded_statuses(source: Source) -> Iterator[Remark]:
    for made in source.of_name("pybreaker.CircuitBreaker", "aiobreaker.CircuitBreaker"):
        given = made.argument("exclude")
        for kind in given.elts if isinstance(given, (ast.List, ast.Tuple, ast.Set)) else ():
            if source.name_of(kind) in (*STATUS_ERRORS, UNREAL):
                why = (
                    "an excluded exception counts as success: 503s never open the breaker, reset its count, and close "
                    "it when half-open"
                )
                cure = "exclude a predicate that is true for 4xx only"
                yield Remark(source.where(kind), why, cure)


def guarded(source: Source) -> Iterator[tuple[FunctionNode, list[str]]]:
    """Functions with decorators, and what each decorator is: retry, pybreaker, aiobreaker, circuitbreaker or ""."""
    for function in source.functions():
        if function.decorator_list:
            yield function, [_decorator(source, node) for node in function.decorator_list]


def _decorator(source: Source, node: ast.expr) -> str:
    name = source.name_of(node).replace("()", "")
    if name.startswith(("tenacity.retry", "stamina.retry", "backoff.on_")):
        return "retry"
    return next((lib for lib in ("pybreaker", "aiobreaker", "circuitbreaker") if name.startswith(f"{lib}.")), "")


def _async_under_sync(source: Source) -> Iterator[Remark]:
    for function, around in guarded(source):
        if isinstance(function, ast.AsyncFunctionDef) and "pybreaker" in around:
            why = (
                f"`{function.name}` is async under a synchronous breaker: making the coroutine counts as success, so "
                "it never opens"
            )
            yield Remark(source.where(function), why, "use aiobreaker, or tell the breaker after the await")


def _async_called(source: Source) -> Iterator[Remark]:
    """`breaker.call(self.send)`, also bound by functools.partial, where `send` is async."""
    coroutines = {function.name for function in source.functions() if isinstance(function, ast.AsyncFunctionDef)}
    for node in (node for node in ast.walk(source.tree) if isinstance(node, ast.Call)):
        for callee, argument in pairwise([node.func, *node.args]):
            called = plain(argument).rpartition(".")[2]
            if source.name_of(callee) == "pybreaker.CircuitBreaker().call" and called in coroutines:
                why = f"`{called}` is async under a synchronous breaker: it never sees a failure, and never opens"
                yield Remark(source.where(argument), why, "use aiobreaker, or tell the breaker after the await")


def _lock_held(source: Source) -> Iterator[Remark]:
    for function, around in guarded(source):
        if isinstance(function, ast.FunctionDef) and "pybreaker" in around:
            why = f"pybreaker holds its lock while `{function.name}` runs: all users of the client wait for each other"
            yield Remark(source.where(function), why, "send outside the breaker's lock and tell it the outcome")


def _order(source: Source) -> Iterator[Remark]:
    for function, around in guarded(source):
        layers = [kind if kind in ("retry", "") else "breaker" for kind in around]
        if "retry" in layers and "breaker" in layers[layers.index("retry") :]:
            retry = function.decorator_list[layers.index("retry")]
            if _retries_on(source, retry) in ("", "Exception"):
                why = (
                    f"`{function.name}` is tried again while the breaker is open: retry(breaker()) waits on rejections"
                )
                yield Remark(source.where(retry), why, "don't retry on the breaker's own error, or turn the two around")


def _retries_on(source: Source, node: ast.expr) -> str:
    """The exception type that a retry decorator retries on: tenacity's `retry`, stamina's `on`, `backoff`'s second
    argument; "" where nothing limits it, "?" for what only running it would tell."""
    if not isinstance(node, ast.Call):
        return ""
    words = {word.arg: word.value for word in node.keywords}
    given = words.get("retry", words.get("on"))
    if given is None and source.name_of(node).startswith("backoff.on_exception") and len(node.args) > 1:
        given = node.args[1]
    if isinstance(given, ast.Call):
        given = next(iter([*given.args, *(word.value for word in given.keywords)]), None)
    if given is None:
        return ""
    return source.name_of(given) or (given.id if isinstance(given, ast.Name) else "?")


def _tenacity(source: Source) -> Iterator[Made]:
    return source.of_name("tenacity.retry", "tenacity.Retrying", "tenacity.AsyncRetrying")


def _no_reraise(source: Source) -> Iterator[Remark]:
    for made in _tenacity(source):
        given = made.argument("reraise")
        wrapped = not made.spread and made.argument("retry_error_callback") is None
        if wrapped and not (isinstance(given, ast.Constant) and given.value):
            why = "without reraise=True callers see tenacity.RetryError in place of the failure"
            yield Remark(source.where(made.call), why, "add reraise=True")


def _no_jitter(source: Source) -> Iterator[Remark]:
    for made in _tenacity(source):
        wait = made.argument("wait")
        if isinstance(wait, ast.Call) and source.name_of(wait.func).rpartition(".")[2] in FIXED_WAITS:
            why = "waits have no jitter: all clients of an outage come back in the same instant, again and again"
            yield Remark(source.where(wait), why, "wait_random_exponential, or add wait_random(0, …)")


def _unreachable_max(source: Source) -> Iterator[Remark]:
    for made in _tenacity(source):
        wait, stop = made.argument("wait"), made.argument("stop")
        if not (isinstance(wait, ast.Call) and isinstance(stop, ast.Call)):
            continue
        if source.name_of(wait.func) != "tenacity.wait_exponential" or not _ends(source, stop, "stop_after_attempt"):
            continue
        numbers = {word.arg: word.value.value for word in wait.keywords if isinstance(word.value, ast.Constant)}
        tries = stop.args[0].value if stop.args and isinstance(stop.args[0], ast.Constant) else None
        longest, factor = numbers.get("max"), numbers.get("multiplier", 1)
        known = all(isinstance(value, (int, float)) for value in (tries, longest, factor))
        if known and isinstance(tries, int) and float(factor) * 2.0 ** (tries - 2) < float(longest):  # type: ignore[arg-type]
            reached = max(float(factor) * 2.0 ** (tries - 2), float(numbers.get("min", 0) or 0))  # type: ignore[arg-type]
            why = f"max={longest!r} is never reached: {tries} attempts wait {reached:g} s at most"
            yield Remark(source.where(wait), why, "say what you mean: more attempts, or no max")


def _ends(source: Source, call: ast.Call, name: str) -> bool:
    return source.name_of(call.func).endswith(name)


def _writes_again(source: Source) -> Iterator[Remark]:
    for function, around in guarded(source):
        if "retry" not in around:
            continue
        kind = _retries_on(source, function.decorator_list[around.index("retry")])
        posts = [node for node in ast.walk(function) if isinstance(node, ast.Call) and _is_post(node)]
        if posts and kind in ("", *BROAD):
            why = f"`{function.name}` sends a POST again after errors that say nothing about KATO: it may be done twice"
            yield Remark(source.where(function), why, "retry writes on httpx.ConnectError and ConnectTimeout only")


def _is_post(call: ast.Call) -> bool:
    """`client.post(…)`, or whatever is handed the method: `client.request("POST", …)`, `self.send(method="POST")`."""
    methods = [*call.args[:1], *(word.value for word in call.keywords if word.arg == "method")]
    told = any(isinstance(method, ast.Constant) and method.value == "POST" for method in methods)
    return told or (isinstance(call.func, ast.Attribute) and call.func.attr == "post")


def of_sources(id: str, title: str, severity: Severity, check: Callable[[Source], Iterator[Remark]]) -> Rule:
    """A rule that looks at each source of a unit for itself."""
    return Rule(id, title, severity, lambda unit: (found for source in unit.sources for found in check(source)))


RULES: tuple[Rule, ...] = (
    of_sources("B1/unknown-argument", "a breaker is made with an argument that it hasn't", "gate", _unknown_arguments),
    of_sources("B3/status-excluded", "a breaker takes 5xx for success", "gate", _excluded_statuses),
    of_sources("B9/async-under-sync", "an async function is under a synchronous breaker", "gate", _async_under_sync),
    of_sources("B9/async-called", "a synchronous breaker calls an async function", "gate", _async_called),
    of_sources("B8/lock-held", "a breaker holds its lock while it calls", "warn", _lock_held),
    of_sources("R10/retry-around-breaker", "an open breaker is tried again", "warn", _order),
    of_sources("R9/no-reraise", "retries end in tenacity.RetryError", "warn", _no_reraise),
    of_sources("R4/no-jitter", "retries wait without jitter", "warn", _no_jitter),
    of_sources("R3/unreachable-max", "a longest wait that no attempt reaches", "info", _unreachable_max),
    of_sources("R8/writes-again", "a write is sent again after any error", "gate", _writes_again),
)
"""What is said of breakers and retries in client code."""
