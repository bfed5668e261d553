"""Attempts as retry laws see them: chains of tries of one request, with the gaps between them.

A call may make several requests (open a session, then observe): a chain ends with an answer of 2xx, and where the
witness saw another operation. An attempt that began before an earlier one of its chain had ended is a hedge, no retry;
nor is what aiohttp sends again by itself when its connection turns out to be closed (RFC 9112, 9.3.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.evidence.table import Mask, ascend, by_chunks
from harness.laws.case import Case, Ints, Tries, once

AT_ONCE_NS = 5_000_000
"""A re-send within this time waited for nothing."""


NUMBER = (1 << 16) - 1
"""An attempt's number among those of its call is at most this (harness/spool.py)."""


@dataclass(frozen=True, slots=True)
class Chains:
    """Columns beside `case.attempts.table`. `chain` numbers the chains; `nth` is 1 for a chain's first attempt and
    counts neither hedges nor aiohttp's own re-sends; `before` is the index of the attempt that a re-try repeats (−1:
    none); `gap_ns` the time from that one's end to this one's start; `arrival` the index in case.arrivals (−1: never
    seen)."""

    chain: Ints
    nth: Ints
    before: Ints
    hedge: Mask
    gap_ns: Ints
    arrival: Ints

    @property
    def retries(self) -> Ints:
        """The attempts (indices) that repeat a failed one."""
        found: Ints = np.flatnonzero(self.before >= 0)
        return found


@once
def chains_of(case: Case) -> Chains:
    """The chains of all calls."""
    tries = case.attempts
    size = len(tries.row)
    start, end = tries.table["start_ns"], tries.table["end_ns"]
    arrival = _arrivals_of(case)
    breaks = np.ones(size, bool)
    breaks[1:] = tries.opens[1:] | case.words["ok"][:-1] | _another_operation(case, arrival)
    chain: NDArray[Any] = (np.cumsum(breaks) - 1).astype(np.int32)
    first = np.flatnonzero(breaks)
    latest = _latest_end(end, first, chain)
    hedge = ~breaks & (start < latest)
    extra = hedge | _stale(case, breaks)
    steps: NDArray[Any] = np.cumsum(~extra).astype(np.int32)
    nth = steps - steps[first][chain] + 1 if size else steps
    before = np.where(breaks | extra, -1, np.arange(-1, size - 1, dtype=np.int32))
    gap = np.where(before >= 0, start - latest, 0)
    return Chains(chain, nth, before, hedge, gap, arrival)


def _stale(case: Case, breaks: Mask) -> Mask:
    """What aiohttp sent again at once because its connection was closed before it answered: reads, and once."""
    tries, table = case.attempts, case.attempts.table
    found = np.zeros(len(breaks), bool)
    closed = table["via"].among("aiohttp") & table["result"].among("reset", "protocol_error")
    closed &= case.calls["op"].among("predict")[tries.row]
    at_once = table["start_ns"][1:] - table["end_ns"][:-1] <= AT_ONCE_NS
    found[1:] = closed[:-1] & at_once & ~breaks[1:]
    position = np.arange(len(found))
    begun = np.maximum.accumulate(np.where(found, 0, position)) if len(found) else position
    every_other: Mask = found & ((position - begun) % 2 == 1)
    return every_other


def _latest_end(end: Ints, first: Ints, chain: Ints) -> Ints:
    """For each attempt the latest end of the earlier ones of its chain (chains are short: level by level)."""
    latest = np.zeros(len(end), np.int64)
    position = np.arange(len(end)) - (first[chain] if len(end) else 0)
    for back in range(1, min(int(position.max(initial=0)), 16) + 1):
        later = np.flatnonzero(position >= back)
        latest[later] = np.maximum(latest[later], end[later - back])
    return latest


def _arrivals_of(case: Case) -> Ints:
    """For each attempt the index of its arrival; −1 where it never arrived, or can't be told."""
    tries, seen = case.attempts, case.arrivals
    keys = _keys(seen)
    if not len(keys):
        return np.full(len(tries.row), -1, np.int32)
    order: NDArray[Any] | None = None
    if not ascend([keys]):  # as they are where a call's arrivals came in the order of its attempts
        order = np.argsort(keys, kind="stable").astype(np.int32)
        keys = keys[order]

    def found(some: Ints) -> Ints:
        at = np.minimum(np.searchsorted(keys, some), len(keys) - 1)
        there = (keys[at] == some) & (some & NUMBER > 0)
        return np.where(there, at if order is None else order[at], -1).astype(np.int32)

    return by_chunks(found, _keys(tries))


def _keys(tries: Tries) -> Ints:
    """A number for each row's call and attempt."""
    keys: Ints = (tries.row.astype(np.int64) << NUMBER.bit_length()) + tries.table["attempt"]
    return keys


def _another_operation(case: Case, arrival: Ints) -> Mask:
    """Between each attempt and the one before: whether the witness saw them as different operations.

    An attempt that never arrived is taken for the operation before it.
    """
    codes = case.arrivals.table["op"].codes.astype(np.int32)
    op = np.where(arrival >= 0, codes[np.maximum(arrival, 0)] if len(codes) else 0, -1)
    known = np.maximum.accumulate(np.where(op >= 0, np.arange(len(op), dtype=np.int32), -1)) if len(op) else op
    filled = np.where(known >= 0, op[np.maximum(known, 0)], -1)
    together = case.attempts.row[1:] == case.attempts.row[np.maximum(known[:-1], 0)]
    changed: Mask = (filled[1:] != filled[:-1]) & (op[1:] >= 0) & (filled[:-1] >= 0) & together
    return changed


def failed_words(case: Case, at: int) -> str:
    """How an attempt ended, in a policy's word: its error, or its status."""
    table = case.attempts.table
    return table["result"][at] or str(int(table["status"][at]))
