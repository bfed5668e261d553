"""Data laws: no observation lost, none doubled."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from harness.laws.case import Case, Ints
from harness.laws.registry import CHANCE, LAWS, Ruling, broken, exercise, inconclusive, law, passed, plural, unexercised
from harness.laws.writes import WRITES, commits, committed, has_oracle, in_doubt, most_commits, resent, strays
from harness.stats import clean_bound

MESSAGES_LOST = frozenset(
    {"commit_then_drop", "commit_then_status", "timeout", "limit_data", "truncate", "reset_peer", "drop_before_commit"}
)
"""Faults that lose each reply after the commit, or upstream each request: a write that meets one is in doubt."""

LOSING = (MESSAGES_LOST - {"drop_before_commit"}) | {"kill"}
"""Faults that lose a reply, be it where they happen to come between."""

UNTOLD = ("status", "sequence")
"""Faults whose answers don't tell of the commit: each write that meets one is in doubt, and none is doubled by it."""

REPLIES = ("downstream", "both")
MESSAGES = (*REPLIES, "upstream")


def at_most(cases: int) -> str:
    """What `cases` clean cases leave possible, in words."""
    return f"at most {100 * clean_bound(cases):.2g} % with 95 % confidence"


def no_oracle(case: Case) -> Ruling | None:
    """The ruling where nothing can say what was committed."""
    if has_oracle(case):
        return None
    return inconclusive("nothing tells what was committed on this target: no commit oracle")


@law(
    "D1",
    "NoLostAck",
    family="data",
    rule="every observe that KATO answered with 2xx was committed, and is in the STM where that was read back",
    trap="STM keeps 1,000 events, auto-learn clears it and a TTL ends it: short sessions, max_pattern_length 0; with "
    "Redis refused KATO answers 404, not 5xx",
    cure="this is KATO's or its stores' loss: read the STM back, and send again what is missing",
    example="Redis restarts empty: observations that were answered with 200 are gone",
    needs=frozenset({"store", "kill", "pause"}),
    wants="a fault of a store behind KATO, or a kill",
    data=True,
    zero_tolerance=True,
)
def no_lost_ack(case: Case) -> Ruling:
    if nothing := no_oracle(case):
        return nothing
    seen = case.arrivals
    acked = seen.table["op"].among("observe") & (seen.table["status"] // 100 == 2) & (seen.table["reply_ns"] > 0)
    rows = np.unique(seen.row[acked & (seen.table["commit_seq"] == 0)])
    if len(rows):
        reason = f"KATO answered 2xx to {plural(len(rows), 'observe')} that it never committed"
        return broken(case, rows, reason, of=int(acked.sum()), measured=f"{len(rows):,} lost", bound="0")
    short = [(session, want, got) for session, want, got in read_back(case) if got < want]
    if short:
        lost, rows = sum(want - got for _, want, got in short), _rows_in(case, [session for session, _, _ in short])
        reason = f"{plural(lost, 'acknowledged observe')} are not in the STM of {plural(len(short), 'session')}"
        return broken(case, rows, reason, of=int(acked.sum()), measured=f"{lost:,} lost", bound="0")
    count = int(acked.sum())
    if not count:
        return unexercised("KATO answered no observe")
    if not case.kinds & LAWS["D1"].needs:
        return unexercised(f"nothing happened to KATO after its answers; it takes {exercise('D1')}")
    return passed(
        f"all {plural(count, 'acknowledged observe')} were committed", measured="0 lost", bound=at_most(count)
    )


def no_more_than(count: int) -> str:
    """So few writes, in words."""
    return f"only {plural(count, 'write')} came to be" if count else "no write was"


def few_by_chance(case: Case, count: int, ways: Collection[str], besides: Collection[str] = ()) -> bool:
    """Whether so few writes met trouble that another run of the same file may have none: no fault was of a kind of
    `besides`, or lost each message on one of `ways` (downstream, upstream, both)."""
    lost = (window for window in case.windows if window.kind in MESSAGES_LOST)
    sure = any(window.params.get("direction", "downstream") in ways for window in lost)
    return count == 0 or (count < CHANCE and not sure and case.kinds.isdisjoint(besides))


def read_back(case: Case) -> list[tuple[str, int, int]]:
    """(session, events acknowledged, events found) where the run read the STM back (fact `stm`: session to length).

    Sessions that learned are left out: learning clears the STM; so are those beyond the 1,000 events that it keeps.
    """
    lengths = case.facts.get("stm") or {}
    calls = case.calls
    learned = set(calls["session"][calls["op"].among("learn")].tolist())
    told = calls["session"][calls["op"].among("observe") & calls["outcome"].among("ok")]
    counts = np.bincount(told.codes, minlength=len(told.names)).tolist()
    found = ((session, counts[code]) for code, session in enumerate(told.names) if session in lengths)
    return [(session, want, int(lengths[session])) for session, want in found if session not in learned and want < 1000]


def _rows_in(case: Case, sessions: list[str]) -> Ints:
    calls = case.calls
    return np.flatnonzero(
        calls["session"].among(*sessions) & calls["op"].among("observe") & calls["outcome"].among("ok")
    )


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
    if nothing := no_oracle(case):
        return nothing
    most = most_commits(case)
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
    count = int(((most > 0) & (in_doubt(case) | resent(case))).sum())
    if few_by_chance(case, count, REPLIES):
        return unexercised(f"{no_more_than(count)} in doubt or sent again; it takes {exercise('D2')}")
    return passed(
        f"none of {plural(tokens, 'committed call')} was committed twice, {count:,} of them in doubt or sent again",
        measured="0 doubled",
        bound=at_most(count),
    )


@law(
    "D3",
    "InfoResolved",
    family="data",
    rule="a write whose answer never came was committed once or not at all; it is never counted as lost",
    trap="a time-out says nothing: KATO may have committed what the client gave up",
    cure="treat the outcome as unknown: read the STM back before doing anything about it",
    example="an observe that timed out while ClickHouse was slow was committed all the same",
    needs=LOSING | {"pause", "latency", "drop_before_commit"},
    wants="a reply lost on its way: commit_then_drop, or timeout downstream",
    severity="info",
    data=True,
)
def info_resolved(case: Case) -> Ruling:
    if nothing := no_oracle(case):
        return nothing
    unknown = case.calls["op"].among(*WRITES) & ~case.calls["outcome"].among("ok") & in_doubt(case)
    times = most_commits(case)
    rows = np.flatnonzero(unknown & (times > 1))
    if len(rows):
        reason = f"{plural(len(rows), 'call')} in doubt were committed more than once"
        return broken(case, rows, reason, of=int(unknown.sum()), notes=lambda row: {"commits": int(times[row])})
    done, count = int((unknown & (times == 1)).sum()), int(unknown.sum())
    if few_by_chance(case, count, MESSAGES, UNTOLD):
        return unexercised(f"{no_more_than(count)} in doubt at its end; it takes {exercise('D3')}")
    if strays(case, *WRITES):
        return inconclusive(f"commits that belong to no one call may be those of {plural(count, 'call')} in doubt")
    reason = f"of {plural(count, 'write')} in doubt KATO had committed {done:,}, and {count - done:,} never"
    return passed(reason, measured=f"{done / count:.1%} committed")


@law(
    "D4",
    "Order",
    family="data",
    rule="observations of one session are committed in the order in which its user made them, gaps only where a call "
    "failed",
    trap="concurrent calls of one session have no order; a failed call may be committed late without anybody's fault",
    cure="replay what was put aside before sending anything newer of the same session",
    example="a client that spools writes during an outage and goes on sending new ones first",
    needs=LOSING | {"refuse", "kill", "pause", "latency", "status", "drop_before_commit"},
    wants="a fault that makes a client re-send or put aside a write while its session goes on",
    data=True,
)
def order(case: Case) -> Ruling:
    if nothing := no_oracle(case):
        return nothing
    rows, first = _claimed(case)
    late = _late_commits(case, rows, first)
    if len(late):
        return broken(case, late, f"{plural(len(late), 'observe')} were committed after later ones of the same session")
    if strays(case, "observe"):
        return inconclusive("commits that belong to no one call may be out of order")
    troubled, tested = _in_trouble(case, rows)
    few = min(troubled, tested)
    if few_by_chance(case, few, MESSAGES, UNTOLD):
        return unexercised(f"{no_more_than(few)} in trouble or after it; it takes {exercise('D4')}")
    said = f"{plural(len(rows), 'observe')} were committed in the order of their sessions"
    return passed(f"{said}, {tested:,} of them during or after trouble")


def _in_trouble(case: Case, rows: Ints) -> tuple[int, int]:
    """How many observes were in trouble (sent again, in doubt, put aside or failed), and how many of `rows` were, or
    had an earlier one of their session that was."""
    calls = case.calls
    clean = calls["outcome"].among("ok") & ~in_doubt(case) & ~resent(case)
    troubled = np.flatnonzero(calls["op"].among("observe") & ~clean)
    since = np.full(len(calls["session"].names), np.iinfo(np.int64).max)
    np.minimum.at(since, calls["session"].codes[troubled], calls["start_ns"][troubled])
    return len(troubled), int((calls["start_ns"][rows] >= since[calls["session"].codes[rows]]).sum())


def _claimed(case: Case) -> tuple[Ints, Ints]:
    """The committed observes that their callers took for done (rows), and the first commit of each."""
    calls = case.calls
    first = np.full(len(calls), np.iinfo(np.int64).max)
    for seen in (case.arrivals, case.replays):
        mine = committed(seen, "observe")
        np.minimum.at(first, seen.row[mine], seen.table["commit_seq"][mine])
    told = calls["op"].among("observe") & calls["outcome"].among("ok", "degraded") & (commits(case, "observe") > 0)
    rows = np.flatnonzero(told)
    return rows, _alike_in_order(case, rows, first[rows])


def _alike_in_order(case: Case, rows: Ints, first: Ints) -> Ints:
    """The first commits with those of one session that say the same in the order of their calls: nobody can tell them
    apart, so they have no order to keep."""
    calls = case.calls
    content = calls["content"][rows]
    content = np.where(content > 0, content, -1 - rows)
    session = calls["session"].codes[rows]
    by_call = np.lexsort((calls["start_ns"][rows], content, session))
    by_commit = np.lexsort((first, content, session))
    ordered = first.copy()
    ordered[by_call] = first[by_commit]
    return ordered


def _late_commits(case: Case, rows: Ints, first: Ints) -> Ints:
    """Those of `rows` that were committed after one of their session that began when they had ended."""
    calls = case.calls
    session = calls["session"].codes[rows].astype(np.int64)
    by_start = np.lexsort((calls["start_ns"][rows], session))
    rows, first, session = rows[by_start], first[by_start], session[by_start]
    if not len(rows):
        return rows
    following = (session[1:] == session[:-1]) & (calls["end_ns"][rows[:-1]] <= calls["start_ns"][rows[1:]])
    late: Ints = rows[:-1][following & (first[:-1] > first[1:])]
    return late
