"""Time-out laws: every call is bounded by what the policy promises."""

from __future__ import annotations

import numpy as np

from harness.evidence.history import History
from harness.laws.registry import law, say
from harness.model import Verdict
from harness.policy import Policy, Promise

EPSILON_NS = 250_000_000
"""laws.md, "Evidence": ε = 250 ms + injector error + dispatch lag seen during the call."""


def call_bound_s(policy: Policy) -> float | None:
    """The longest a call may last (s): `total` if promised, else attempts × (pool + connect + read) + Σ back-off."""
    timeout = policy.timeout
    if timeout is None:
        return None
    if timeout.total is not None:
        return timeout.total
    if timeout.read is None:
        return None
    attempts = policy.retry.max_attempts if policy.retry else 1
    per_attempt = (timeout.pool or 0.0) + (timeout.connect or timeout.read) + timeout.read
    return attempts * per_attempt + sum(backoff_s(policy, retry) for retry in range(1, attempts))


def backoff_s(policy: Policy, retry: int) -> float:
    """The longest promised wait before re-try `retry` = 1, 2, … (s)."""
    backoff = policy.retry.backoff if policy.retry else None
    if backoff is None:
        return 0.0
    wait = backoff.initial * backoff.multiplier ** (retry - 1)
    return min(wait, backoff.max) if backoff.max is not None else wait


@law(
    "T1",
    "EveryCallBounded",
    family="time-outs",
    rule="a call ends within its total time-out, else attempts × (pool + connect + read) + Σ back-off, + ε",
    trap="a blocked gevent hub looks like a missing time-out: lag seen during the call is allowed for",
    cure="set a time-out on every call: connect and read on the client, and a total over all attempts",
    example="requests.post(url) without timeout= waits as long as the peer holds the connection",
    needs=frozenset({"timeout", "pause", "latency", "drip"}),
)
def every_call_bounded(history: History, promise: Promise) -> Verdict:
    calls = history.calls
    late = np.zeros(len(calls), bool)
    bounds = {op: call_bound_s(promise.policy.of(op)) for op in calls["op"].names}
    for op, bound in bounds.items():
        mine = calls["op"].among(op)
        limit_ns = 10_000_000_000 if bound is None else bound * 1e9 + EPSILON_NS
        late |= mine & (calls["end_ns"] - calls["start_ns"] > limit_ns)
    if late.any():
        worst = calls.where(late).where(np.argsort((calls["start_ns"] - calls["end_ns"])[late], kind="stable"))
        return say("fail", f"{late.sum()} calls outlived their bound", witnesses=worst.rows())
    return say("pass", f"all {len(calls)} calls ended within their bound")
