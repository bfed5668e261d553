"""What KATO committed for each call, as the witness saw it: the evidence of the data laws."""

from __future__ import annotations

from collections import Counter

import numpy as np

from harness.evidence.table import Mask
from harness.laws.case import Case, Ints, Tries, once

FEW = 3
"""So many calls in peace with several observes show that a client makes them of one observation."""

WRITES = ("open_session", "observe", "learn")
"""Operations that change KATO (contract, section 1)."""


def has_oracle(case: Case) -> bool:
    """Whether anything can say what was committed (facts: `oracle` is twin, witness, stm or none)."""
    return case.facts.get("oracle") not in (None, "none")


def committed(seen: Tries, *ops: str) -> Mask:
    """True for those of `seen` (arrivals of known calls, or replays) that KATO committed, of operations `ops`."""
    return (seen.table["commit_seq"] > 0) & seen.table["op"].among(*ops)  # type: ignore[no-any-return]


def commits(case: Case, op: str) -> Ints:
    """For each call how often KATO committed an `op` for it (a call may open its own session, then observe), in the
    call or by a replay."""
    return case.arrivals.number(committed(case.arrivals, op)) + case.replays.number(committed(case.replays, op))


def times_committed(case: Case, op: str) -> Ints:
    """For each call how often KATO committed the same `op` of it.

    A client may make several observes of one observation, one for each string, say: what differs then is no second
    commit. One that makes a single one in peace, and two in trouble, committed it twice, whatever it said.
    """
    times = commits(case, op)
    again = times > 1
    if not again.any():
        return times
    row, payload = np.concatenate(
        [
            np.stack((seen.row[mine], seen.table["payload"][mine]))
            for seen in (case.arrivals, case.replays)
            for mine in [committed(seen, op)]
        ],
        axis=1,
    )
    row, payload = row[again[row]], payload[again[row]]
    kinds, count = np.unique(np.stack((row, payload)), axis=1, return_counts=True)
    different: Ints = np.bincount(kinds[0], minlength=len(case.calls)).astype(np.int64)
    calm = case.calls["outcome"].among("ok") & ~in_doubt(case) & ~case.during()
    if int((different[calm] > 1).sum()) < FEW:
        return times
    times[again] = 0
    np.maximum.at(times, kinds[0], count)
    return times


@once
def most_commits(case: Case) -> Ints:
    """For each call how often KATO committed that write of it which it committed most often."""
    return np.max([times_committed(case, op) for op in WRITES], axis=0)  # type: ignore[no-any-return]


def committed_ns(case: Case, op: str) -> Ints:
    """For each call when its first `op` that KATO committed was answered, or arrived if it never was; −1: never."""
    never = np.iinfo(np.int64).max
    first = np.full(len(case.calls), never)
    for seen in (case.arrivals, case.replays):
        mine = committed(seen, op)
        done = np.maximum(seen.table["arrive_ns"], seen.table["reply_ns"])
        np.minimum.at(first, seen.row[mine], done[mine])
    return np.where(first == never, -1, first)


def strays(case: Case, *ops: str) -> int:
    """The commits of `ops` that can't be told to belong to one call."""
    return int(_nobodys(case, ops).sum())


def _nobodys(case: Case, ops: tuple[str, ...]) -> Mask:
    table = case.history.arrivals
    return (case.arrival_rows < 0) & (table["commit_seq"] > 0) & table["op"].among(*ops)  # type: ignore[no-any-return]


def beyond_strays(case: Case, rows: Ints, *ops: str) -> int:
    """How many of the calls `rows`, of which no commit is known, have none for sure: each session has so many more of
    them than commits of `ops` that are nobody's; one of a session that no call names may be anybody's."""
    stray = Counter(case.history.arrivals["session"][_nobodys(case, ops)].tolist())
    bare = Counter(case.calls["session"][rows].tolist())
    named = set(case.calls["session"].names)
    anybodys = sum(count for session, count in stray.items() if session not in named)
    return max(0, (bare - stray).total() - anybodys)


def in_doubt(case: Case) -> Mask:
    """The calls of which an attempt may have been committed without its client knowing: no whole 2xx answer came to
    an attempt that may have arrived. Refused ones never arrive; an answer of 5xx doesn't say that nothing was done."""
    tries, seen = case.attempts, case.arrivals
    given_up = case.words["lost"] | tries.table["result"].among("cancelled")
    lost = tries.any(given_up & ~case.failures(("connect_error", "connect_timeout", "pool_timeout")))
    status = seen.table["status"]
    unanswered = seen.any((seen.table["reply_ns"] == 0) | (status >= 500))
    return lost | tries.any(case.words["5xx"]) | unanswered


def resent(case: Case) -> Mask:
    """The calls that were sent more often than once with the same operation."""
    if case.hooked:
        again = np.zeros(len(case.attempts.row), bool)
        same = case.attempts.row[1:] == case.attempts.row[:-1]
        again[1:] = same & ~case.words["ok"][:-1]
        return case.attempts.any(again)
    seen = case.arrivals
    return np.any([seen.number(seen.table["op"].among(op)) > 1 for op in WRITES], axis=0)  # type: ignore[no-any-return]
