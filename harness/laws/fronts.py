"""Laws of a front service: what its callers are told of KATO's trouble, and who is worked for when they are gone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from harness.evidence.table import Mask
from harness.laws.case import EPSILON_NS, Case, Window
from harness.laws.registry import (
    Ruling,
    broken,
    exercise,
    inapplicable,
    inconclusive,
    law,
    listed,
    passed,
    plural,
    unexercised,
)

MEANS: Mapping[str, tuple[int, ...]] = {
    "refuse": (503,),
    "kill": (502, 503),
    "timeout": (504,),
    "latency": (504,),
    "pause": (504,),
    "delay": (504,),
    "status": (502,),
    "reset_peer": (502, 503),
    "commit_then_drop": (502,),
    "drop_before_commit": (502,),
    "truncate": (502,),
    "malformed": (502,),
}
"""laws.md, R9: a time-out is 504, refused or an open breaker 503, a failure upstream 502."""
PASSED_ON = (429, 503)
"""A refusal by KATO itself, with such a status, may be passed on as 503."""
SLOW = ("timeout", "latency", "pause", "delay")
TRANSIENT = (408, 425, 429)
"""Statuses of 4xx that don't blame the caller."""

LEAK = "LeakedInternals"
NO_FRONT = inapplicable("no front service is the subject")
GRACE_NS = EPSILON_NS


def _is_front(case: Case) -> bool:
    return bool((case.facts.get("subject") or {}).get("url"))


@law(
    "V1",
    "StatusMapping",
    family="front services",
    rule="a front answers 504 for a time-out, 503 where KATO is not to be reached, 502 where it failed; never 500, and "
    "never with words of its inside",
    trap="a breaker that is open turns any of them into 503, but not the first failure after peace; a request that "
    "straddles two faults may tell of either",
    cure="map each exception of the client to its status, with a fixed text",
    example='HTTPException(status_code=500, detail=f"KATO error: {e}") for everything',
    needs=frozenset(MEANS),
    wants="refuse, status, or latency above the time-outs",
)
def status_mapping(case: Case) -> Ruling:
    if not _is_front(case):
        return NO_FRONT
    calls = case.calls
    status = calls["status"]
    leaked = np.flatnonzero(calls["detail"].starting(LEAK))
    if len(leaked):
        reason = f"{plural(len(leaked), 'answer')} told of the service's inside"
        return broken(case, leaked, reason, of=len(calls), notes=lambda row: {"status": int(status[row])})
    plain = np.flatnonzero(status == 500)
    if len(plain):
        return broken(case, plain, f"{plural(len(plain), 'answer')} were 500, which says nothing", of=len(calls))
    judged, wrong = np.zeros(len(calls), bool), np.zeros(len(calls), bool)
    for window in case.windows:
        if window.kind in MEANS:
            only = _only_under(case, window) & ((status >= 500) | _blaming(case))
            judged |= only
            wrong |= only & _misnamed(case, window, only)
    if wrong.any():
        rows = np.flatnonzero(wrong)
        told = listed({str(each) for each in status[rows]})
        reason = f"{plural(len(rows), 'answer')} had a status that means something else: {told}"
        return broken(case, rows, reason, of=int(judged.sum()), notes=lambda row: {"status": int(status[row])})
    if not judged.any():
        return unexercised(f"no request failed for one cause alone; it takes {exercise('V1')}")
    return passed(f"{plural(int(judged.sum()), 'failure')} had the status of their cause, and no word of the inside")


def _blaming(case: Case) -> Mask:
    """Answers of 4xx, which blame the caller, with a status that no caller got in peace."""
    status, calm = case.calls["status"], ~case.during()
    return (status // 100 == 4) & ~np.isin(status, (*TRANSIENT, *np.unique(status[calm])))  # type: ignore[no-any-return]


def _misnamed(case: Case, window: Window, only: Mask) -> Mask:
    """Those of the failures `only` under this fault whose status means something else.

    503 is right where it says that KATO is not to be reached, or passes its own refusal on. Elsewhere it may be an open
    breaker's; but a breaker opens for failures, so somebody must have been told of one first, unless the service was
    unwell already. A rejection is quick: what waited for KATO and then says 503 is none.
    """
    status, took = case.calls["status"], case.calls["end_ns"] - case.calls["start_ns"]
    passed_on = window.kind == "status" and window.params.get("status") in PASSED_ON
    right = (*MEANS[window.kind], 503) if passed_on else MEANS[window.kind]
    named = np.isin(status, right)
    if (only & named).any() or not _well_before(case, window):
        return ~named & (status != 503)  # type: ignore[no-any-return]
    return ~named & ((status != 503) | (took > GRACE_NS if window.kind in SLOW else True))  # type: ignore[no-any-return]


def _well_before(case: Case, window: Window) -> bool:
    """Whether the last answer before the fault was a good one."""
    end = case.calls["end_ns"]
    before = np.flatnonzero(end < window.start_ns)
    return bool(len(before) and case.calls["outcome"].among("ok")[before[np.argmax(end[before])]])


def _only_under(case: Case, window: Window) -> Mask:
    """The calls that lie within the fault and meet no other; its own end, which cuts what hangs, is not within it."""
    start, end = case.calls["start_ns"], case.calls["end_ns"]
    found = (start >= window.start_ns + GRACE_NS) & (end <= window.end_ns - GRACE_NS)
    for other in case.windows:
        if other is not window:
            found &= (end < other.start_ns) | (start > other.end_ns + GRACE_NS)
    return np.asarray(found, np.bool_)


@law(
    "V2",
    "AbandonedStops",
    family="front services",
    rule="when a caller has gone away, the service begins no further request to KATO for it",
    trap="a request that was on its way already is none; the user's next call may begin soon",
    cure="watch for the disconnect beside the work, and cancel it",
    example="FastAPI runs a handler to its end, whoever is still there: two more steps for nobody",
    needs=frozenset({"latency", "timeout", "pause", "delay"}),
    wants="callers that go away while KATO is slow: latency",
)
def abandoned_stops(case: Case) -> Ruling:
    if not _is_front(case):
        return NO_FRONT
    calls = case.calls
    gone = np.flatnonzero(calls["outcome"].among("timeout"))
    if not len(gone):
        return unexercised(f"no caller went away; it takes {exercise('V2')}")
    who = _owners(case)
    users, starts = np.array(calls["user"].tolist()), calls["start_ns"]
    if (unknown := len(set(users[gone]) - set(who))) and (who == "").any():
        return inconclusive(f"of {plural(unknown, 'caller')} who went away nobody knows which requests were theirs")
    at = case.history.arrivals["arrive_ns"]
    late = {}
    for row in gone.tolist():
        mine = (users == users[row]) & (starts > calls["end_ns"][row])
        until = int(starts[mine].min()) if mine.any() else case.end_ns
        after = (who == users[row]) & (at > calls["end_ns"][row] + GRACE_NS) & (at < until)
        if after.any():
            late[row] = int(after.sum())
    if late:
        rows = np.array(sorted(late, key=lambda row: -late[row]), np.int64)
        reason = f"{plural(sum(late.values()), 'request')} were begun for {plural(len(rows), 'caller')} who had gone"
        return broken(case, rows, reason, of=len(gone), notes=lambda row: {"begun_afterwards": late[row]})
    return passed(f"nothing was begun for {plural(len(gone), 'caller')} who had gone away")


def _owners(case: Case) -> NDArray[np.str_]:
    """For each arrival the user on whose session, or node, it came; '' where nobody knows, or several share it."""
    seen, rows = case.history.arrivals, case.arrival_rows
    users = set(case.calls["user"].tolist())
    told = ["" if row < 0 else case.calls["user"][row] for row in rows.tolist()]
    keys = [session or node for session, node in zip(seen["session"].tolist(), seen["node_id"].tolist(), strict=True)]
    owner: dict[str, str] = {}
    for key, node, user in zip(keys, seen["node_id"].tolist(), told, strict=True):
        if found := node if node in users else user:
            owner[key] = found if owner.get(key, found) == found else ""
    return np.array([owner.get(key, "") for key in keys], np.str_)
