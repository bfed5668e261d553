"""Which row of calls an id is."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.evidence.table import Table, by_chunks


def by_call(events: Table, calls: Table, time: str) -> Table:
    """The events in the order in which laws look at them: that of their calls, and of column `time` within one.

    Those of no call come first.
    """
    return events.where(np.lexsort((events[time], rows_of(events["call"], *ids_of(calls)))))


def ids_of(calls: Table) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The rows of calls in the order of their ids, and these."""
    order = np.argsort(calls["call"], kind="stable").astype(np.int32)
    return order, calls["call"][order]


def rows_of(ids: NDArray[np.int64], order: NDArray[Any], known: NDArray[np.int64]) -> NDArray[Any]:
    """The row in calls of each call id; −1 where there is none."""
    if not len(known):
        return np.full(len(ids), -1, np.int32)

    def found(some: NDArray[np.int64]) -> NDArray[Any]:
        at = np.minimum(np.searchsorted(known, some), len(known) - 1)
        return np.where((known[at] == some) & (some > 0), order[at], np.int32(-1))

    return by_chunks(found, ids)
