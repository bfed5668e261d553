"""Which calls have no commit for sure, where some commits are nobody's."""

from __future__ import annotations

import numpy as np
import pytest
from law_cases import promise

from harness.evidence.history import History
from harness.laws.case import Case
from harness.laws.writes import beyond_strays

CALLS = "call op session start_ms end_ms outcome\n" + "\n".join(
    f"{n} observe {session} {n} {n} ok" for n, session in enumerate("aabbb")
)


@pytest.mark.parametrize(("rows", "commits", "beyond"), [
    ((0, 1, 2), "", 3), ((), "", 0), ((), "a", 0), ((0, 1, 2), "a", 2), ((0, 1, 2), "aaa", 1), ((0, 1, 2), "b", 2),
    ((0, 1, 2), "bb", 2), ((0, 1, 2), "x", 2), ((0, 1, 2), "xxxx", 0), ((0, 1, 2), "ax", 1), ((2, 3, 4), "aab", 2),
])  # fmt: skip
def test_a_commit_of_nobodys_may_be_one_of_its_own_session(rows: tuple[int, ...], commits: str, beyond: int) -> None:
    """One of a session that no call names may be anybody's; there are never fewer than none."""
    seen = [f"0 observe {session} 50 {n}" for n, session in enumerate(commits, 1)]
    more = ["0 open_session a 50 90", "0 observe a 50 -", "1 observe a 50 91"]
    arrivals = "\n".join(["call op session arrive_ms commit_seq", *seen, *more])
    found = Case(History.literal(calls=CALLS, arrivals=arrivals), promise())
    assert beyond_strays(found, np.array(rows, np.int64), "observe") == beyond
