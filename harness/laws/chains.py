"""Attempts as retry laws see them: chains of tries of one request, with the gaps between them.

A call may make several requests (open a session, then observe): a chain ends with an answer of 2xx that was one, and
where the witness saw another operation. An attempt that began before an earlier one of its chain had ended is a hedge,
no retry; nor is what aiohttp sends again by itself when its connection turns out to be closed (RFC 9112, 9.3.1).
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


UNREADABLE = ("malformed", "empty_body")
"""Faults that make an answer of 2xx none."""

NUMBER = (1 << 16) - 1
"""An attempt's number among those of its call is at most this (harness/spool.py)."""


@dataclass(frozen=True, slots=True)
class Chains:
    """Columns beside `case.attempts.table`: `nth` is 1 for a chain's first attempt and counts neither hedges nor
    aiohttp's own re-sends; `again` the attempts that repeat a failed one, which is always the one before; `arrival` the
    index in case.arrivals (−1: never seen); `unreadable` where the answer was of 2xx and had no body that anybody could
    read. `retries`: the indices of `again`; `gap_ns` beside it, from the latest end of the earlier attempts of the
    chain to the re-try's start."""

    nth: NDArray[Any]
    again: Mask
    arrival: Ints
    unreadable: Mask
    retries: Ints
    gap_ns: Ints


@once
def chains_of(case: Case) -> Chains:
    """The chains of all calls."""
    tries = case.attempts
    start, end = tries.table["start_ns"], tries.table["end_ns"]
    arrival = _arrivals_of(case)
    # nine calls of ten make one attempt, and that is a chain of its own
    some = np.flatnonzero(tries.count[tries.row] > 1)
    breaks, unreadable = tries.opens[some], _unreadable(case, arrival)
    breaks[1:] |= (case.words["ok"] & ~unreadable)[some[:-1]] | _another_operation(case, arrival, some)
    later = np.flatnonzero(~breaks)
    first = np.maximum.accumulate(np.where(breaks, np.arange(len(some)), 0))[later]
    latest = _latest_end(end[some], later, later - first)
    extra = (start[some[later]] < latest) | _stale(case, some, breaks)[later]
    nth, again = np.ones(len(tries.row), np.int32), np.zeros(len(tries.row), bool)
    nth[some[later]] = 1 + _counted(~extra, first)
    retries = some[later[~extra]]
    again[retries] = True
    return Chains(nth, again, arrival, unreadable, retries, start[retries] - latest[~extra])


def _unreadable(case: Case, arrival: Ints) -> Mask:
    names = [window.name for window in case.windows if window.kind in UNREADABLE]
    if not names or not len(case.arrivals.row):
        return np.zeros(len(arrival), bool)
    spoilt = case.arrivals.table["fault"].among(*names)
    found: Mask = case.words["ok"] & (arrival >= 0) & spoilt[np.maximum(arrival, 0)]
    return found


def _counted(mask: Mask, group: Ints) -> Ints:
    """For each row how many of its group are in `mask` up to itself; the rows of a group lie side by side."""
    total = np.cumsum(mask)
    heads = np.flatnonzero(np.append(True, group[1:] != group[:-1])[: len(group)])
    sizes = np.diff(np.append(heads, len(group)))
    return np.asarray(total - np.repeat((total - mask)[heads], sizes), np.int64)


def _stale(case: Case, some: Ints, breaks: Mask) -> Mask:
    """What of `some` aiohttp sent again at once because its connection was closed before it answered: reads, once."""
    tries, table = case.attempts, case.attempts.table
    found = np.zeros(len(some), bool)
    closed = (table["via"].among("aiohttp") & table["result"].among("reset", "protocol_error"))[some]
    closed &= case.calls["op"].among("predict")[tries.row[some]]
    at_once = table["start_ns"][some[1:]] - table["end_ns"][some[:-1]] <= AT_ONCE_NS
    found[1:] = closed[:-1] & at_once & ~breaks[1:]
    position = np.arange(len(found))
    begun = np.maximum.accumulate(np.where(found, 0, position))
    every_other: Mask = found & ((position - begun) % 2 == 1)
    return every_other


def _latest_end(end: Ints, later: Ints, position: Ints) -> Ints:
    """For each of the rows `later` the latest end of those before it in its chain (chains are short: level by level);
    `position` is its place there, the first one's 0."""
    latest = np.zeros(len(later), np.int64)
    for back in range(1, min(int(position.max(initial=0)), 16) + 1):
        far = np.flatnonzero(position >= back)
        latest[far] = np.maximum(latest[far], end[later[far] - back])
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


def _another_operation(case: Case, arrival: Ints, some: Ints) -> Mask:
    """Between each of `some` attempts and the one before: whether the witness saw them as different operations.

    An attempt that never arrived is taken for the operation before it.
    """
    codes, row, seen = case.arrivals.table["op"].codes.astype(np.int32), case.attempts.row[some], arrival[some]
    op = np.where(seen >= 0, codes[np.maximum(seen, 0)] if len(codes) else 0, -1)
    known = np.maximum.accumulate(np.where(op >= 0, np.arange(len(op)), -1))
    filled = np.where(known >= 0, op[np.maximum(known, 0)], -1)
    together = row[1:] == row[np.maximum(known[:-1], 0)]
    changed: Mask = (filled[1:] != filled[:-1]) & (op[1:] >= 0) & (filled[:-1] >= 0) & together
    return changed


def failed_words(case: Case, at: int) -> str:
    """How an attempt ended, in a policy's word: its error, or its status; decode where nobody could read its answer."""
    table = case.attempts.table
    return table["result"][at] or ("decode" if chains_of(case).unreadable[at] else str(int(table["status"][at])))
