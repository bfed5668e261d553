"""Time-out laws: every call is bounded by what the policy promises."""

from __future__ import annotations

import numpy as np

from harness.evidence.table import Mask
from harness.laws.bounds import (
    DRIPPING,
    attempt_source,
    limits_ns,
    overshot,
    rounding_ns,
    source,
    started_late,
    totals_ns,
)
from harness.laws.breaker_flow import queued_rows
from harness.laws.case import Case, Ints
from harness.laws.chains import chains_of
from harness.laws.registry import (
    Ruling,
    broken,
    by_chance,
    exercise,
    inapplicable,
    inconclusive,
    law,
    passed,
    plural,
    unexercised,
)

UNBOUNDED_S = 10.0
"""Without any time-out known, a call that only the end of a fault of at least this length ended is unbounded."""

CONNECT_SLACK_S = 0.5
"""laws.md, T3."""

STALLING = frozenset({"timeout", "pause", "latency", "delay", "store"})


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
    late = ran & (limit > 0) & (took > limit)
    if late.any():
        late &= ~_excused(case)
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
    count = int(timed_out.sum())
    if by_chance(case, count, (*STALLING, *DRIPPING)):
        who = f"only {plural(count, 'call')}" if count else "no attempt"
        return unexercised(f"{who} ran into a time-out; it takes {exercise('T1')}")
    return passed(
        f"all {plural(int(bounded.sum()), 'call')} ended within their bound, {count} by a time-out",
        measured=f"{took[bounded].max() / 1e9:.2f} s",
        bound=f"{limit[bounded].max() / 1e9:.2f} s",
    )


def _timed_out(case: Case) -> Mask:
    by_attempt = case.attempts.any(case.failures(("timeout", "pool_timeout")))
    return by_attempt | case.calls["outcome"].among("timeout")  # type: ignore[no-any-return]


def _excused(case: Case) -> Mask:
    """Late calls that T1 leaves to the law whose matter they are: dripped ones (T2), those that queued in the client
    for one attempt at a time (B8), those whose re-tries outlived their total (R11), and those that ended by another
    time-out than the one that was read (K2)."""
    excused, timed_out = case.during(*DRIPPING), _timed_out(case)
    excused[queued_rows(case)] = True
    excused |= case.attempts.any((started_late(case) | overshot(case)) & chains_of(case).again)
    for op in case.calls["op"].names:
        if attempt_source(case, op) != "declared":
            excused |= case.calls["op"].among(op) & timed_out
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


@law(
    "T2",
    "TotalDeadline",
    family="time-outs",
    rule="a call whose answer drips in, each byte within the read time-out, ends within the declared total + ε",
    trap="a read time-out is per chunk: a client of 10 s waits 160 s for twenty chunks; drips below the buffers' size "
    "prove nothing",
    cure="put a deadline over the whole call, and cut every wait to what is left of it",
    example="httpx.Client(timeout=10) reads a byte every 8 s for as long as they come (httpx#1450)",
    needs=frozenset(DRIPPING),
    promise=("timeout.total",),
    wants="a reply that drips for longer than the total: drip, slicer or bandwidth",
)
def total_deadline(case: Case) -> Ruling:
    calls = case.calls
    took, limit = calls["end_ns"] - calls["start_ns"], totals_ns(case)
    if not limit.any():
        return inapplicable("no total time-out is declared")
    dripped = case.hit_by("drip") | (case.during("slicer", "bandwidth") & (case.attempts.count > 0))
    late = dripped & (limit > 0) & (took > limit + case.epsilon_ns + rounding_ns(case, limit))
    if late.any():
        rows = np.flatnonzero(late)[np.argsort(-took[late], kind="stable")]
        longest = f"{took[rows[0]] / 1e9:.2f} s"
        reason = f"{plural(len(rows), 'call')} with a dripping answer outlived the total; the longest lasted {longest}"
        bound = f"{limit[rows[0]] / 1e9:.2f} s"
        return broken(case, rows, reason, of=int(dripped.sum()), measured=longest, bound=bound)
    tested = dripped & (limit > 0) & (_cut_short(case) | (took > 0.8 * limit))
    if not tested.any():
        return unexercised(f"no answer dripped for as long as the total; it takes {exercise('T2')}")
    return passed(
        f"{plural(int(tested.sum()), 'dripping answer')} ended within the total",
        measured=f"{took[tested].max() / 1e9:.2f} s",
        bound=f"{limit[tested].max() / 1e9:.2f} s",
    )


def _cut_short(case: Case) -> Mask:
    """The calls that gave up an answer whose headers had come."""
    tries = case.attempts
    begun = tries.any((tries.table["headers_ns"] > 0) & case.words["lost"])
    return begun & ~case.calls["outcome"].among("ok")  # type: ignore[no-any-return]


@law(
    "T3",
    "ConnectTimeout",
    family="time-outs",
    rule="an attempt to a peer that doesn't answer ends within the connect time-out + 0.5 s",
    trap="Toxiproxy accepts at once, so none of its faults can prove this: it takes a full backlog or dropped packets",
    cure="set a connect time-out of its own: httpx.Timeout(5, connect=1), requests timeout=(1, 5)",
    example="a pod that vanished without a word keeps a caller in the handshake for two minutes",
    needs=frozenset({"external"}),
    promise=("timeout.connect",),
    wants="an external fault that drops the handshake: a listener with a full backlog, or a packet filter",
)
def connect_timeout(case: Case) -> Ruling:
    tries = case.attempts
    took = tries.table["end_ns"] - tries.table["start_ns"]
    unanswered = tries.table["result"].among("connect_timeout")
    if not unanswered.any():
        return unexercised(f"no handshake ran into a time-out; it takes {exercise('T3')}")
    limit, declared = np.zeros(len(case.calls), np.int64), np.zeros(len(case.calls), bool)
    for op in case.calls["op"].names:
        timeout, mine = case.policy.of(op).timeout, case.calls["op"].among(op)
        if timeout is not None and timeout.connect is not None:
            limit[mine] = int(1e9 * (timeout.connect + (timeout.pool or 0.0) + CONNECT_SLACK_S))
            declared[mine] = source(case, op, "timeout.connect") == "declared"
    bound = limit[tries.row] + case.lag.over(tries.table["start_ns"], tries.table["end_ns"])
    late = unanswered & (limit[tries.row] > 0) & (took > bound)
    broke = late & declared[tries.row]
    measured = f"{took[unanswered].max() / 1e9:.2f} s"
    if late.any():
        rows = np.unique(tries.row[broke if broke.any() else late])
        reason = f"{plural(len(rows), 'call')} waited longer for a handshake than the connect time-out + 0.5 s"
        if not broke.any():
            return inconclusive(f"{reason}; but that time-out was only read, and another may be in force")
        return broken(case, rows, reason, measured=measured, bound=f"{limit[rows].max() / 1e9:.2f} s")
    return passed(f"{plural(int(unanswered.sum()), 'handshake')} ended in time", measured=measured)
