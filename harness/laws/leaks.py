"""Laws of leaks: what a service or client holds doesn't grow with the calls that it served."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from harness.evidence.table import Mask, Table
from harness.laws.case import Case, Ints, in_order, names_in, order_of
from harness.laws.registry import Ruling, broken, inconclusive, law, passed, plural, unexercised

LEAK = 0.01
"""laws.md, P2: open descriptors a call, and threads likewise."""
GROWN = 10
"""Fewer than so many more descriptors or threads are no proof of a leak."""
MEMORY = 16 << 10
"""Bytes that a call may leave behind; caches that fill, and an allocator's own, stay far below that."""
MEMORY_GROWN = 16 << 20
"""Less growth than this (bytes) is no proof of a leak of memory."""
LEAST_CALLS, SURE_CALLS, LEAST_SAMPLES = 100, 500, 6
SUBJECT = "subject"
INSIDE = ("generator", "host", "simulation")
NOBODY = np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True)
class Growth:
    """What was gained a call from sample to sample in peace (`slopes`), the calls made, and the gain of the whole.

    Between two samples no user may have made its first call: a client may keep a connection for each user.
    """

    slopes: np.ndarray[tuple[int], np.dtype[np.float64]]
    calls: int
    grown: int

    @property
    def few(self) -> Ruling | None:
        """The ruling where too little was seen."""
        if self.calls >= LEAST_CALLS and len(self.slopes) >= LEAST_SAMPLES:
            return None
        said = f"{plural(self.calls, 'call')}, {plural(len(self.slopes), 'sample')} without faults and new users"
        judge = inconclusive if self.calls else unexercised
        return judge(f"{said}: at least {LEAST_CALLS} and {LEAST_SAMPLES} are needed, {SURE_CALLS} for a pass")


@law(
    "P2",
    "NoConnLeak",
    family="pools",
    rule="open descriptors don't grow with the number of calls: less than 0.01 a call while nothing is wrong",
    trap="a pool that fills is no leak, nor is a connection for each user: growth is taken within stretches without "
    "faults in which no user comes for the first time",
    cure="make one client for the process and close it; read or close every response",
    example="FastAPI's Depends makes a new AsyncClient for each request, and nobody closes it",
    wants="500 calls in stretches without faults",
    calls=SURE_CALLS,
)
def no_connection_leak(case: Case) -> Ruling:
    return _counted(case, "descriptors", "descriptors")


@law(
    "P6",
    "NoGrowth",
    family="pools",
    rule="threads and memory of a service don't grow with the number of calls: less than 0.01 threads and 16 KiB a "
    "call while nothing is wrong",
    trap="a cache or a pool that fills grows too, and then stops: the last third must grow like the first; a user who "
    "comes for the first time may bring a thread and memory of its own",
    cure="bound every cache and queue, and end what a request began with the request",
    example="a list of recent requests that nobody cuts; a thread a request that waits for ever",
    wants="a service (subject) and 500 calls in stretches without faults",
    calls=SURE_CALLS,
)
def no_growth(case: Case) -> Ruling:
    if SUBJECT not in case.history.samples["process"].names:
        return unexercised("no service was measured: subject: {command: …}")
    memory, threads = _memory(case), _counted(case, "threads", "threads")
    order = ("fail", "inconclusive", "not_exercised", "pass")
    return min(memory, threads, key=lambda ruling: order.index(ruling.status))


def _counted(case: Case, column: str, words: str) -> Ruling:
    """The ruling on something that is counted."""
    growth = _growth(case, column)
    if nothing := growth.few:
        return nothing
    centre = float(np.median(growth.slopes))
    deviation = 1.4826 * float(np.median(np.abs(growth.slopes - centre))) * 1.96 / np.sqrt(len(growth.slopes))
    measured, bound = f"{centre:.3f} a call", f"{LEAK} a call"
    if centre - deviation > LEAK and growth.grown >= GROWN:
        reason = f"{growth.grown:,} more {words} open after {plural(growth.calls, 'call')} in peace"
        return broken(case, NOBODY, reason, measured=measured, bound=bound)
    if growth.calls < SURE_CALLS or centre + deviation > LEAK:
        return inconclusive(
            f"{plural(growth.calls, 'call')} can't rule out a leak of {LEAK} {words} a call", measured=measured
        )
    return passed(f"{words} don't grow with the number of calls", measured=measured, bound=bound)


def _memory(case: Case) -> Ruling:
    """The ruling on memory: it grows in steps, so the thirds of a stretch are compared."""
    growth = _growth(case, "rss")
    if nothing := growth.few:
        return nothing
    worst, bound = max(_thirds(case), default=0.0), f"{MEMORY >> 10} KiB a call"
    measured = f"{worst / 1024:.1f} KiB a call"
    if worst > MEMORY:
        reason = f"memory grew by {growth.grown >> 20} MiB in {plural(growth.calls, 'call')} in peace, and went on"
        return broken(case, NOBODY, reason, measured=measured, bound=bound)
    if growth.calls < SURE_CALLS:
        return inconclusive(f"{plural(growth.calls, 'call')} can't rule out a leak of memory", measured=measured)
    return passed("threads and memory don't grow with the number of calls", measured=measured, bound=bound)


def _thirds(case: Case) -> list[float]:
    """Bytes that each call left behind, of the stretches in which memory grew steadily to their end."""
    found = []
    for made, gained in _settled(case, "rss"):
        if len(made) + 1 < LEAST_SAMPLES:
            continue
        held = np.append(0, np.cumsum(gained))
        first, middle, last = (float(np.median(third)) for third in np.array_split(held, 3))
        steady = last - middle >= 0.5 * (middle - first) > 0
        if steady and last - first > MEMORY_GROWN:
            found.append((last - first) / (int(made.sum()) * 2 / 3))
    return found


def _growth(case: Case, column: str) -> Growth:
    slopes: list[float] = []
    calls = grown = 0
    for made, gained in _settled(case, column):
        slopes.extend((gained / made).tolist())
        calls += int(made.sum())
        grown += int(gained.sum())
    return Growth(np.array(slopes), calls, grown)


def _settled(case: Case, column: str) -> Iterator[tuple[Ints, Ints]]:
    """For each stretch in peace the calls made and the `column` gained from one sample to the next: where some were
    made, and none was a user's first."""
    starts, firsts = in_order(case.calls["start_ns"]), in_order(_first_calls(case))
    for mine in _stretches(case):
        made: Ints = np.diff(np.searchsorted(starts, mine["time_ns"]))
        settled = (made > 0) & (np.diff(np.searchsorted(firsts, mine["time_ns"])) == 0)
        yield made[settled], np.diff(mine[column])[settled]


def _first_calls(case: Case) -> Ints:
    """When each user's first call began (ns)."""
    users, starts = case.calls["user"], case.calls["start_ns"]
    latest_first = order_of(starts)[::-1]
    first = np.full(len(users.names), np.iinfo(np.int64).max)
    first[users.codes[latest_first]] = starts[latest_first]  # of equal indices the last one counts
    return first[[bool(name) for name in users.names]]


def _stretches(case: Case) -> list[Table]:
    """The samples of each process that runs what is under test, by stretches without faults."""
    samples, found = case.history.samples, []
    for span in case.history.phases:
        if span.name not in ("baseline", "recovery"):
            continue
        inside: Mask = (samples["time_ns"] >= span.start_ns) & (samples["time_ns"] < span.end_ns)
        found += [samples.where(samples["process"].among(name) & inside) for name in _judged(case)]
    return found


def _judged(case: Case) -> list[str]:
    """The service under test where there is one, else the processes that run the integration."""
    samples = case.history.samples
    names = list(names_in(samples["process"], samples["descriptors"] > 0))
    if SUBJECT in names:
        return [SUBJECT]
    return [name for name in names if name.startswith(INSIDE)] or names
