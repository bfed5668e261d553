"""Client code without running it: retries that repeat what never gets better, or what may have been done."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from harness.manifests.client_code import of_sources
from harness.manifests.rules import Remark, Rule
from harness.manifests.source import Made, Source

MAKERS = ("tenacity.retry", "tenacity.Retrying", "tenacity.AsyncRetrying")
WITH_STATUSES = (
    "httpx.HTTPError", "httpx.HTTPStatusError", "requests.RequestException", "requests.HTTPError",
    "requests.exceptions.RequestException", "requests.exceptions.HTTPError", "aiohttp.ClientError",
    "aiohttp.ClientResponseError",
)  # fmt: skip
"""Exceptions that `raise_for_status` raises for 4xx as for 5xx, and their bases."""

URLLIB3 = (
    "urllib3.Retry",
    "urllib3.util.Retry",
    "urllib3.util.retry.Retry",
    "requests.packages.urllib3.util.retry.Retry",
)
PASSING = (408, 425, 429)
"""The 4xx that pass by themselves."""

CURE = "name what may pass by itself: refused connections, time-outs, 429, 502 to 504"


def _anything(source: Source) -> Iterator[Remark]:
    for function in source.functions():
        for node in function.decorator_list:
            if source.name_of(node) in MAKERS:
                yield Remark(source.where(node), _why("every exception", "bugs and 4xx"), CURE)
    for made in source.made:
        if made.name in MAKERS and not made.spread and (kind := _everything(source, made.argument("retry"))):
            yield Remark(source.where(made.call), _why(kind, "4xx"), CURE)
        if made.name in ("stamina.retry", "stamina.retry_context") and (kind := _broad(source, made.argument("on"))):
            yield Remark(source.where(made.call), _why(kind, "4xx"), CURE)


def _why(kind: str, what: str) -> str:
    return f"tries again after {kind}: {what} too, which no attempt makes better"


def _everything(source: Source, retry: ast.expr | None) -> str:
    """The words for a tenacity `retry=` that repeats everything; "" for others."""
    if retry is None:
        return "every exception"
    if not isinstance(retry, ast.Call) or not source.name_of(retry.func).endswith("retry_if_exception_type"):
        return ""
    return _broad(source, retry.args[0]) if retry.args else "every exception"


def _broad(source: Source, kind: ast.expr | None) -> str:
    kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind] if kind is not None else []
    for each in kinds:
        name = each.id if isinstance(each, ast.Name) and each.id in ("Exception", "BaseException") else ""
        name = name or source.name_of(each)
        if name in (*WITH_STATUSES, "Exception", "BaseException"):
            return name
    return ""


def _urllib3(source: Source) -> Iterator[Made]:
    return (made for made in source.of_name(*URLLIB3) if not made.spread)


def _refusals(source: Source) -> Iterator[Remark]:
    for made in _urllib3(source):
        statuses = _numbers(made.argument("status_forcelist"))
        wrong = [status for status in statuses if 400 <= status < 500 and status not in PASSING]
        if wrong:
            shown = ", ".join(map(str, wrong[:3]))
            yield Remark(source.where(made.call), _why(f"answers of {shown}", "refusals"), CURE)


def _numbers(given: ast.expr | None) -> list[int]:
    """The statuses of a list, tuple, set or `range(a, b)` of constants."""
    if isinstance(given, ast.Call) and isinstance(given.func, ast.Name) and given.func.id == "range":
        bounds = [each.value for each in given.args if isinstance(each, ast.Constant) and isinstance(each.value, int)]
        return list(range(*bounds)) if len(bounds) == len(given.args) <= 3 and bounds else []
    held = given.elts if isinstance(given, (ast.List, ast.Tuple, ast.Set)) else []
    return [each.value for each in held if isinstance(each, ast.Constant) and isinstance(each.value, int)]


def _posts_again(source: Source) -> Iterator[Remark]:
    for made in _urllib3(source):
        methods, read = made.argument("allowed_methods"), made.argument("read")
        every = isinstance(methods, ast.Constant) and methods.value in (None, False)
        named = methods is not None and "'POST'" in ast.dump(methods)
        never_read = isinstance(read, ast.Constant) and read.value in (0, False)
        if (every or named) and not never_read:
            why = "a POST is sent again after a lost answer: what KATO had committed is done twice"
            yield Remark(source.where(made.call), why, "leave allowed_methods as it is, or read=0")


def _deaf(source: Source) -> Iterator[Remark]:
    for made in _urllib3(source):
        heeds = made.argument("respect_retry_after_header")
        if isinstance(heeds, ast.Constant) and heeds.value is False and made.argument("status_forcelist") is not None:
            why = "answers are tried again, and the Retry-After that comes with them isn't heeded"
            yield Remark(source.where(made.call), why, "leave respect_retry_after_header as it is")


RULES: tuple[Rule, ...] = (
    of_sources("R2/retries-anything", "a retry repeats what no attempt makes better", "warn", _anything),
    of_sources("R2/retries-refusals", "a retry repeats answers of 4xx", "warn", _refusals),
    of_sources("R8/posts-again", "a POST is sent again after a lost answer", "gate", _posts_again),
    of_sources("R5/deaf", "Retry-After isn't heeded", "warn", _deaf),
)
"""What is said of the failures that client code tries again."""
