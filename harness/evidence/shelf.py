"""What can be made again, kept as long as there is room."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from harness.evidence.table import Table, Words


class Shelf:
    """Values by key up to `most_bytes`, those that were not asked for longest leaving first; the newest stays in any
    case, and so does what takes no room."""

    def __init__(self, most_bytes: float = math.inf) -> None:
        self._most_bytes = most_bytes
        self._values: dict[Hashable, Any] = {}
        self._sizes: dict[Hashable, int] = {}

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What is kept under `key`, made first where nothing is."""
        if key in self._values:
            value = self._values[key] = self._values.pop(key)
            return value
        value = self._values[key] = make()
        self._sizes[key] = nbytes(value)
        for old in list(self._values)[:-1]:
            if sum(self._sizes.values()) <= self._most_bytes:
                break
            if self._sizes[old]:
                del self._values[old], self._sizes[old]
        return value


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
