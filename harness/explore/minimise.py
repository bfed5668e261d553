"""Greedy minimisation: the first simpler candidate that still fails is kept, until none does or no try is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from harness.explore.draft import Draft
from harness.explore.reductions import REDUCTIONS, Candidate, Reduction, cost

Failing = Callable[[Sequence[Draft]], Iterator[bool]]
"""For each draft, in order and on demand, whether it still fails."""


@dataclass(frozen=True, slots=True)
class Minimal:
    """What is left, how many candidates were tried for it, and whether nothing more can be taken away."""

    draft: Draft
    tried: int
    minimal: bool


def minimise(
    draft: Draft,
    failing: Failing,
    most_tries: int,
    tell: Callable[[str], None],
    reductions: tuple[Reduction, ...] = REDUCTIONS,
) -> Minimal:
    """Reduce `draft`, which fails, as far as it goes; `tell` hears of each step."""
    tried = 0
    while True:
        before = draft
        for reduction in reductions:
            found, count = _first(draft, reduction, failing, most_tries - tried)
            while found is not None:
                words, draft = found
                tell(f"{words}: {draft.told()}")
                tried += count
                found, count = _first(draft, reduction, failing, most_tries - tried)
            tried += count
        if draft is before or tried >= most_tries:
            return Minimal(draft, tried, draft is before and tried < most_tries)


def _first(draft: Draft, reduction: Reduction, failing: Failing, left: int) -> tuple[Candidate | None, int]:
    """The first candidate of a reduction that still fails, and how many were tried."""
    own = cost(draft)
    candidates = [candidate for candidate in reduction(draft) if cost(candidate[1]) < own][: max(left, 0)]
    for count, (candidate, fails) in enumerate(
        zip(candidates, failing([found for _, found in candidates]), strict=True), start=1
    ):
        if fails:
            return candidate, count
    return None, len(candidates)
