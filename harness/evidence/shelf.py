"""What can be made again, kept as long as there is room: at hand, and packed behind that."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from typing import Any

from harness.evidence.packed import nbytes, pack, unpack


class Shelf:
    """Values by key, those that were not asked for longest leaving first; the newest stays.

    Up to `most_bytes` are at hand; what leaves is packed, and kept up to `packed_bytes`.
    """

    def __init__(self, most_bytes: float = math.inf, packed_bytes: float = 0) -> None:
        self._at_hand = _Kept(most_bytes)
        self._packed = _Kept(packed_bytes)

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What is kept under `key`, made first where nothing is."""
        if key in self._at_hand:
            return self._at_hand.use(key)
        value = unpack(self._packed.use(key)) if key in self._packed else make()
        self._at_hand.add(key, value)
        for old, left in self._at_hand.surplus(1):
            if old not in self._packed:
                self._packed.add(old, pack(left))
        self._packed.surplus(0)
        return value


class _Kept:
    """Values in the order of their last use."""

    def __init__(self, most_bytes: float) -> None:
        self._most_bytes = most_bytes
        self._values: dict[Hashable, Any] = {}
        self._sizes: dict[Hashable, int] = {}

    def __contains__(self, key: Hashable) -> bool:
        return key in self._values

    def use(self, key: Hashable) -> Any:
        value = self._values[key] = self._values.pop(key)
        return value

    def add(self, key: Hashable, value: Any) -> None:
        self._values[key], self._sizes[key] = value, nbytes(value)

    def surplus(self, newest: int) -> list[tuple[Hashable, Any]]:
        """Take out what there is no room for, the oldest first; so many of the newest stay in any case, and so does
        what takes no room."""
        found = []
        for key in list(self._values)[: len(self._values) - newest]:
            if sum(self._sizes.values()) <= self._most_bytes:
                break
            if self._sizes[key]:
                found.append((key, self._values.pop(key)))
                del self._sizes[key]
        return found
