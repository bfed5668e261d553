"""Pool laws: one stalled operation leaves the others alone, nothing leaks, overload is shed, the load is carried."""

from __future__ import annotations

import numpy as np

from harness.evidence.table import Mask
from harness.laws.blame import held_share, integration_holds
from harness.laws.breaker_flow import queued_rows
from harness.laws.case import Case, Ints, Window, in_order, names_in
from harness.laws.gates import MOST_DELAY_NS, MOST_OVERFLOW, judged_calls, saturated
from harness.laws.generator import health
from harness.laws.lag import dispatch_delay_ns
from harness.laws.pool_waits import pool_waits
from harness.laws.registry import Ruling, broken, exercise, inconclusive, law, passed, plural, unexercised
from harness.stats import quantile, quantile_interval, wilson

LEAST = 20
STALLED = 10
"""Calls that must be stuck at once before a shared pool can show."""

SECOND_NS = 1_000_000_000


@law(
    "P1",
    "Bulkhead",
    family="pools",
    rule="while one operation is stalled the others go on: 90 % of their baseline's success, p99 at most 1.5 times",
    trap="a session whose prediction hangs sends no observe: only calls that started are compared; those that waited "
    "for one attempt at a time are B8's matter",
    cure="give each operation a pool or a limit of its own, smaller than the whole",
    example="one httpx.Client with 100 connections: 100 hanging predictions leave none for observes",
    needs=frozenset({"delay", "drip"}),
    wants="a stall of one operation alone, such as delay with only: {op: predict}, with more calls than the pool holds",
    calls=LEAST,
)
def bulkhead(case: Case) -> Ruling:
    unharmed: tuple[str, float, float] | None = None
    for window in case.windows:
        op = _stalled_op(case, window)
        if op is None:
            continue
        others = ~case.calls["op"].among(op, "open_session")
        before = np.flatnonzero(others & case.history.calls_in("baseline"))
        during = np.setdiff1d(np.flatnonzero(others & _started_in(case, window)), queued_rows(case))
        if len(before) < LEAST or len(during) < LEAST:
            continue
        ok, took = case.calls["outcome"].among("ok"), case.calls["end_ns"] - case.calls["start_ns"]
        fair = 1.5 * quantile(took[before], 0.99) + MOST_DELAY_NS
        slow = quantile_interval(np.maximum(took - case.epsilon_ns + 250_000_000, 0)[during], 0.99)
        served = wilson(int(ok[during].sum()), len(during))
        fewer = served.below(0.9 * float(ok[before].mean()))
        if fewer or slow.above(fair):
            rows = during[np.argsort(-took[during], kind="stable")]
            suffered = f"{ok[during].mean():.0%} served" if fewer else "they were slower than in peace"
            reason = f"while {op} was stalled, other calls suffered: {suffered}"
            shown = f"p99 {quantile(took[during], 0.99) / 1e6:.0f} ms"
            return broken(case, rows, reason, of=len(during), measured=shown, bound=f"{fair / 1e6:.0f} ms")
        unharmed = (op, quantile(took[during], 0.99), fair)
    if unharmed is None:
        return unexercised(f"no single operation was stalled with {STALLED} calls stuck; it takes {exercise('P1')}")
    stalled, seen_ns, bound_ns = unharmed
    reason = f"other calls went on while {stalled} was stalled"
    return passed(reason, measured=f"p99 {seen_ns / 1e6:.0f} ms", bound=f"{bound_ns / 1e6:.0f} ms")


def _started_in(case: Case, window: Window) -> Mask:
    start = case.calls["start_ns"]
    return (start >= window.start_ns) & (start < window.end_ns)  # type: ignore[no-any-return]


def _stalled_op(case: Case, window: Window) -> str | None:
    """The only operation that a stall hit, where enough of its calls were stuck at once."""
    if window.kind not in ("delay", "drip"):
        return None
    seen = case.arrivals.table
    hit = seen["fault"].among(window.name)
    ops = names_in(seen["op"], hit)
    if len(ops) != 1:
        return None
    stuck = np.unique(case.arrivals.row[hit])
    start, end = in_order(case.calls["start_ns"][stuck]), in_order(case.calls["end_ns"][stuck])
    at_once = np.arange(1, len(stuck) + 1) - np.searchsorted(end, start, side="right")
    return ops[0] if len(stuck) and at_once.max() >= STALLED else None


@law(
    "P4",
    "Shedding",
    family="pools",
    rule="when KATO sheds load goodput stays at 80 % of its peak, and what is shed is refused within 100 ms",
    trap="uvicorn sheds with a bare 503 of 19 bytes, connection: close and no Retry-After; a generator that is itself "
    "short of breath shows the same",
    cure="limit what is in flight at the client, and don't send again at once what was shed",
    example="100 connections a worker: the 101st caller gets 503, tries again at once, and takes the place of others",
    wants="load at twice the capacity of a KATO with a limit (profile kato-1w), in an open model",
    calls=200,
)
def shedding(case: Case) -> Ruling:
    seen = case.history.arrivals
    shed = ((seen["status"] == 429) | (seen["status"] == 503)) & seen["fault"].among("") & (seen["reply_ns"] > 0)
    if shed.sum() < LEAST:
        return unexercised(f"KATO shed fewer than {LEAST} requests; it takes {exercise('P4')}")
    begin, end = int(seen["arrive_ns"][shed].min()), int(seen["arrive_ns"][shed].max())
    ok = in_order(case.calls["end_ns"][case.calls["outcome"].among("ok")])
    peak = _per_second(ok, int(case.calls["start_ns"].min()), case.end_ns)
    under = _per_second(ok, begin, max(end, begin + 3 * SECOND_NS))
    took = (seen["reply_ns"] - seen["arrive_ns"])[shed]
    refused = quantile_interval(took, 0.99)
    best, kept = float(np.quantile(peak, 0.95)), float(np.median(under))
    measured = f"{kept:.0f}/s of {best:.0f}/s, refused within {quantile(took, 0.99) / 1e6:.0f} ms"
    bound = "80 % of the peak, 100 ms"
    if kept < 0.8 * best - 1.96 * np.sqrt(best) or refused.above(100e6):
        rows = case.rows_of(seen["call"][shed])
        return broken(case, rows[rows >= 0], "goodput broke down under overload", measured=measured, bound=bound)
    return passed(
        f"{plural(int(shed.sum()), 'request')} were shed, and the others served", measured=measured, bound=bound
    )


def _per_second(moments: Ints, begin: int, end: int) -> Ints:
    edges = np.arange(begin, max(end, begin + SECOND_NS) + 1, SECOND_NS)
    counts: Ints = np.diff(np.searchsorted(moments, edges))
    return counts


@law(
    "P5",
    "CarriesOfferedLoad",
    family="pools",
    rule="calls start when they are due: no dispatch delay (p99 above 25 ms) while the integration's own code holds "
    "80 % of the processor, and no overflow (above 0.1 %) while the generator keeps its schedule",
    trap="whose lag it is tells a sampler of native threads; lag of the machine or the generator makes the run invalid",
    cure="share fewer pooled connections, don't block the event loop, or run more processes",
    example="one httpx.Client with 100 pooled connections costs 10 ms a call, and collapses with 500 waiting",
    wants="the load that the client is meant to carry",
    calls=100,
)
def carries_offered_load(case: Case) -> Ruling:
    judged = judged_calls(case)
    count = int(judged.sum())
    if count < 100:
        return inconclusive(f"{plural(count, 'call')} in judged phases, 100 are needed")
    calls, delay = case.calls, dispatch_delay_ns(case.calls)
    over = judged & calls["outcome"].among("overflow")
    ran = judged & ~over
    p99 = quantile(delay[ran], 0.99)
    measured = f"dispatch delay p99 {p99 / 1e6:.1f} ms, overflow {over.sum() / count:.2%}"
    late = quantile_interval(delay[ran], 0.99).above(MOST_DELAY_NS)
    if not late and over.sum() <= MOST_OVERFLOW * count:
        return passed("calls started when they were due", measured=measured, bound="p99 25 ms, overflow 0.1 %")
    overflowing = bool(over.sum() > MOST_OVERFLOW * count) and not saturated(health(case))
    if not overflowing and not integration_holds(case):
        return inconclusive("calls started late, and not for the integration's sake: X3 judges that", measured=measured)
    rows = np.flatnonzero(judged & ((delay > MOST_DELAY_NS) | over))
    rows = rows[np.argsort(-delay[rows], kind="stable")]
    held, _ = held_share(case)
    waits = pool_waits(case)
    said = f"{plural(int(over.sum()), 'call')} found too many in flight, while the generator kept its schedule"
    if not overflowing:
        said = (
            f"{plural(len(rows), 'call')} started late while the integration's own code held the processor ({held:.0%} "
        )
        said += "of busy samples)"
    return broken(
        case,
        rows,
        f"{said}, with up to {_pooled(case)} connections in use{f'; {waits}' if waits else ''}",
        of=count,
        measured=measured,
        bound="p99 25 ms, overflow 0.1 %",
        notes=lambda row: {"dispatch_delay_ns": int(delay[row])},
    )


def _pooled(case: Case) -> int:
    """The connections that the client used in its busiest second, a hint at its pool."""
    table = case.history.attempts
    if not len(table):
        return 0
    keys = np.unique((table["start_ns"] // SECOND_NS) * (1 << 17) + table["connection"])
    return int(np.unique(keys >> 17, return_counts=True)[1].max())
