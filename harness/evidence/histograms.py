"""Histograms of a run's times, one an operation × phase × outcome: what a long run's latencies come to in little space.

The buckets are HdrHistogram's for three significant digits, so that counts of parts, added up, are those of the whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.evidence.parquet import write_table
from harness.evidence.table import CHUNK, Table, Words

Ints = NDArray[np.int64]

LOWEST_US, HIGHEST_US, DIGITS = 1, 600_000_000, 3
"""From 1 µs to 10 min: what is shorter or longer counts as that."""

_HALF_BITS = 10
"""2^11 buckets of 1 µs, then 2^10 of twice the width each time: none is wider than a thousandth of its values."""

_TIMES: Mapping[str, tuple[str, str]] = {
    "response_time": ("intended_ns", "end_ns"),
    "service_time": ("start_ns", "end_ns"),
    "dispatch_delay": ("ready_ns", "start_ns"),
}
"""From when to when each series counts (design, "Times of a call")."""

GROUPED = ("op", "phase", "outcome")


def bucket_of(time_us: Ints) -> Ints:
    """The lowest value of the bucket that each time (µs) falls in."""
    within = np.clip(time_us, LOWEST_US, HIGHEST_US)
    bits = np.frexp(within.astype(np.float64))[1]
    shift = np.maximum(bits - _HALF_BITS - 1, 0)
    lowest: Ints = (within >> shift) << shift
    return lowest


def histograms_of(calls: Table) -> Table:
    """A row a bucket with calls in it: series, op, phase, outcome, `at_us` (the bucket's lowest value), and `count`.

    A call that never started has no times, and one without a moment that a series needs isn't in it.
    """
    rows = range(0, max(len(calls), 1), CHUNK)
    return merged([_counted(calls.where(slice(at, at + CHUNK)), series) for at in rows for series in _TIMES])


def merged(parts: Sequence[Table]) -> Table:
    """The histograms of all calls of which `parts` are the histograms: counts of equal buckets added up."""
    keys = [_joined([part[name] for part in parts]) for name in ("series", *GROUPED)]
    at_us = np.concatenate([part["at_us"] for part in parts])
    count = np.concatenate([part["count"] for part in parts])
    order = np.lexsort((at_us, *(words.codes for words in reversed(keys))))
    sorted_by = [words.codes[order] for words in keys] + [at_us[order]]
    first = np.ones(len(order), bool)
    first[1:] = np.any([column[1:] != column[:-1] for column in sorted_by], axis=0)
    starts = np.flatnonzero(first)
    columns: dict[str, Any] = {
        name: Words(words.codes[order[starts]], words.names)
        for name, words in zip(("series", *GROUPED), keys, strict=True)
    }
    counts = np.add.reduceat(count[order], starts) if len(starts) else count
    return Table({**columns, "at_us": at_us[order[starts]], "count": counts})


def write_histograms(folder: Path, calls: Table) -> None:
    """Leave the histograms of those calls in the run folder's `tables/histograms.parquet`."""
    write_table(folder / "tables" / "histograms.parquet", histograms_of(calls))


def _counted(calls: Table, series: str) -> Table:
    begin, end = (np.asarray(calls[name]) for name in _TIMES[series])
    timed = np.flatnonzero((calls["start_ns"] > 0) & (begin > 0) & (end > 0))
    at_us = bucket_of((end[timed] - begin[timed]) // 1000)
    group = np.zeros(len(timed), np.int64)
    for name in GROUPED:
        group = group * len(calls[name].names) + calls[name].codes[timed]
    cells, counts = np.unique(group << 30 | at_us, return_counts=True)
    found: dict[str, Any] = {"series": Words(np.zeros(len(cells), np.int32), (series,))}
    rest = cells >> 30
    for name in reversed(GROUPED):
        rest, codes = np.divmod(rest, len(calls[name].names))
        found[name] = Words(codes, calls[name].names)
    return Table({**found, "at_us": cells & (1 << 30) - 1, "count": counts.astype(np.int64)})


def _joined(columns: Sequence[Words]) -> Words:
    """One column of several, names in the order of the alphabet."""
    names = tuple(sorted({name for words in columns for name in words.names}))

    def placed(words: Words) -> NDArray[Any]:
        places = np.array([names.index(name) for name in words.names], np.int32)
        codes: NDArray[Any] = places[words.codes]
        return codes

    return Words(np.concatenate([placed(words) for words in columns]), names)
