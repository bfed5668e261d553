"""Who waited for the client's own connection pool: its size read from the client, its filling seen at the witness."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.laws.case import Case, Ints, once
from harness.laws.chains import chains_of

WAITED_NS = 100_000_000
"""So much between an attempt's start and its arrival is no transit."""

FULL = 0.95
"""Share of its connections from which on a pool counts as full: some are being opened or handed over."""

FEWEST = 10


@dataclass(frozen=True, slots=True)
class PoolWaits:
    """`waited` attempts that found all `size` connections of the client's pools busy, the `longest_ns` among them."""

    size: int
    waited: int
    longest_ns: int

    def __str__(self) -> str:
        return (
            f"the client's pool of {self.size} connections was full: {self.waited:,} attempts waited up to "
            f"{self.longest_ns / 1e9:.2f} s in it before anything was sent"
        )


@dataclass(frozen=True, slots=True)
class Held:
    """The attempts (indices) that found all `size` connections busy, and how long each waited (ns)."""

    size: int
    attempt: Ints
    waits_ns: Ints


@once
def pool_waits(case: Case) -> PoolWaits | None:
    """The waits for a connection; None where the pool's size isn't known, or less than ten waited."""
    held = held_by_pool(case)
    if held is None or len(held.attempt) < FEWEST:
        return None
    return PoolWaits(held.size, len(held.attempt), int(held.waits_ns.max()))


@once
def held_by_pool(case: Case) -> Held | None:
    """Who waited for a connection before anything was sent; None where the pool's size isn't known."""
    size = case.promise.read.get("limits.max_connections")
    tries, arrival = case.attempts, chains_of(case).arrival
    came = np.flatnonzero(arrival >= 0)
    if not isinstance(size, int) or not len(came):
        return None
    capacity = size * max(len(case.workers), 1)
    seen = case.arrivals.table
    begin = seen["arrive_ns"][arrival[came]]
    done = tries.table["end_ns"][came]
    start = tries.table["start_ns"][came]
    in_use = np.searchsorted(np.sort(begin), start, side="right") - np.searchsorted(np.sort(done), start, side="right")
    waits = begin - start
    held = (waits > WAITED_NS) & (in_use >= FULL * capacity)
    return Held(capacity, came[held], waits[held])
