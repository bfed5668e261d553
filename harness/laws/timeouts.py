"""Time-out laws: every call is bounded by what the policy promises."""

from __future__ import annotations

import numpy as np

from harness.evidence.table import Mask
from harness.laws.case import Case, Ints
from harness.laws.registry import Ruling, broken, exercise, inconclusive, law, passed, plural, unexercised
from harness.policy import Policy

UNBOUNDED_S = 10.0
"""Without any time-out known, a call that only the end of a fault of at least this length ended is unbounded."""

DRIPPING = ("drip", "slicer", "bandwidth")
"""Faults that feed a reader before its time-out: only a total bounds them (T2)."""

STALLING = frozenset({"timeout", "pause", "latency", "delay", "store"})


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


@law(
    "T1",
    "EveryCallBounded",
    family="time-outs",
    rule="a call ends within its total time-out, else within attempts × (pool + connect + write + read) + Σ back-off, "
    "plus ε; with no time-out known it must not be held by a fault of 10 s until the fault is gone",
    trap="a blocked event loop looks like a missing time-out: lag seen during the call is allowed for",
    cure="set a time-out on every call: connect and read on the client, and a total over all attempts",
    example="requests.post(url) without timeout= waits as long as the peer holds the connection",
    needs=STALLING,
    wants="a fault that holds calls for longer than their time-outs: timeout, pause or latency",
)
def every_call_bounded(case: Case) -> Ruling:
    calls = case.calls
    took = calls["end_ns"] - calls["start_ns"]
    limit = limits_ns(case)
    ran = ~calls["outcome"].among("overflow")
    late = ran & (limit > 0) & (took > limit) & ~_excused(case)
    held = ran & (limit == 0) & _held_until_the_end(case)
    if not (late | held).any():
        return _kept(case, took, limit, ran)
    rows = np.flatnonzero(late | held)
    rows = rows[np.argsort(-took[rows], kind="stable")]
    longest = f"{took[rows[0]] / 1e9:.2f} s"
    why = "outlived their bound" if late.any() else "were held until the fault was gone, without any time-out"
    return broken(
        case,
        rows,
        f"{plural(len(rows), 'call')} {why}; the longest lasted {longest}",
        of=int(ran.sum()),
        measured=longest,
        bound=f"{limit[rows[0]] / 1e9:.2f} s" if limit[rows[0]] else "none known",
    )


def _kept(case: Case, took: Ints, limit: Ints, ran: Mask) -> Ruling:
    bounded = ran & (limit > 0)
    if not bounded.any():
        return inconclusive(f"no time-out is known, and nothing held a call long enough; it takes {exercise('T1')}")
    timed_out = bounded & _timed_out(case)
    if not timed_out.any():
        return unexercised(f"no attempt ran into a time-out; it takes {exercise('T1')}")
    return passed(
        f"all {plural(int(bounded.sum()), 'call')} ended within their bound, {int(timed_out.sum())} by a time-out",
        measured=f"{took[bounded].max() / 1e9:.2f} s",
        bound=f"{limit[bounded].max() / 1e9:.2f} s",
    )


def _timed_out(case: Case) -> Mask:
    by_attempt = case.attempts.any(case.failures(("timeout", "pool_timeout")))
    return by_attempt | case.calls["outcome"].among("timeout")  # type: ignore[no-any-return]


def _excused(case: Case) -> Mask:
    """Late calls that broke no promise: dripped ones without a declared total (T2 judges those), and ones that another
    time-out than the one that was read did end (K2 is about that)."""
    excused = np.zeros(len(case.calls), bool)
    dripped, timed_out = case.during(*DRIPPING), _timed_out(case)
    for op in case.calls["op"].names:
        mine = case.calls["op"].among(op)
        if declared_total_s(case, op) is None:
            excused |= mine & dripped
            excused |= mine & timed_out & (source(case, op, "timeout.read") != "declared")
    return excused


def _held_until_the_end(case: Case) -> Mask:
    """The calls that a fault held for at least 10 s (scaled) and that ended only when it did, or never."""
    calls = case.calls
    least_ns = int(UNBOUNDED_S * case.promise.scale * 1e9)
    held = np.zeros(len(calls), bool)
    for window in case.windows:
        if window.kind in STALLING:
            inside = window.end_ns - np.maximum(calls["start_ns"], window.start_ns)
            held |= (calls["start_ns"] < window.end_ns) & (inside >= least_ns) & (calls["end_ns"] >= window.end_ns)
    return held
