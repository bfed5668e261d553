"""Breaker laws about what flows through it: calls side by side, and coroutines that are counted."""

from __future__ import annotations

import numpy as np

from harness.evidence.table import Mask
from harness.laws.breaker_events import breakers, explicit_rejections, silent_rejections
from harness.laws.breaker_runs import full_runs
from harness.laws.breaker_state import events_of
from harness.laws.case import Case, Ints, in_order, names_in, once, order_of
from harness.laws.registry import LAWS, Ruling, broken, exercise, inapplicable, law, passed, plural, unexercised

WAITED_NS = 50_000_000
"""A call whose first attempt begins later than this after its start waited for something in the client."""

CROWD = 10
"""laws.md, B8: calls in flight at the client."""

SERVICE_TIMES = 3

BUSY = 0.7
"""Share of the time in which the one attempt is under way: less is a limit on the rate, not a queue for a lock."""


@law(
    "B8",
    "NoSerialisation",
    family="breaker",
    rule="with 10 calls in flight at the client more than one attempt is under way at a time",
    trap="a serial KATO must not look like a serial client: attempts are counted at the client; under gevent a patched "
    "lock serialises greenlets too; waits between re-tries are no queue",
    cure="lock only the breaker's state and never the call, and give the pool more than one connection",
    example="20 calls of 1 s through pybreaker's decorator take 20 s: it holds its lock during the call",
    needs=frozenset({"latency", "delay", "pause", "timeout"}),
    wants="latency such that rate × latency is above 10 calls in flight",
    calls=CROWD,
)
def no_serialisation(case: Case) -> Ruling:
    if not case.hooked:
        return unexercised("attempts are not seen at the client's side")
    queued = queued_rows(case)
    if len(queued):
        waited = (_left_ns(case) - case.calls["start_ns"])[queued]
        queued = queued[order_of(-waited)]
        reason = f"{plural(len(queued), 'call')} waited in the client for each other: one attempt at a time"
        measured = f"waited up to {waited.max() / 1e9:.2f} s"
        return broken(case, queued, reason, measured=measured, bound="more than one attempt at a time")
    most = max((_busiest(case, worker) for worker in case.workers), default=0)
    if not most or not case.kinds & LAWS["B8"].needs:
        return unexercised(f"never were {CROWD} calls in flight with attempts under way; it takes {exercise('B8')}")
    if most == 1:
        said = f"with {CROWD} calls in flight one attempt was under way, but not for {SERVICE_TIMES} service times"
        return unexercised(f"{said}; it takes {exercise('B8')}")
    return passed(
        f"up to {plural(most, 'attempt')} were under way at once with {CROWD} calls in flight", measured=str(most)
    )


@once
def queued_rows(case: Case) -> Ints:
    """The calls (rows) that waited for each other in the client, one attempt at a time."""
    found = [_queued(case, np.flatnonzero(_of_worker(case, worker))) for worker in case.workers]
    return np.concatenate([*found, np.zeros(0, np.int64)])


def _of_worker(case: Case, worker: int) -> Mask:
    """The worker's calls that were tried, refused by a breaker, which may have been after a wait for its lock, or
    given up at the end of the run while they waited."""
    refused = explicit_rejections(case) | silent_rejections(case) | case.calls["outcome"].among("cancelled")
    return (case.calls["worker"] == worker) & ((case.attempts.count > 0) | refused)  # type: ignore[no-any-return]


def _left_ns(case: Case) -> Ints:
    """When each call had waited: its first attempt began, or it ended without any."""
    tries = case.attempts
    return tries.pick("start_ns", tries.first, case.calls["end_ns"], tries.count > 0)


def _queued(case: Case, rows: Ints) -> Ints:
    """The calls (rows) that waited among at least nine others for one attempt at a time, over three service times."""
    tries, calls = case.attempts, case.calls
    left = _left_ns(case)
    slow: Ints = rows[left[rows] - calls["start_ns"][rows] > WAITED_NS]
    if len(slow) < CROWD:
        return slow[:0]
    mine = calls["op"].among(*names_in(calls["op"], slow)) & _members(case, rows)
    rivals = np.flatnonzero(mine[tries.row])
    if not len(rivals):
        return slow[:0]
    begin, end = tries.table["start_ns"][rivals], tries.table["end_ns"][rivals]
    times, waiting, running = _levels((calls["start_ns"][slow], left[slow]), (begin, end))
    serial = (waiting >= CROWD - 1) & (running <= 1)
    service_ns = float(np.median(end - begin))
    queued = np.zeros(len(slow), bool)
    for start, stop in _stretches(times, serial):
        # one that began before the others queued behind it counts, too: they wait for its end
        busy_ns = np.minimum(end, stop) - np.maximum(begin, start)
        busy_ns = busy_ns[busy_ns > 0]
        if (
            len(busy_ns) >= SERVICE_TIMES
            and stop - start >= SERVICE_TIMES * service_ns
            and busy_ns.sum() > BUSY * (stop - start)
        ):
            queued |= (calls["start_ns"][slow] < stop) & (left[slow] > start)
    found: Ints = slow[queued]
    return found


def _members(case: Case, rows: Ints) -> Mask:
    found = np.zeros(len(case.calls), bool)
    found[rows] = True
    return found


def _busiest(case: Case, worker: int) -> int:
    """The most attempts under way at once while at least ten calls were in flight."""
    tries = case.attempts
    rows = np.flatnonzero((case.calls["worker"] == worker) & (tries.count > 0))
    if len(rows) < CROWD:
        return 0
    mine = _members(case, rows)[tries.row]
    begins = in_order(tries.table["start_ns"][mine])
    running = np.arange(1, len(begins) + 1) - _before(tries.table["end_ns"][mine], begins)
    flight = _before(case.calls["start_ns"][rows], begins) - _before(case.calls["end_ns"][rows], begins)
    crowded = flight >= CROWD
    return int(running[crowded].max()) if crowded.any() else 0


def _before(moments: Ints, times: Ints) -> Ints:
    """For each time how many of the moments have come."""
    return np.searchsorted(in_order(moments), times, side="right").astype(np.int64)


def _levels(one: tuple[Ints, Ints], other: tuple[Ints, Ints]) -> tuple[Ints, Ints, Ints]:
    """Moments of change, and after each how many spans of `one` and of `other` are open."""
    edges = [one[0], one[1], other[0], other[1]]
    times = np.concatenate(edges)
    signs = np.repeat(np.array([1, -1, 1, -1]), [len(edge) for edge in edges])
    which = np.repeat(np.array([0, 0, 1, 1]), [len(edge) for edge in edges])
    order = order_of(2 * times + (signs > 0))
    signs, which = signs[order], which[order]
    return times[order], np.cumsum(np.where(which == 0, signs, 0)), np.cumsum(np.where(which == 1, signs, 0))


def _stretches(times: Ints, mask: Mask) -> list[tuple[int, int]]:
    """[from, to) of each run of True, longest first; what is True after a change holds until the next one."""
    edges = np.diff(np.concatenate([[0], mask.astype(np.int8), [0]]))
    begins, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    spans = [(int(times[a]), int(times[b])) for a, b in zip(begins, ends, strict=True)]
    return sorted(spans, key=lambda span: span[0] - span[1])[:100]


@law(
    "B9",
    "AsyncCounted",
    family="breaker",
    rule="an asynchronous client's breaker opens in an outage: failures are counted when they are awaited",
    trap="under a synchronous breaker the creation of a coroutine counts as success, and closes a half-open one",
    cure="use a breaker that awaits (aiobreaker), or count around the await",
    example="@pybreaker_instance on an `async def` lets every call of a total outage through",
    needs=frozenset({"refuse", "reset_peer", "timeout", "kill", "status", "drop_before_commit"}),
    promise=("breaker",),
    wants="an outage under an asynchronous client: refuse",
)
def async_counted(case: Case) -> Ruling:
    if not breakers(case):
        return inapplicable("no breaker is declared or seen in the client")
    via = case.history.attempts["via"]
    if not len(via) or not via.among("httpx_async", "aiohttp").any():
        return inapplicable("the client is not asynchronous")
    if any(e.rejected.any() for e in events_of(case)):
        return passed("failures were counted: calls were rejected")
    runs = [run for run in full_runs(case) if len(run.through) >= CROWD]
    if not runs:
        return unexercised(f"no run of failures filled the count with calls coming after it; it takes {exercise('B9')}")
    rows = np.unique(np.concatenate([run.through for run in runs]))
    longest = max(len(run.failed) for run in runs)
    reason = f"{longest} failures in a row, and not one call was rejected: what is awaited is not counted"
    return broken(case, rows, reason, measured="0 rejections")
