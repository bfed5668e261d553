"""Policy laws: what the integration promises is known, and is what its code does. Static: they need no traffic."""

from __future__ import annotations

from harness.laws.bounds import attempt_bound_s, attempt_source, attempts_of
from harness.laws.case import Case, names_in
from harness.laws.findings import comparable, differences
from harness.laws.registry import Ruling, inapplicable, law, passed, plural
from harness.policy.read_requests import BACKGROUND


@law(
    "K1",
    "PolicyDeclared",
    family="policy",
    rule="every call has a declared or readable time-out; what else nobody says is listed, never failed",
    trap="a library's defaults count as read, and so does what each request carries, where a hook sees it: also those "
    "that no call waits for",
    cure="declare the policy: a `policy` on the integration, or the scenario's `policy:`",
    example="http.client with a time-out that only the code knows",
    severity="warn",
    static=True,
)
def policy_declared(case: Case) -> Ruling:
    called = names_in(case.calls["op"], slice(None))
    ops = [op for op in called if op not in ("", "other")] or ["observe"]
    silent = sorted(op for op in ops if attempt_bound_s(case.policy.of(op)) is None)
    if silent:
        return Ruling("warn", f"no time-out is declared or readable for {', '.join(silent)}")
    if _unbounded_aside(case, ops):
        return Ruling("warn", "what is sent outside calls (by a flusher, a refresher) carries no time-out")
    open_points = [text for text in _open_points(case, ops) if text]
    said = (
        f"every call has a time-out; not said: {', '.join(open_points)}" if open_points else "every call has a time-out"
    )
    return passed(said)


def _unbounded_aside(case: Case, ops: list[str]) -> bool:
    """Whether requests that no call waits for carry no time-out, and none is declared that may hold for them too."""
    aside = {key.removeprefix(f"{BACKGROUND}.") for key in case.promise.read if key.startswith(f"{BACKGROUND}.")}
    declared = any(attempt_source(case, op) == "declared" for op in ops)
    return bool(aside) and not declared and not aside & {"timeout.total", "timeout.read"}


def _open_points(case: Case, ops: list[str]) -> list[str]:
    """What nobody says of one of these operations, neither the integration nor its code."""
    policies = [case.policy.of(op) for op in ops]
    timeouts, breakers = [policy.timeout for policy in policies], [p.breaker for p in policies if p.breaker is not None]
    tried = [attempts_of(case, op) for op, policy in zip(ops, policies, strict=True) if policy.retry is not None]
    return [
        "a total time-out" if any(timeout is None or timeout.total is None for timeout in timeouts) else "",
        "the number of attempts" if None in tried else "",
        "the breaker's limit" if any(not (breaker.fail_max or breaker.min_calls) for breaker in breakers) else "",
    ]


@law(
    "K2",
    "PolicyMatchesCode",
    family="policy",
    rule="what is declared is what is read from the client's objects, key by key",
    trap="only keys that are both declared and readable can be compared",
    cure="make code and declaration agree: the laws hold the client to what is declared",
    example="declared: a read time-out of 10 s; the client was made with httpx's default of 5 s",
    severity="warn",
    static=True,
)
def policy_matches_code(case: Case) -> Ruling:
    both = comparable(case.promise)
    if not both:
        return inapplicable("nothing is both declared and readable")
    found = differences(case)
    if not found:
        return passed(f"{plural(len(both), 'number')} declared and read agree")
    shown = "; ".join(f"{finding.where}: {finding.reason}" for finding in found[:3])
    more = f", and {len(found) - 3} more" if len(found) > 3 else ""
    return Ruling("fail", f"{shown}{more}", measured=f"{len(found)} of {len(both)}")
