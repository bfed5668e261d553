"""In which order two groups are run, so that what drifts meanwhile hits both alike."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

BLOCK = 4
"""Runs of each side in a block: fewer hold less of a drift, more leave the test more divisions."""
MOST_LEAN = 0.6
"""How far the runs may lean to one side (0: interleaved, 1: all of one group before all of the other)."""


def interleaved(pairs: int) -> str:
    """A B B A A B B A …: so many of each; a drift that goes on evenly cancels out after every second pair."""
    return "".join("AB" if pair % 2 == 0 else "BA" for pair in range(pairs))


def blocks(base: Sequence[float], new: Sequence[float]) -> tuple[str, ...]:
    """The sides (A: base) in order of start times, cut into blocks with as many of each; none where that can't be."""
    sides = "".join(side for _, side in sorted([*((at, "A") for at in base), *((at, "B") for at in new)]))
    count = len(base) // BLOCK
    if len(base) != len(new) or count < 2:
        return ()
    cuts = [2 * (len(base) * at // count) for at in range(count + 1)]
    parts = tuple(sides[low:high] for low, high in pairwise(cuts))
    return parts if all(part.count("A") == part.count("B") for part in parts) else ()


def lean(base: Sequence[float], new: Sequence[float]) -> float:
    """0 when the start times of the groups are mixed, 1 when one group came wholly before the other."""
    if not base or not new:
        return 0.0
    later = sum((b > a) + 0.5 * (b == a) for a in base for b in new)
    return abs(2 * later / (len(base) * len(new)) - 1)


def order_notice(base: Sequence[float], new: Sequence[float]) -> str:
    """Words when the runs were not interleaved; empty when they were, or are too few to say."""
    if min(len(base), len(new)) < 2 or lean(base, new) <= MOST_LEAN:
        return ""
    return "the runs were not interleaved: what drifted on the machine meanwhile looks like a shift (run A B B A …)"
