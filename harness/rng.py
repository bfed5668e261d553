"""Counter-based random numbers: any chunk of any stream of a seed at any time (standard library only).

SHAKE-128 over (seed, stream, chunk) is the generator: a keyed hash is a counter-based generator in the sense of
Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011), the family that Philox belongs to; here it
runs in C in every Python, without numpy in the generator process.
"""

from __future__ import annotations

import hashlib
import sys
from array import array
from collections.abc import Iterable
from functools import lru_cache

CHUNK = 256
"""Words in one chunk."""


@lru_cache(128)  # many draw from the same few chunks, in any order
def words(seed: int, stream: str, chunk: int) -> array[int]:
    """CHUNK uniform 64-bit words, a pure function of the three arguments, equal on every machine; to be read only."""
    key = f"{seed}/{stream}/{chunk}".encode()
    values = array("Q", hashlib.shake_128(key).digest(8 * CHUNK))
    if sys.byteorder == "big":
        values.byteswap()
    return values


def unit(word: int) -> float:
    """A uniform float in [0, 1) from a 64-bit word (its upper 53 bits)."""
    return (word >> 11) * 2.0**-53


def units(values: Iterable[int]) -> list[float]:
    """`unit` of many words."""
    return [(word >> 11) * 2.0**-53 for word in values]


class Stream:
    """One stream of a seed with random access by index."""

    def __init__(self, seed: int, stream: str) -> None:
        self._seed = seed
        self._stream = stream
        self._latest = -1, array("Q")

    def word(self, index: int) -> int:
        """The 64-bit word at `index` ≥ 0."""
        chunk, at = divmod(index, CHUNK)
        latest, found = self._latest  # taken and set in one step each: threads share a stream
        if chunk != latest:
            found = words(self._seed, self._stream, chunk)
            self._latest = chunk, found
        return found[at]

    def unit(self, index: int) -> float:
        """The uniform float in [0, 1) at `index`."""
        return unit(self.word(index))
