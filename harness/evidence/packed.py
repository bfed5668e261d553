"""Arrays kept in a half to an eighth of their memory: block by block the least one, and what rows exceed it by.

Rows lie in order of time, so the times of a block are near each other, and so are rows of other tables; ids, statuses
and ordinals are small anyway.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.evidence.table import Table

BLOCK = 1 << 11
"""Rows: two seconds at 1,000 calls/s, whose nanoseconds fit into 32 bits. A shorter array is kept as it is."""


@dataclass(frozen=True, slots=True)
class Packed:
    """Whole numbers: `low` (shape blocks), the bytes of what rows exceed it by, and the bytes a row takes (shape
    blocks). One array for all blocks: many little ones would leave holes in memory."""

    low: NDArray[Any]
    above: NDArray[np.uint8]
    width: NDArray[np.uint8]
    size: int

    def array(self) -> NDArray[Any]:
        """What was packed."""
        found = np.empty((len(self.low), BLOCK), self.low.dtype)
        at = 0
        edges = [0, *(np.flatnonzero(np.diff(self.width)) + 1).tolist(), len(self.low)]
        for first, end in pairwise(edges):  # blocks of one width at a time
            size = (end - first) * BLOCK * int(self.width[first])
            above = self.above[at : at + size].view(f"u{self.width[first]}").reshape(-1, BLOCK)
            np.add(above, self.low[first:end, None], out=found[first:end], casting="unsafe", dtype=found.dtype)
            at += size
        return found.reshape(-1)[: self.size]


@dataclass(frozen=True, slots=True)
class Bits:
    """A mask."""

    bits: NDArray[np.uint8]
    size: int

    def array(self) -> NDArray[np.bool_]:
        """What was packed."""
        return np.unpackbits(self.bits, count=self.size).view(np.bool_)


def pack(value: Any) -> Any:
    """The value with its arrays packed, the only ones that are changed: whole numbers of 32 bits and more, masks."""
    return _over_arrays(value, np.ndarray, _packed)


def unpack(value: Any) -> Any:
    """What was packed."""
    return _over_arrays(value, (Packed, Bits), lambda kept: kept.array())


def nbytes(value: Any) -> int:
    """The bytes of the arrays that a value is made of; a table's columns count where they are kept."""
    found = 0

    def count(array: NDArray[Any]) -> NDArray[Any]:
        nonlocal found
        found += array.nbytes
        return array

    _over_arrays(value, np.ndarray, count)
    return found


def _over_arrays(value: Any, kind: type | tuple[type, ...], change: Callable[[Any], Any]) -> Any:
    """The value with `change` made to each of its parts of that kind; the same object where none changes."""
    if isinstance(value, kind):
        return change(value)
    if isinstance(value, Table):
        return value
    if isinstance(value, (tuple, list)):
        parts = [part if isinstance(part, str) else _over_arrays(part, kind, change) for part in value]
        return value if all(map(_same, parts, value)) else type(value)(parts)
    if isinstance(value, dict):
        parts = _over_arrays(tuple(value.values()), kind, change)
        return dict(zip(value, parts, strict=True))
    if is_dataclass(value) and not isinstance(value, type):
        own = {field.name: getattr(value, field.name) for field in fields(value)}
        made = {name: _over_arrays(part, kind, change) for name, part in own.items()}
        return value if all(map(_same, made.values(), own.values())) else replace(value, **made)
    return value


def _same(one: Any, other: Any) -> bool:
    return one is other


def _packed(array: NDArray[Any]) -> Any:
    if array.ndim != 1 or len(array) < BLOCK:
        return array
    if array.dtype == np.bool_:
        return Bits(np.packbits(array), len(array))
    if array.dtype.kind != "i" or array.itemsize < np.dtype(np.int32).itemsize:
        return array
    starts = np.arange(0, len(array), BLOCK)
    low, high = np.minimum.reduceat(array, starts), np.maximum.reduceat(array, starts)
    width = [np.min_scalar_type(most - least) for least, most in zip(low.tolist(), high.tolist(), strict=True)]
    blocks = zip(starts.tolist(), low, width, strict=True)
    above = [(array[at : at + BLOCK] - least).astype(fit).view(np.uint8) for at, least, fit in blocks]
    above.append(np.zeros(-len(array) % BLOCK * width[-1].itemsize, np.uint8))  # the last block is whole, too
    return Packed(low, np.concatenate(above), np.array([fit.itemsize for fit in width], np.uint8), len(array))
