"""Data laws: no observation lost, none doubled."""

from __future__ import annotations

import numpy as np

from harness.laws.case import Case
from harness.laws.registry import Ruling, broken, exercise, inconclusive, law, passed, plural, unexercised
from harness.laws.writes import WRITES, commits, has_oracle, in_doubt, resent, strays
from harness.stats import clean_bound

LOSING = frozenset(
    {"commit_then_drop", "commit_then_status", "timeout", "reset_peer", "kill", "limit_data", "truncate"}
)
"""Faults that lose a reply after the commit."""


def at_most(cases: int) -> str:
    """What `cases` clean cases leave possible, in words."""
    return f"at most {100 * clean_bound(cases):.2g} % with 95 % confidence"


@law(
    "D2",
    "NoDuplicate",
    family="data",
    rule="each call's observe, learn and session are committed at most once",
    trap="KATO honours no idempotency key: whatever is sent again after a lost reply is committed again",
    cure="don't re-send a write that may have arrived; read the STM back first, or give the failure to the caller",
    example="a retry after a read time-out: the first observe was committed, and so is the second",
    needs=LOSING,
    wants="a reply lost after its commit: commit_then_drop or timeout downstream",
    data=True,
    zero_tolerance=True,
)
def no_duplicate(case: Case) -> Ruling:
    if not has_oracle(case):
        return inconclusive("nothing tells what was committed on this target: no commit oracle")
    most = np.max([commits(case, op) for op in WRITES], axis=0) if len(case.calls) else np.zeros(0, np.int64)
    tokens = int((most > 0).sum())
    if (most > 1).any():
        rows = np.flatnonzero(most > 1)
        rows = rows[np.argsort(-most[rows], kind="stable")]
        return broken(
            case,
            rows,
            f"{plural(len(rows), 'call')} of {tokens:,} were committed more than once, one even {most[rows[0]]} times",
            of=tokens,
            notes=lambda row: {"commits": int(most[row])},
            measured=f"{len(rows):,} doubled",
            bound="0",
        )
    if unknown := strays(case, *WRITES):
        return inconclusive(
            f"{plural(unknown, 'commit')} can't be told to belong to one call, so a doubled one may hide"
        )
    risky = (most > 0) & (in_doubt(case) | resent(case))
    if not risky.any():
        return unexercised(f"no write was in doubt or sent again; it takes {exercise('D2')}")
    count = int(risky.sum())
    return passed(
        f"none of {plural(tokens, 'committed call')} was committed twice, {count:,} of them in doubt or sent again",
        measured="0 doubled",
        bound=at_most(count),
    )
