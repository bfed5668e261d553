"""How long a call may last by what its policy promises: the bounds that time-out and recovery laws share."""

from __future__ import annotations

import numpy as np

from harness.laws.case import Case, Ints
from harness.policy import Policy


def backoff_s(policy: Policy, retry: int) -> float:
    """The longest promised wait before re-try `retry` = 1, 2, … (s)."""
    backoff = policy.retry.backoff if policy.retry else None
    if backoff is None:
        return 0.0
    wait = backoff.initial * backoff.multiplier ** (retry - 1)
    return min(wait, backoff.max) if backoff.max is not None else wait


def attempt_bound_s(policy: Policy) -> float | None:
    """The longest that one attempt may last until its headers (s): pool + connect + write + read; None: unbounded.

    A `total` that was only read is that of an HTTP library, which knows attempts and not calls.
    """
    timeout = policy.timeout
    if timeout is None:
        return None
    if timeout.total is not None:
        return timeout.total
    if timeout.read is None:
        return None
    return (timeout.pool or 0.0) + (timeout.connect or timeout.read) + (timeout.write or 0.0) + timeout.read


def declared_total_s(case: Case, op: str) -> float | None:
    """The total over the whole call that the integration declares for `op` (s)."""
    timeout = case.policy.of(op).timeout
    return timeout.total if timeout is not None and source(case, op, "timeout.total") == "declared" else None


def source(case: Case, op: str, key: str) -> str:
    """Where a number of the policy comes from: declared, read, default; declared where nothing is said."""
    sources = case.promise.sources
    return str(sources.get(f"calls.{op}.{key}", sources.get(key, "declared")))


def requests_of(case: Case) -> Ints:
    """For each call how many requests it made one after the other: an attempt after a 2xx one begins another."""
    tries = case.attempts
    after_served = np.zeros(len(tries.row), bool)
    after_served[1:] = case.words["ok"][:-1] & (tries.row[1:] == tries.row[:-1])
    return 1 + tries.number(after_served)


def limits_ns(case: Case) -> Ints:
    """For each call the longest it may last with ε (ns); 0 where nothing is known to bound it."""
    limit = np.zeros(len(case.calls), np.int64)
    for op in case.calls["op"].names:
        mine = case.calls["op"].among(op)
        total = declared_total_s(case, op)
        limit[mine] = int(total * 1e9) if total is not None else _sum_ns(case, op)[mine]
    return np.where(limit > 0, limit + case.epsilon_ns, 0)


def _sum_ns(case: Case, op: str) -> Ints:
    """The bound from single time-outs: attempts × (one attempt + reading its body) + waits between them.

    Where retries or their waits are not known, those that were seen are allowed: T1 then judges each attempt.
    """
    policy, tries = case.policy.of(op), case.attempts
    each_s, retry = attempt_bound_s(policy), policy.retry
    if each_s is None or (retry is None and not case.hooked):
        return np.zeros(len(case.calls), np.int64)
    times = tries.count if retry is None else np.maximum(requests_of(case) * retry.max_attempts, 1)
    waits = _waits_ns(case)
    if retry is not None and retry.backoff is not None:
        waits = requests_of(case) * int(1e9 * sum(backoff_s(policy, retry=n) for n in range(1, retry.max_attempts)))
    elif retry is not None and retry.max_attempts == 1:
        waits = np.zeros_like(waits)
    headers = tries.table["headers_ns"]
    body = np.where(headers > 0, tries.table["end_ns"] - headers, 0)
    reading = np.minimum(tries.sum(body), times * int(1e9 * ((policy.timeout and policy.timeout.read) or 0.0)))
    return np.maximum(times, 1) * int(each_s * 1e9) + waits + reading


def _waits_ns(case: Case) -> Ints:
    """For each call the time that it spent in no attempt (ns)."""
    spent = case.attempts.sum(case.attempts.table["end_ns"] - case.attempts.table["start_ns"])
    waits: Ints = np.maximum(case.calls["end_ns"] - case.calls["start_ns"] - spent, 0)
    return waits


def call_bounds_s(case: Case) -> dict[str, float]:
    """For each operation with a known bound how long a call of one request may last (s)."""
    found: dict[str, float] = {}
    for op in case.calls["op"].names:
        policy, total = case.policy.of(op), declared_total_s(case, op)
        each = attempt_bound_s(policy)
        attempts = policy.retry.max_attempts if policy.retry else 1
        if total is not None:
            found[op] = total
        elif each is not None:
            found[op] = attempts * each + sum(backoff_s(policy, retry) for retry in range(1, attempts))
    return found
