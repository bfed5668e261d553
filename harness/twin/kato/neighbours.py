"""A node's vectors in Qdrant: their distances in single precision, added up in the order of Qdrant's x86 code.

Where vectors of very different sizes stand side by side, that order decides which are near: each step rounds, and what
overflows has no finite distance.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from operator import add, mul, sub

NEIGHBOURS = 3
_LANES = 4


class Collection:
    """One segment of Qdrant's plain search by Euclidean distance; the first vector fixes the dimension."""

    __slots__ = ("_lost", "_vectors", "dimension")

    def __init__(self) -> None:
        self._vectors: dict[str, array[float]] = {}
        self._lost = False
        self.dimension: int | None = None

    def add(self, name: str, vector: Sequence[float]) -> None:
        """Store the vector unless Qdrant would refuse it: another dimension, none at all, or no JSON number."""
        if self.dimension is None:
            self.dimension = len(vector)
        if len(vector) == self.dimension and vector and _sendable(vector) and not self._lost:
            self._vectors[name] = array("f", vector)

    def lose(self) -> None:
        """Qdrant came back empty: a collection that a worker has made once is not made again by it."""
        self._lost = self.dimension is not None
        self._vectors = {}

    def nearest(self, vector: Sequence[float]) -> list[str]:
        """The names of the nearest stored vectors, at most NEIGHBOURS; none for a vector of another dimension.

        None either where one of them has no finite distance: Qdrant then answers null for it, which KATO can't read.
        """
        if len(vector) != self.dimension or not _sendable(vector):
            return []
        query = array("f", vector)
        top: list[tuple[float, str]] = []
        for name, stored in self._vectors.items():
            _keep(top, (-squared_distance(query, stored), name))
        return [name for _, name in top] if all(math.isfinite(score) for score, _ in top) else []


def squared_distance(a: array[float], b: array[float]) -> float:
    """Both in single precision. From 16 elements on Qdrant adds up 16 lanes at once, from 32 on 32 with fused steps."""
    differences = array("f", map(sub, a, b))
    width = 32 if len(a) >= 32 else 16
    whole = len(a) - len(a) % width if len(a) >= 16 else 0
    total = _folded(differences, whole, width) if whole else 0.0
    for square in array("f", map(mul, differences[whole:], differences[whole:])):
        total = _single(total + square)
    return total


def _folded(differences: array[float], whole: int, width: int) -> float:
    lanes = array("f", bytes(4 * width))
    for at in range(0, whole, width):
        block = differences[at : at + width]
        # A fused step rounds once: a product of singles is exact in double precision.
        squares = map(mul, block, block) if width == 32 else array("f", map(mul, block, block))
        lanes = array("f", map(add, squares, lanes))
    if width == 32:
        halves = _sum(_sum(lanes[:8], lanes[8:16]), _sum(lanes[16:24], lanes[24:]))
        pairs = _sum(halves[4:], halves[:4])
        return _single(_single(pairs[0] + pairs[1]) + _single(pairs[2] + pairs[3]))
    total = 0.0
    for at in range(0, width, _LANES):
        pair = _sum(lanes[at : at + 2], lanes[at + 2 : at + 4])
        total = _single(total + _single(pair[0] + pair[1]))
    return total


def _sum(a: array[float], b: array[float]) -> array[float]:
    return array("f", map(add, a, b))


def _single(value: float) -> float:
    return array("f", (value,))[0]


def _keep(top: list[tuple[float, str]], new: tuple[float, str]) -> None:
    """Qdrant's queue of the best: a binary heap with the worst on top, which decides who stays among equals."""
    if len(top) < NEIGHBOURS:
        top.append(new)
        if _less(top[-1][0], top[0][0]):
            top[0], top[-1] = top[-1], top[0]
        return
    if not _less(top[0][0], new[0]):
        return
    child = 1 if _less(top[1][0], top[2][0]) else 2
    if _less(top[child][0], new[0]):
        top[0], top[child] = top[child], new
    else:
        top[0] = new


def _less(a: float, b: float) -> bool:
    """What is no number counts as the best score."""
    return not math.isnan(a) and (math.isnan(b) or a < b)


def _sendable(vector: Sequence[float]) -> bool:
    """JSON has no infinities; a number beyond single precision is one to Qdrant only, which stores it."""
    return all(map(math.isfinite, vector))
