"""Runs of counted failures after which a breaker has to be open, and the calls that were let through all the same.

Careful on the client's behalf: a run ends at any success of the same worker, at any rejection and at any failure that
needn't count; what began before that isn't counted (a breaker may well ignore calls of an earlier state); calls that
began before the run had filled the count are never held against it; a breaker may have counted attempts instead of
calls, so the first trial may come that much earlier, if nothing was sent before it for as long as it has to be open;
failures of several operations are added up only where one breaker is surely behind them all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.evidence.table import Mask
from harness.laws.breaker_events import Events, background, counts, failure_ends, moved_unseen
from harness.laws.breaker_spells import LOOK_BACK, ORDER_NS, Spell
from harness.laws.breaker_state import all_spells, breaker_of, events_of, surely_one
from harness.laws.case import Case, Ints, in_order, once, order_of, rows_from
from harness.policy import Breaker

ENOUGH = 100
"""Runs in a row that were all let through settle the matter."""

SOON_NS = 20_000_000
"""A call that began sooner after the one that filled the count had ended may have been let in before it was counted:
at 20 calls a second the next one must not be."""

LOOK_AHEAD = 1_000
"""Calls after a full count that are looked at."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run that filled the count: the calls that failed (rows, in order of end), when the count was full, the
    calls let through while the breaker had to stay open, and whether some call was rejected then."""

    op: str
    failed: Ints
    full_ns: int
    through: Ints
    opened: bool


@once
def full_runs(case: Case) -> list[Run]:
    """The runs of all workers and operations behind the breaker, in order of time."""
    found = [run for events in events_of(case) for run in _of_worker(case, events)]
    return sorted([*found, *_of_attempts(case)], key=lambda run: run.full_ns)


def _of_attempts(case: Case) -> list[Run]:
    """Openings so early that attempts must have filled the count, and not calls: then the calls that began after the
    attempt that filled it were let through. Other processes may have had a part in it, and what was sent in the
    background: there nobody can tell."""
    alone = case.hooked and len(case.workers) == 1
    return [
        run
        for e, states in (all_spells(case) if alone else ())
        for spell in states
        if spell.state == "closed" and spell.at >= 0 and (len(e.ops) < 2 or surely_one(case, e.ops))
        if (run := _by_attempts(case, e, spell)) is not None
    ]


def _by_attempts(case: Case, e: Events, spell: Spell) -> Run | None:
    limit, shut_ns = breaker_of(case, e).fail_max, int(e.start_ns[spell.at])
    near = np.arange(max(spell.at - LOOK_BACK, 0), spell.at)
    near = near[~e.rejected[near]]
    lost = near[~e.served[near] & ~e.denied[near]]
    ended = (e.end_ns[lost] > spell.from_ns - ORDER_NS) & (e.end_ns[lost] < shut_ns + ORDER_NS)
    if not limit or ended.sum() >= limit or moved_unseen(case, spell.from_ns, shut_ns):
        return None
    failed = _failed_in_a_row(case, e, e.row[near], spell.from_ns, shut_ns)
    if len(failed) <= limit:
        return None
    full_ns = int(case.attempts.table["end_ns"][failed[limit - 1]])
    lag_ns = int(case.lag.over(np.array([full_ns]), np.array([full_ns + ORDER_NS]))[0])
    through = near[e.start_ns[near] > full_ns + SOON_NS + lag_ns]
    return Run(e.ops[0], case.attempts.row[failed], full_ns, e.row[through], True)


def _failed_in_a_row(case: Case, e: Events, rows: Ints, since_ns: int, until_ns: int) -> Ints:
    """The last attempts (indices, in order of end) of these calls that the breaker has to count, between two moments;
    each began after the last one that it needn't count had ended."""
    tries = case.attempts
    spans = zip(tries.first[rows], tries.count[rows], strict=True)
    mine = np.concatenate([rows_from([]), *(np.arange(first, first + count) for first, count in spans)])
    start, end = tries.table["start_ns"][mine], tries.table["end_ns"][mine]
    counted = np.zeros(len(mine), bool)
    for op in e.ops:
        counted |= case.failures(counts(case, op))[mine] & case.calls["op"].among(op)[tries.row[mine]]
    inside = (end > since_ns) & (end < until_ns)
    since_ns = max(since_ns, int(end[inside & ~counted].max(initial=0)))
    found = np.flatnonzero(inside & counted & (start > since_ns))
    return mine[found[order_of(end[found])]]


def needed(breaker: Breaker) -> int | None:
    """The failures in a row that must open it: fail_max, else min_calls of a breaker that opens on a ratio."""
    return breaker.fail_max or breaker.min_calls


def _of_worker(case: Case, events: Events) -> list[Run]:
    found: list[Run] = []
    calls = case.calls
    same = calls["worker"] == events.worker
    _, ends, well = background(case)
    served = in_order(np.concatenate([calls["end_ns"][same & case.attempts.any(case.words["ok"])], ends[well]]))
    for op in events.ops:
        breaker = case.policy.of(op).breaker
        if breaker is not None and needed(breaker):
            mine = calls["op"].among(op)[events.row]
            found.extend(_of_op(case, events, mine, op, breaker, served))
    return found + _of_all(case, events, served)


def _of_all(case: Case, e: Events, served: Ints) -> list[Run]:
    """Runs of the operations together that let calls through: only where one breaker is surely behind them all, which
    takes asking when no operation's own failures show it."""
    promised = {case.policy.of(op).breaker for op in e.ops}
    breaker = next(iter(promised))
    if len(e.ops) < 2 or len(promised) > 1 or breaker is None or not needed(breaker):
        return []
    found = _of_op(case, e, np.ones(len(e), bool), e.ops[0], breaker, served)
    found = [run for run in found if len(run.through)]
    return found if found and surely_one(case, e.ops) else []


def _of_op(case: Case, e: Events, mine: Mask, op: str, breaker: Breaker, served: Ints) -> list[Run]:
    """Runs of one operation: its failures in order of end, cut at every moment that may have reset the count."""
    clean = e.failed & mine & ~e.denied
    fails = np.flatnonzero(clean)
    fails = fails[order_of(e.end_ns[fails])]
    other = e.end_ns[mine & ~e.rejected & ~e.failed & ~e.served]
    resets = in_order(np.concatenate([served, e.start_ns[e.rejected], e.end_ns[e.denied], other]))
    fails = fails[np.searchsorted(resets, e.start_ns[fails]) == np.searchsorted(resets, e.end_ns[fails])]
    if not len(fails):
        return []
    epoch = np.searchsorted(resets, e.end_ns[fails], side="left")
    edges = np.flatnonzero(np.diff(epoch)) + 1
    limit = needed(breaker) or 0
    sizes = np.diff([0, *edges, len(fails)])
    starts = np.concatenate([[0], edges])
    found: list[Run] = []
    for at, size in zip(starts[sizes >= limit], sizes[sizes >= limit], strict=True):
        since_ns = int(resets[epoch[at] - 1]) if epoch[at] else 0
        full_ns = _full_ns(e.end_ns[fails[at : at + size]], breaker, limit)
        if full_ns is not None:
            found.append(_run(case, e, mine, op, breaker, fails[at : at + size], since_ns, full_ns))
        if len(found) >= ENOUGH and all(len(run.through) for run in found[-ENOUGH:]):
            break
    return found


def _run(case: Case, e: Events, mine: Mask, op: str, breaker: Breaker, fails: Ints, since_ns: int, full_ns: int) -> Run:
    limit = needed(breaker) or 0
    soon_ns = SOON_NS if breaker.fail_max else ORDER_NS  # a share may be reached again some calls later
    reset_ns = int(1e9 * breaker.reset_timeout)
    lag_ns = int(case.lag.over(np.array([full_ns]), np.array([full_ns + ORDER_NS]))[0])
    earliest_ns = _earliest_open_ns(case, e, since_ns, full_ns, limit)
    begin, first, last = np.searchsorted(e.start_ns, [earliest_ns, full_ns - ORDER_NS, full_ns + reset_ns])
    near = begin + np.flatnonzero((mine & ~e.rejected)[begin:last])
    open_ns = reset_ns - ORDER_NS - lag_ns
    until_ns = _last_opening_ns(case, e, near, earliest_ns, open_ns) + open_ns
    rejected = first + np.flatnonzero(e.rejected[first:last])[:1]
    if len(rejected):
        until_ns = min(until_ns, int(e.start_ns[rejected[0]]))
    after = np.arange(first, min(last, first + LOOK_AHEAD))
    after = after[mine[after] & ~e.rejected[after] & (e.start_ns[after] > full_ns + soon_ns + lag_ns)]
    return Run(op, e.row[fails], full_ns, e.row[after[e.from_ns[after] < until_ns]], len(rejected) > 0)


def _earliest_open_ns(case: Case, e: Events, since_ns: int, full_ns: int, limit: int) -> int:
    """When the count would have been full if the breaker counted each failed attempt since the last reset."""
    ends = failure_ends(case, e, since_ns, full_ns)
    return int(ends[min(limit, len(ends)) - 1]) if len(ends) else full_ns


def _full_ns(ends: Ints, breaker: Breaker, limit: int) -> int | None:
    """When the count was surely full: a window that rolls, or begins anew at fixed times, may hold what came before
    the run until it has passed once, and holds enough calls only after that. None where they come too thinly."""
    if breaker.fail_max or not breaker.window:
        return int(ends[limit - 1])
    window_ns = int(1e9 * breaker.window)
    ends = ends[: int(np.searchsorted(ends, ends[0] + window_ns)) + limit]
    thin = (ends[limit - 1 :] - ends[: len(ends) - limit + 1] > window_ns).any()
    return None if thin or ends[-limit] < ends[0] + window_ns else int(ends[-1])


def _last_opening_ns(case: Case, e: Events, near: Ints, earliest_ns: int, open_ns: int) -> int:
    """The latest moment at which it may have opened: where nothing was sent for `open_ns` afterwards. `near` are the
    calls that count, none of them rejected. Processes that share its state may hear late of an opening."""
    sent = in_order(e.from_ns[near])
    sent = np.concatenate([[earliest_ns], sent[sent > earliest_ns]])
    paused = np.flatnonzero(np.diff(sent) >= open_ns)
    if len(case.workers) > 1:
        return earliest_ns
    return int(sent[paused[0]] if len(paused) else sent[-1])
