"""What can be made again, kept as long as there is room."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np

from harness.evidence.table import Table, Words


@dataclass(slots=True)
class _Kept:
    """A value, the bytes that it takes, the seconds a byte that making it took, and what keeping it is worth."""

    value: Any
    size: int
    rate: float
    worth: float = 0.0


class Shelf:
    """Values by key up to `most_bytes`; the newest stays in any case, and so does what takes no room.

    What is soonest made again for its room leaves first, sooner the longer nobody asked for it: GreedyDual-Size (Cao
    and Irani, "Cost-aware WWW proxy caching algorithms", USITS 1997). Reading a column of words takes as long as
    reading one of numbers, which takes eight times the room. `seconds`: the clock that tells how long making took.
    """

    def __init__(self, most_bytes: float = math.inf, seconds: Callable[[], float] = time.process_time) -> None:
        self._most_bytes = most_bytes
        self._seconds = seconds
        self._kept: dict[Hashable, _Kept] = {}
        self._level = 0.0

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What is kept under `key`, made first where nothing is."""
        kept = self._kept.pop(key, None) or self._made(make)
        kept.worth = self._level + kept.rate
        self._kept[key] = kept  # of equal worth the one asked for last is last
        return kept.value

    def _made(self, make: Callable[[], Any]) -> _Kept:
        begun = self._seconds()
        value = make()
        size = nbytes(value)
        self._make_room(size)
        return _Kept(value, size, (self._seconds() - begun) / max(size, 1))

    def _make_room(self, size: int) -> None:
        """Let go what is worth least until `size` bytes more are within the limit."""
        taking = {key: kept for key, kept in self._kept.items() if kept.size}
        over = sum(kept.size for kept in taking.values()) + size - self._most_bytes
        for key in sorted(taking, key=lambda key: taking[key].worth):
            if over <= 0:
                break
            self._level = taking[key].worth
            over -= taking[key].size
            del self._kept[key]


def nbytes(value: Any) -> int:
    """The bytes of the arrays that a value is made of; a table's columns count where they are kept."""
    if isinstance(value, Words):
        return value.codes.nbytes
    if isinstance(value, np.ndarray):
        return value.nbytes
    if isinstance(value, dict):
        return sum(map(nbytes, value.values()))
    if isinstance(value, (tuple, list)):
        return sum(map(nbytes, value))
    if is_dataclass(value) and not isinstance(value, (type, Table)):
        return sum(nbytes(getattr(value, field.name)) for field in fields(value))
    return 0
