"""The law of what is observed: KATO gets all of an observation that a client was given."""

from __future__ import annotations

import numpy as np

from harness.data import PARTS
from harness.laws.case import Case, Ints
from harness.laws.data import at_most, no_oracle
from harness.laws.registry import Ruling, broken, inapplicable, inconclusive, law, listed, passed, plural, unexercised
from harness.laws.writes import committed

HELD = sum(PARTS.values())
"""The bits of a fingerprint that tell what an observation holds."""

FEW, MOST = 5, 0.9
"""A client that words observations anew seems, by chance, to leave something out in some of them; one that does leaves
it out in MOST of those that lack something, and in FEW at least."""


@law(
    "D8",
    "WholeObservation",
    family="data",
    rule="every string, vector and emotive that a client was given to observe is in what KATO committed",
    trap="a client may put an observation in words of its own, or add some; one that lacks some and has none was cut",
    cure="pass on all parts of an observation; for a client that has no place for some, choose `data` without them",
    example='a chatbot that observes intent and snippet, and forgets `"emotives": {"sentiment": …}`',
    wants="observations of several parts: `load: {data: chat_turns}`",
    data=True,
)
def whole_observation(case: Case) -> Ruling:
    if nothing := no_oracle(case):
        return nothing
    given, got = _given(case), _got(case)
    reached = np.flatnonzero((given > 0) & (got > 0))
    if not (given & (given - 1)).any():
        return inapplicable("each observation held one string or vector, of which nothing can be left out")
    if not len(reached):
        return unexercised("no observation of a known call was committed")
    lacking = reached[(given[reached] & ~got[reached]) != 0]
    cut = lacking[(got[lacking] & ~given[lacking]) == 0]
    if len(cut) >= max(FEW, MOST * len(lacking)):
        missing = [part for part, bits in PARTS.items() if (given[cut] & ~got[cut] & bits).any()]
        without = f"reached KATO without some of their {listed(missing)}"
        reason = f"{plural(len(cut), 'observation')} of {len(reached):,} {without}"
        return broken(case, cut, reason, of=len(reached), measured=f"{len(cut):,} cut", bound="0")
    if len(lacking) >= FEW:
        return inconclusive(
            f"the client puts {len(lacking):,} of {plural(len(reached), 'observation')} in words of its own, so nobody"
            " can tell what it left out"
        )
    whole = len(reached) - len(lacking)
    return passed(f"{plural(whole, 'observation')} reached KATO whole", measured="0 cut", bound=at_most(whole))


def _given(case: Case) -> Ints:
    """For each observe what its client was given, as bits of HELD; 0 where nobody knows."""
    held: Ints = np.where(case.calls["op"].among("observe"), case.calls["content"] & HELD, 0)
    return held


def _got(case: Case) -> Ints:
    """For each call what KATO committed of it, in however many requests."""
    seen, got = case.arrivals, np.zeros(len(case.calls), np.int64)
    mine = committed(seen, "observe")
    np.bitwise_or.at(got, seen.row[mine], seen.table["payload"][mine] & HELD)
    return got
