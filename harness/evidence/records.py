"""The rows of one table from all spools: kept as records, half as wide as columns, which are made when asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import model
from harness.evidence.spools import Spool, record_type
from harness.evidence.table import Column, LazyColumns, Table, Words
from harness.spool import Layout

Records = NDArray[Any]
Names = Mapping[str, tuple[str, ...]]


def joined(layout: Layout, spools: Sequence[Spool]) -> Table:
    """One table over all spools, with texts and vocabulary codes as category columns; int64 and float64 else."""
    sizes = [int(spool.counts[layout.tag]) for spool in spools]
    records = np.zeros(sum(sizes), record_type(layout))
    ends = np.cumsum(sizes, dtype=np.int64).tolist()
    parts = [records[end - size : end] for end, size in zip(ends, sizes, strict=True)]
    for spool, part in zip(spools, parts, strict=True):
        spool.fill(part, layout)
    names = {field: _one_numbering(field, parts, spools) for field in sorted(layout.texts)}
    for field, vocabulary in layout.words.items():
        names[field] = _vocabulary(field, vocabulary)
    return _table(records, names)


def _table(records: Records, names: Names) -> Table:
    fields = [field for field in records.dtype.names or () if field != "tag"]
    columns = LazyColumns(fields, lambda field: _column(records[field], names.get(field)), "newest")
    return Table(columns, lambda rows: _table(records[rows], names))


def _column(values: NDArray[Any], names: tuple[str, ...] | None) -> Column:
    if names is not None:
        return Words(values.astype(np.min_scalar_type(len(names))), names)
    return values.astype(np.float64 if values.dtype.kind == "f" else np.int64)


def _vocabulary(field: str, vocabulary: str) -> tuple[str, ...]:
    names: tuple[str, ...] = getattr(model, vocabulary)
    return tuple("" if name == "none" else name for name in names) if field in ("op", "outcome") else names


def _one_numbering(field: str, parts: Sequence[Records], spools: Sequence[Spool]) -> tuple[str, ...]:
    """Number the texts of a field alike in all parts, in place, those that occur; their names in that order."""
    names: dict[str, int] = {}
    for part, spool in zip(parts, spools, strict=True):
        last = len(spool.texts) - 1
        occurs = np.zeros(len(spool.texts), bool)
        occurs[np.minimum(part[field], last)] = True
        number = np.zeros(len(spool.texts), np.uint32)
        for index in np.flatnonzero(occurs).tolist():
            number[index] = names.setdefault(spool.texts[index], len(names))
        part[field] = number[np.minimum(part[field], last)]
    return tuple(names) or ("",)
