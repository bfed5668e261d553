"""Which arrival belongs to which call (design, "The path of one operation").

By attempt header; else by session, operation and time, when exactly one call of that session was under way. An arrival
that fits two calls belongs to none, and so does one that carries another payload than the call's own attempts did (a
client that replays older observations in the background).

A service under test carries no header of ours and opens its users' sessions itself: there a request belongs to the one
call of its user that was under way, or to the last one, whose caller had gone away.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.evidence.table import Table, Words

SLACK_NS = 5_000_000
"""A request that a client gave up may still be on its way for this long on loopback."""

OVER_NS = 1_000_000_000
"""The work for a caller who went away is over when nothing of his was asked of KATO for this long."""

ABANDONED = ("timeout", "cancelled")


def pair_arrivals(arrivals: Table, calls: Table, uncertainty_ns: int = 0) -> Table:
    """The arrivals with `call` filled where it can be told, and `paired_by` header, time, user or ''.

    `uncertainty_ns`: how far the clocks of callers and witness may be apart.
    """
    call: NDArray[np.int64] = np.array(arrivals["call"], np.int64)
    by = np.where(call > 0, 1, 0).astype(np.int32)
    unknown = np.flatnonzero(call == 0)
    if len(unknown):
        found = _by_time(arrivals.where(unknown), calls, uncertainty_ns)
        found[_of_another(arrivals, call, unknown, found)] = 0
        call[unknown] = found
        by[unknown[found > 0]] = 2
    unknown = np.flatnonzero(call == 0)
    if len(unknown) and not (by == 1).any():
        found = _by_user(arrivals, unknown, calls)
        call[unknown] = found
        by[unknown[found > 0]] = 3
    columns: dict[str, Any] = {**arrivals.columns, "call": call, "paired_by": Words(by, ("", "header", "time", "user"))}
    return Table(columns)


def _of_another(
    arrivals: Table, call: NDArray[np.int64], unknown: NDArray[np.intp], found: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Those of `unknown` whose found call has sent something else under its own name."""
    named = np.flatnonzero((call > 0) & np.isin(call, found))
    sent: dict[int, set[int]] = {}
    for owner, payload in zip(call[named].tolist(), arrivals["payload"][named].tolist(), strict=True):
        sent.setdefault(owner, set()).add(payload)
    pairs = zip(found.tolist(), arrivals["payload"][unknown].tolist(), strict=True)
    return np.array([owner in sent and payload not in sent[owner] for owner, payload in pairs], bool)


def _by_time(arrivals: Table, calls: Table, uncertainty_ns: int) -> NDArray[np.int64]:
    """For each arrival the one call of its session and operation that was under way, else 0."""
    found = np.zeros(len(arrivals), np.int64)
    by_key: dict[tuple[str, str], list[int]] = {}
    for row, key in enumerate(zip(calls["session"].tolist(), calls["op"].tolist(), strict=True)):
        by_key.setdefault(key, []).append(row)
    start, end, ids = calls["start_ns"] - uncertainty_ns, calls["end_ns"] + SLACK_NS + uncertainty_ns, calls["call"]
    sessions, ops, times = arrivals["session"].tolist(), arrivals["op"].tolist(), arrivals["arrive_ns"]
    for at in range(len(arrivals)):
        rows = np.array(by_key.get((sessions[at], ops[at]), ()), np.int64)
        fits = rows[(start[rows] <= times[at]) & (times[at] <= end[rows])] if len(rows) else rows
        if len(fits) == 1:
            found[at] = ids[fits[0]]
    return found


def _by_user(arrivals: Table, unknown: NDArray[np.intp], calls: Table) -> NDArray[np.int64]:
    """For each of `unknown` the one call that a service worked on for this user, else 0."""
    rows = np.flatnonzero(_own_sessions(calls))
    made = _grouped(calls["user"].tolist(), rows[np.argsort(calls["start_ns"][rows], kind="stable")])
    asked = _grouped(arrivals["node_id"].tolist(), np.arange(len(arrivals)))
    times, found = arrivals["arrive_ns"], np.zeros(len(unknown), np.int64)
    moments = np.maximum(np.maximum(times, arrivals["reply_ns"]), arrivals["disconnect_ns"])
    busy = {user: moments[at] for user, at in asked.items()}
    for place, (at, user) in enumerate(zip(unknown.tolist(), arrivals["node_id"][unknown].tolist(), strict=True)):
        mine = made.get(user, rows[:0])
        begun = mine[calls["start_ns"][mine] <= times[at]]
        if len(begun) and _is_of_last(begun, int(times[at]), calls, busy[user]):
            found[place] = calls["call"][begun[-1]]
    return found


def _grouped(keys: list[str], rows: NDArray[np.intp]) -> dict[str, NDArray[np.intp]]:
    found: dict[str, list[int]] = {}
    for row in rows.tolist():
        found.setdefault(keys[row], []).append(row)
    return {key: np.array(mine, np.intp) for key, mine in found.items()}


def _own_sessions(calls: Table) -> NDArray[np.bool_]:
    """The calls of users whose sessions the service keeps: the harness knows no session but the user's id."""
    return np.array(
        [bool(s) and s == u for s, u in zip(calls["session"].tolist(), calls["user"].tolist(), strict=True)]
    )


def _is_of_last(begun: NDArray[np.intp], time_ns: int, calls: Table, moments: NDArray[np.int64]) -> bool:
    """Whether a request at that time is certainly of the last of `begun`: it was under way, or its caller had gone
    away, and the call before it was over."""
    start, end, outcome = calls["start_ns"], calls["end_ns"], calls["outcome"].among(*ABANDONED)
    last, earlier = begun[-1], begun[:-1]
    if time_ns > end[last] + SLACK_NS and not outcome[last]:
        return False
    if (end[earlier] > start[last]).any():
        return False
    if not len(earlier) or not outcome[earlier[-1]]:
        return True
    before = moments[moments < start[last]]
    quiet_since = max(int(end[earlier[-1]]), int(before.max()) if len(before) else 0)
    return bool(start[last] - quiet_since >= OVER_NS)
