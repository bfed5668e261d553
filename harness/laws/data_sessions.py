"""Data laws about sessions and answers: no lost update, one session a user, no broken answer taken for a result."""

from __future__ import annotations

import numpy as np

from harness.evidence.table import Mask
from harness.laws.case import Case, Ints, names_in
from harness.laws.data import no_oracle, read_back
from harness.laws.marks import marked
from harness.laws.registry import Ruling, broken, exercise, inconclusive, law, passed, plural, unexercised
from harness.laws.writes import commits

CORRUPTING = ("truncate", "malformed", "empty_body", "wrong_content_type")


@law(
    "D5",
    "NoLostUpdate",
    family="data",
    rule="K observes of one session at the same time leave K events in its STM",
    trap="a single worker hides it: KATO locks a session within one process only (8 parallel observes on two workers "
    "left 2 to 8 events, all answered 200)",
    cure="send the observes of one session one after another, or route a session to one worker",
    example="a front service that fans out the events of one user in parallel",
    wants="concurrent observes of one session (sessions: shared) on a KATO of two workers, with the STM read back",
    data=True,
    zero_tolerance=True,
)
def no_lost_update(case: Case) -> Ruling:
    crowded = _crowded_sessions(case)
    if not crowded:
        return unexercised(f"no session had two observes at the same time; it takes {exercise('D5')}")
    known = [(session, want, got) for session, want, got in read_back(case) if session in crowded]
    if not known:
        return inconclusive("the STM of sessions with concurrent observes was not read back")
    short = [(session, want - got) for session, want, got in known if got < want]
    if short:
        calls = case.calls
        mine = calls["session"].among(*(session for session, _ in short)) & calls["op"].among("observe")
        lost = sum(missing for _, missing in short)
        reason = f"{plural(lost, 'observe')} of {plural(len(short), 'session')} were answered and then overwritten"
        return broken(case, np.flatnonzero(mine & calls["outcome"].among("ok")), reason, measured=f"{lost} lost")
    total = sum(want for _, want, _ in known)
    return passed(f"all {plural(total, 'observe')} of {plural(len(known), 'session')} with concurrent ones were kept")


def _crowded_sessions(case: Case) -> set[str]:
    """The sessions of which two acknowledged observes overlapped."""
    calls = case.calls
    rows = np.flatnonzero(calls["op"].among("observe") & calls["outcome"].among("ok"))
    rows = rows[np.lexsort((calls["start_ns"][rows], calls["session"].codes[rows]))]
    codes = calls["session"].codes[rows]
    overlap = (codes[1:] == codes[:-1]) & (calls["start_ns"][rows[1:]] < calls["end_ns"][rows[:-1]])
    return set(names_in(calls["session"], rows[1:][overlap])) - {""}


@law(
    "D6",
    "SessionContinuity",
    family="data",
    rule="a user keeps one session, and it alone, through faults: no 404 on a live session, no session created twice "
    "for one call, none created anew while the old one lives",
    trap="KATO answers 404 while Redis is refused; a session past its TTL is rightly gone; only what the policy calls "
    "one_per_user is held to one",
    cure="create a session once and keep its id; create it again only after a 404; don't re-send create_session",
    example="`create or reuse` that always creates: the STM never grows, and sessions pile up",
    needs=frozenset(),
    wants="several calls of one user, and for doubled sessions a lost reply to create_session",
    data=True,
)
def session_continuity(case: Case) -> Ruling:
    gone = _gone(case)
    if gone.any():
        rows = np.flatnonzero(gone)
        return broken(
            case, rows, f"{plural(len(rows), 'call')} ended in 404: their session was never there, or was lost"
        )
    if nothing := no_oracle(case):
        return nothing
    doubled = np.flatnonzero(commits(case, "open_session") > 1)
    if len(doubled):
        reason = f"{plural(len(doubled), 'call')} created more than one session: the others are orphans"
        return broken(case, doubled, reason, measured=f"{len(doubled)} doubled", bound="0")
    fresh = _fresh_sessions(case)
    if len(fresh):
        return broken(case, fresh, f"{plural(len(fresh), 'call')} opened a session though their user had one already")
    shared = _shared_sessions(case)
    if len(shared):
        return broken(case, shared, f"{plural(len(shared), 'call')} went to a session that several users share")
    users = _users_with_several_calls(case)
    if not users:
        return unexercised("no user made a second call")
    if unknown := _nobodys_sessions(case):
        return inconclusive(f"{plural(unknown, 'session')} can't be told to be of one user")
    if (sessions := len({*case.calls["session"].names} - {""})) > len({*case.calls["user"].names} - {""}):
        return passed(f"none of {plural(sessions, 'session')} was lost or opened twice, of {plural(users, 'user')}")
    return passed(f"{plural(users, 'user')} kept one session")


def _gone(case: Case) -> Mask:
    """The calls on a session that ended in 404 without a fault of the harness saying so."""
    calls, tries = case.calls, case.attempts
    last_404 = np.zeros(len(calls), bool)
    tried = np.flatnonzero(tries.count > 0)
    last_404[tried] = tries.table["status"][tries.last[tried]] == 404
    last_404 |= calls["status"] == 404
    excused = case.during("store", "external", "kill") | case.arrivals.any(~case.arrivals.table["fault"].among(""))
    gone: Mask = last_404 & calls["op"].among("observe", "predict", "learn") & ~excused
    return gone


def _fresh_sessions(case: Case) -> Ints:
    """The calls (rows) that created a session though their client had one of the same user, and nothing said that it
    was gone: a failed call is no reason to forget it."""
    if case.policy.sessions != "one_per_user":
        return np.zeros(0, np.int64)
    calls, tries, seen = case.calls, case.attempts, case.arrivals
    gone = (
        tries.any(tries.table["status"] == 404) | seen.any(seen.table["op"].among("other")) | (calls["status"] == 404)
    )
    inside = (commits(case, "open_session") > 0) & ~calls["op"].among("open_session")
    told = calls["outcome"].among("ok") | tries.any(case.words["ok"])
    rows = np.flatnonzero(inside | gone)
    rows = rows[np.lexsort((calls["start_ns"][rows], calls["user"].codes[rows]))]
    before, after = rows[:-1], rows[1:]
    user = calls["user"].codes
    again = (user[before] == user[after]) & ~calls["user"].among("")[after]
    again &= calls["start_ns"][after] >= calls["end_ns"][before]
    fresh: Ints = after[again & inside[before] & told[before] & ~gone[before] & inside[after] & ~gone[after]]
    return fresh


def _shared_sessions(case: Case) -> Ints:
    """The calls (rows) on a session that a client of its own sessions gave to several users."""
    calls, seen = case.calls, case.arrivals
    if case.policy.sessions != "one_per_user":
        return np.zeros(0, np.int64)
    mine = np.flatnonzero(seen.table["op"].among("observe", "predict") & ~seen.table["session"].among(""))
    uses = np.unique(np.stack([seen.table["session"].codes[mine], seen.row[mine]]), axis=1)
    users, times = np.unique(np.stack([uses[0], calls["user"].codes[uses[1]]]), axis=1, return_counts=True)
    sessions, sharers = np.unique(users[0][times > 1], return_counts=True)
    rows: Ints = uses[1][np.isin(uses[0], sessions[sharers > 1])]
    return rows


def _nobodys_sessions(case: Case) -> int:
    """How many sessions KATO opened, or observed in, of which nobody knows whose they are."""
    seen, known = case.history.arrivals, case.arrival_rows >= 0
    used = (seen["commit_seq"] > 0) & seen["op"].among("open_session", "observe")
    owned = set(names_in(seen["session"], known)) | set(case.calls["session"].names)
    return len(set(names_in(seen["session"], used & ~known)) - owned)


def _users_with_several_calls(case: Case) -> int:
    users = case.calls["user"]
    return int((np.bincount(users.codes[~users.among("")]) > 1).sum())


@law(
    "D7",
    "NoTruncatedAccept",
    family="data",
    rule="an answer that is cut short, no JSON or no answer at all never becomes a result",
    trap="a body of half a JSON document comes with status 200 and a right content-length",
    cure="decode and check every body, and let a decoding error be an error",
    example="`response.json() if response.content else {}` takes an empty 200 for a prediction of nothing",
    needs=frozenset(CORRUPTING),
    wants="answers that are cut or malformed: truncate, malformed, empty_body",
    data=True,
    zero_tolerance=True,
)
def no_truncated_accept(case: Case) -> Ruling:
    calls, seen = case.calls, case.arrivals
    names = [window.name for window in case.windows if window.kind in CORRUPTING]
    hit = np.zeros(len(calls), bool)
    reached = np.flatnonzero(seen.count > 0)
    hit[reached] = seen.table["fault"].among(*names)[seen.last[reached]]
    if not hit.any():
        return unexercised(f"no answer was cut or malformed; it takes {exercise('D7')}")
    taken = hit & calls["outcome"].among("ok", "degraded") & ~marked(case)
    if taken.any():
        reason = f"{plural(int(taken.sum()), 'call')} of {int(hit.sum())} took a broken answer for a result"
        return broken(case, np.flatnonzero(taken), reason, of=int(hit.sum()))
    return passed(f"none of {plural(int(hit.sum()), 'broken answer')} became a result")
