"""How long a call may last by what its policy promises: the bounds that time-out and recovery laws share."""

from __future__ import annotations

import numpy as np

from harness.evidence.table import Mask
from harness.laws.case import Case, Ints
from harness.policy import Policy
from harness.policy.backoff import interval_s

DRIPPING = ("drip", "slicer", "bandwidth")
"""Faults that feed a reader before its time-out: only a total bounds them, and T2 judges that."""

ROUNDED_S, ROUNDING_NS = 5.0, 1_000_000_000
"""aiohttp lets time-outs of that length end with a whole second of its clock (ClientTimeout.ceil_threshold): those of
ROUNDED, of which `total` bounds the others. `sock_read` is kept to the moment."""
ROUNDED = ("connect", "pool")


def backoff_s(policy: Policy, retry: int) -> float:
    """The longest promised wait before re-try `retry` = 1, 2, … (s)."""
    backoff = policy.retry.backoff if policy.retry else None
    return interval_s(backoff, retry)[1] if backoff is not None else 0.0


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


def source(case: Case, op: str, key: str) -> str | None:
    """Where a number of the policy comes from: declared, read, default; None where nothing is said."""
    sources = case.promise.sources
    return sources.get(f"calls.{op}.{key}", sources.get(key))


def attempt_source(case: Case, op: str) -> str | None:
    """Where the bound of one attempt comes from."""
    timeout = case.policy.of(op).timeout
    return source(case, op, "timeout.total" if timeout is not None and timeout.total is not None else "timeout.read")


def is_known(case: Case, op: str, key: str) -> bool:
    """Whether the policy itself says this number, rather than the record's default."""
    return f"calls.{op}.{key}" in case.promise.sources or key in case.promise.sources


def attempts_of(case: Case, op: str) -> int | None:
    """The attempts of one request that the policy allows; None where it doesn't say."""
    retry = case.policy.of(op).retry
    if retry is None or not is_known(case, op, "retry.max_attempts"):
        return None
    return max(retry.max_attempts, 1)


def rounding_ns(case: Case, limit: Ints) -> Ints:
    """For each call by how much its HTTP library may overrun a `limit` (ns): by a second for each time-out of an
    attempt that aiohttp rounds up, as often as it fits into the limit."""
    found, rounding = np.zeros(len(case.calls), np.int64), case.attempts.table["via"].among("aiohttp")
    if not rounding.any():
        return found
    rounds = case.attempts.number(rounding)
    for op in case.calls["op"].names:
        steps = _aiohttp_steps(case, op)
        kept = [steps["total"]] if "total" in steps else [steps[name] for name in ROUNDED if name in steps]
        mine = case.calls["op"].among(op)
        for step in kept:
            if step >= ROUNDED_S:
                found[mine] += np.minimum(rounds, limit // int(1e9 * step))[mine] * ROUNDING_NS
    return found


def _aiohttp_steps(case: Case, op: str) -> dict[str, float]:
    """The time-outs that aiohttp was given for `op` (s): those that its requests carried, else what is promised."""
    timeout, read = case.policy.of(op).timeout, case.promise.read
    names = ("total", "read", *ROUNDED)
    told = {name: read.get(f"calls.{op}.timeout.{name}", read.get(f"timeout.{name}")) for name in names}
    if not any(isinstance(value, (int, float)) for value in told.values()):
        told = {name: getattr(timeout, name, None) for name in names}
    return {name: float(value) for name, value in told.items() if isinstance(value, (int, float))}


def totals_ns(case: Case) -> Ints:
    """For each call the declared total over it (ns); 0 where none is."""
    found = np.zeros(len(case.calls), np.int64)
    for op in case.calls["op"].names:
        found[case.calls["op"].among(op)] = int(1e9 * (declared_total_s(case, op) or 0.0))
    return found


def started_late(case: Case) -> Mask:
    """The attempts that aren't their call's first and began after its declared total + ε."""
    again, deadline = _again(case)
    return _among(case, again[case.attempts.table["start_ns"][again] > deadline])


def overshot(case: Case) -> Mask:
    """The attempts that aren't their call's first, began within its declared total, and ended after it + ε."""
    (again, deadline), table = _again(case), case.attempts.table
    over = (table["end_ns"][again] > deadline) & (table["start_ns"][again] <= deadline)
    return _among(case, again[over])


def _again(case: Case) -> tuple[Ints, Ints]:
    """The attempts (indices) that aren't the first of a call with a declared total, and when that + ε was over."""
    tries, total = case.attempts, totals_ns(case)
    total = total + rounding_ns(case, total)
    again = np.flatnonzero(~tries.opens)
    again = again[total[tries.row[again]] > 0]
    row = tries.row[again]
    return again, case.calls["start_ns"][row] + total[row] + case.epsilon_ns[row]


def _among(case: Case, some: Ints) -> Mask:
    found = np.zeros(len(case.attempts.row), bool)
    found[some] = True
    return found


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
    return np.where(limit > 0, limit + case.epsilon_ns + rounding_ns(case, limit), 0)


def _sum_ns(case: Case, op: str) -> Ints:
    """The bound from single time-outs: attempts × (one attempt + reading its body) + waits between them.

    Where the number of attempts is not known those that were seen are allowed: T1 then judges each attempt. Waits
    that were seen between attempts are allowed too, for R3 and R5 judge them; and before the first one (a limit on the
    rate) where no time-out is declared.
    """
    policy, tries, most = case.policy.of(op), case.attempts, attempts_of(case, op)
    each_s = attempt_bound_s(policy)
    if each_s is None or (most is None and not case.hooked):
        return np.zeros(len(case.calls), np.int64)
    requests = requests_of(case)
    times = np.maximum(tries.count if most is None else requests * most, 1)
    promised = int(1e9 * sum(backoff_s(policy, again) for again in range(1, most or 1)))
    waits = np.maximum(requests * promised, _gaps_ns(case))
    if attempt_source(case, op) != "declared":
        begun = case.calls["start_ns"]
        waits = waits + tries.pick("start_ns", tries.first, begun, tries.count > 0) - begun
    headers = tries.table["headers_ns"]
    body = np.where(headers > 0, tries.table["end_ns"] - headers, 0)
    reading = np.minimum(tries.sum(body), times * int(1e9 * ((policy.timeout and policy.timeout.read) or 0.0)))
    bound: Ints = times * int(each_s * 1e9) + waits + reading
    return bound


def _gaps_ns(case: Case) -> Ints:
    """For each call the time between its attempts (ns)."""
    tries = case.attempts
    gaps = np.zeros(len(tries.row), np.int64)
    same = tries.row[1:] == tries.row[:-1]
    gaps[1:] = np.where(same, np.maximum(tries.table["start_ns"][1:] - tries.table["end_ns"][:-1], 0), 0)
    return tries.sum(gaps)


def call_bounds_s(case: Case) -> dict[str, float]:
    """For each operation with a known bound how long a call of one request may last (s)."""
    found: dict[str, float] = {}
    for op in case.calls["op"].names:
        policy, total = case.policy.of(op), declared_total_s(case, op)
        each, attempts = attempt_bound_s(policy), attempts_of(case, op) or 1
        if total is not None:
            found[op] = total
        elif each is not None:
            found[op] = attempts * each + sum(backoff_s(policy, again) for again in range(1, attempts))
    return found
