"""MinHash signatures as KATO's hash library makes them (datasketch 1.7.0), and the bands that its filter looks up.

A token's SHA-1 is permuted by (a·h + b) mod 2^64 mod (2^61 - 1) mod 2^32; the pairs a, b are drawn from a Mersenne
Twister that is seeded with 1 as numpy seeds it.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from hashlib import sha1
from random import Random

STORED = 100
"""Hashes in the signature that KATO keeps of a pattern."""

MOST = 1 << 16
"""A session may ask for any number; a KATO that is asked for more than this is busy for good."""

_STORED_ROWS = 5
_SEED = 1
_MERSENNE_PRIME = (1 << 61) - 1
_MASK_32 = (1 << 32) - 1
_MASK_64 = (1 << 64) - 1
_TWISTER_WORDS = 624

Signature = Sequence[int]


def signature(tokens: Iterable[str], count: int) -> Signature:
    """The least permuted hash of all tokens, under each of `count` permutations.

    Raises ValueError for a token with a lone surrogate and beyond MOST, TypeError for what is no number.
    """
    if count > MOST:
        raise ValueError(count)
    least = [_MASK_32] * count
    pairs = _permutations(count)
    for token in set(tokens):
        value = int.from_bytes(sha1(token.encode(), usedforsecurity=False).digest()[:4], "little")
        permuted = (((a * value + b) & _MASK_64) % _MERSENNE_PRIME & _MASK_32 for a, b in pairs)
        least = list(map(min, least, permuted))
    return array("I", least)


@lru_cache(maxsize=1 << 15)
def stored(flat: tuple[str, ...]) -> Signature:
    """The signature that KATO keeps of a pattern."""
    return signature(flat, STORED)


def bands(hashes: Signature, rows: int = _STORED_ROWS) -> set[tuple[int, ...]]:
    """The signature in runs of `rows` hashes; two sets with a run in common are candidates for each other."""
    return {tuple(hashes[at * rows : at * rows + rows]) for at in range(len(hashes) // rows)}


@cache
def _permutations(count: int) -> tuple[tuple[int, int], ...]:
    twister = Random()
    words = [_SEED]
    for at in range(1, _TWISTER_WORDS):
        words.append((1812433253 * (words[-1] ^ words[-1] >> 30) + at) & _MASK_32)
    twister.setstate((3, (*words, _TWISTER_WORDS), None))
    return tuple((1 + _below(twister, _MERSENNE_PRIME - 1), _below(twister, _MERSENNE_PRIME)) for _ in range(count))


def _below(twister: Random, bound: int) -> int:
    """A number below `bound` as numpy's randint draws it: 61 of 64 bits, the high word first, until one fits."""
    while True:
        high = twister.getrandbits(32)
        value = (high << 32 | twister.getrandbits(32)) & _MERSENNE_PRIME
        if value < bound:
            return value
