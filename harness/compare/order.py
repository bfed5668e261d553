"""In which order two groups are run, so that what drifts meanwhile hits both alike."""

from __future__ import annotations

from collections.abc import Sequence

MOST_LEAN = 0.6
"""How far the runs may lean to one side (0: interleaved, 1: all of one group before all of the other)."""


def interleaved(pairs: int) -> str:
    """A B B A A B B A …: so many of each; a drift that goes on evenly cancels out after every second pair."""
    return "".join("AB" if pair % 2 == 0 else "BA" for pair in range(pairs))


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
