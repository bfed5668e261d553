"""Which arrival belongs to which call (design, "The path of one operation").

By attempt header; else an observe by its session and by what it says; else by session, operation and time, when
exactly one call of that session was under way. An arrival that fits two calls belongs to none, and so does one that
carries another payload than the call's own attempts did (a client that replays older observations in the background).

A service under test carries no header of ours and opens its users' sessions itself: there a request belongs to the one
call of its user (told by the node) that was under way, or to the last one, whose caller had gone away; an observe that
says what a call of its user said belongs to that, whenever it comes, and so does the opening of its session, if that
was for it. Where users share a node, an observe belongs to the one call under way that said the same.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.evidence.hands import by_hand
from harness.evidence.owners import with_owners
from harness.evidence.replays import SLACK_NS, by_content, in_others_words, own_sessions
from harness.evidence.table import Table, Words

WAYS = ("", "header", "time", "content", "user", "hand")
"""How an arrival was paired; `content`: by what it says, after its call had ended, so it was a replay;
`hand`: by the message that a consumer had in its hands."""

ABANDONED = ("timeout", "cancelled")


def pair_arrivals(arrivals: Table, calls: Table, uncertainty_ns: int = 0, messages: Table | None = None) -> Table:
    """The arrivals with `call` filled where it can be told, and `paired_by` in one of WAYS.

    `uncertainty_ns`: how far the clocks of callers and witness may be apart. `messages`: what a consumer did with those
    of a queue.
    """
    call: NDArray[np.int64] = np.array(arrivals["call"], np.int64)
    handled = messages if messages is not None and len(messages) else None
    said, arrivals = arrivals, with_owners(arrivals, calls)
    by = np.where(call > 0, 1, 0).astype(np.int32)
    unknown = np.flatnonzero(call == 0)
    if len(unknown):
        found, replayed = by_content(arrivals, calls, uncertainty_ns)
        if handled is None:  # in a queue a call ends before anything comes of it
            rest = unknown[found[unknown] == 0]
            timed = _by_time(arrivals.where(rest), calls, uncertainty_ns)
            timed[_of_another(arrivals, call, rest, timed)] = 0
            found[rest] = timed
        call[found > 0] = found[found > 0]
        by[unknown[call[unknown] > 0]] = 2
        by[replayed] = 3
    for way in (_by_words, _by_first_observe, _by_user):
        unknown = np.flatnonzero(call == 0)
        if len(unknown) and not (by == 1).any():
            found = way(arrivals, unknown, calls, call)
            call[unknown] = found
            by[unknown[found > 0]] = 4
    if handled is not None:
        found = by_hand(said.having(call=call), calls, handled)
        call[found > 0] = found[found > 0]
        by[found > 0] = 5
    return said.having(call=call, paired_by=Words(by, WAYS))


def without_misnamed(arrivals: Table, calls: Table) -> tuple[Table, NDArray[np.int64]]:
    """The arrivals with `call` 0 where a name is another call's, and the names that are nobody's then.

    A worker that serves all calls was started by one, and works under its name until that one ends. Told by the
    session, or the node of a session that is opened; or it is an observe of what another call of the session said.
    """
    if not len(calls):
        return arrivals, np.zeros(0, np.int64)
    order = np.argsort(calls["call"], kind="stable")
    at = order[np.minimum(np.searchsorted(calls["call"], arrivals["call"], sorter=order), len(calls) - 1)]
    opens = arrivals["op"].among("open_session")
    wrong = (opens & _differs(arrivals["node_id"], calls["node_id"], at)) | (
        ~opens & _differs(arrivals["session"], calls["session"], at)
    )
    wrong &= calls["call"][at] == arrivals["call"]
    wrong |= in_others_words(arrivals, calls, at)
    if not wrong.any():
        return arrivals, np.zeros(0, np.int64)
    names = _names(arrivals)
    return _unnamed(arrivals, wrong), np.setdiff1d(names[wrong], names[~wrong])


def without_names(attempts: Table, names: NDArray[np.int64]) -> Table:
    """The attempts with `call` 0 where they were sent under one of those names."""
    return _unnamed(attempts, np.isin(_names(attempts), names)) if len(names) else attempts


def _names(sent: Table) -> NDArray[np.int64]:
    """What the header of a request said: its call and attempt in one number."""
    found: NDArray[np.int64] = sent["call"] << 16 | sent["attempt"]
    return found


def _differs(said: Words, own: Words, at: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Where `said` is the name of another row of `own` than that at `at`."""
    known = {own.names[code]: code for code in np.unique(own.codes).tolist() if own.names[code]}
    code = np.array([known.get(name, -1) for name in said.names], np.int64)[said.codes]
    differs: NDArray[np.bool_] = (code >= 0) & ~own.among("")[at] & (code != own.codes[at])
    return differs


def _unnamed(table: Table, rows: NDArray[np.bool_]) -> Table:
    return table.having(call=np.where(rows, 0, table["call"])) if rows.any() else table


def _of_another(
    arrivals: Table, call: NDArray[np.int64], rest: NDArray[np.intp], found: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Those of `rest` whose found call has sent something else under its own name."""
    named = np.flatnonzero((call > 0) & np.isin(call, found))
    sent: dict[int, set[int]] = {}
    for owner, payload in zip(call[named].tolist(), arrivals["payload"][named].tolist(), strict=True):
        sent.setdefault(owner, set()).add(payload)
    pairs = zip(found.tolist(), arrivals["payload"][rest].tolist(), strict=True)
    return np.array([owner in sent and payload not in sent[owner] for owner, payload in pairs], bool)


def _by_time(arrivals: Table, calls: Table, uncertainty_ns: int) -> NDArray[np.int64]:
    """For each arrival the one call of its session and operation that was under way, else 0."""
    found = np.zeros(len(arrivals), np.int64)
    by_key: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row, key in enumerate(zip(calls["session"].tolist(), calls["op"].tolist(), strict=True)):
        by_key[key].append(row)
    ids, served = calls["call"], np.zeros(len(calls), bool)
    sessions, ops, times = arrivals["session"].tolist(), arrivals["op"].tolist(), arrivals["arrive_ns"]
    for at in range(len(arrivals)):
        rows = np.array(by_key.get((sessions[at], ops[at]), ()), np.int64)
        fits = _under_way(calls, rows, int(times[at]), uncertainty_ns)
        if len(fits) == 2 and calls["end_ns"][fits[0]] <= calls["start_ns"][fits[1]]:
            fits = fits[1:] if served[fits[0]] else fits[:1]  # one call ended in the instant in which the next began
        if len(fits) == 1:
            found[at] = ids[fits[0]]
            served[fits] = True
    return found


def _under_way(calls: Table, rows: NDArray[np.int64], time_ns: int, uncertainty_ns: int) -> NDArray[np.int64]:
    """Those of `rows` that were under way, in order of start; those that had just ended only where there are none."""
    start, end = calls["start_ns"][rows], calls["end_ns"][rows]
    begun = start - uncertainty_ns <= time_ns
    fits = rows[begun & (time_ns <= end + uncertainty_ns)]
    if not len(fits):
        fits = rows[begun & (time_ns <= end + SLACK_NS + uncertainty_ns)]
    ordered: NDArray[np.int64] = fits[np.argsort(calls["start_ns"][fits], kind="stable")]
    return ordered


def _by_words(arrivals: Table, unknown: NDArray[np.intp], calls: Table, call: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each of `unknown` that observes on a node of several users the one call under way that said the same."""
    found, users = np.zeros(len(unknown), np.int64), set(calls["user"].tolist())
    rows = np.flatnonzero(own_sessions(calls) & (calls["content"] > 0))
    said = _grouped(calls["content"].tolist(), rows)
    shared = arrivals["op"].among("observe") & ~arrivals["node_id"].among(*users)
    spoken = np.flatnonzero(shared[unknown])
    at = unknown[spoken]
    told = zip(spoken.tolist(), arrivals["payload"][at].tolist(), arrivals["arrive_ns"][at].tolist(), strict=True)
    for place, content, time_ns in told:
        fits = _under_way(calls, said.get(content, rows[:0]), time_ns, 0)
        if len(fits) == 1:
            found[place] = calls["call"][fits[0]]
    return found


def _by_first_observe(
    arrivals: Table, unknown: NDArray[np.intp], calls: Table, call: NDArray[np.int64]
) -> NDArray[np.int64]:
    """For each of `unknown` that opens a session the call of the first observe in it, if that had begun by then."""
    found = np.zeros(len(unknown), np.int64)
    opens = np.flatnonzero(arrivals["op"].among("open_session")[unknown])
    first: dict[str, int] = {}
    observes = np.flatnonzero(arrivals["op"].among("observe"))
    for session, owner in zip(arrivals["session"][observes].tolist(), call[observes].tolist(), strict=True):
        first.setdefault(session, owner)
    since = dict(zip(calls["call"].tolist(), calls["start_ns"].tolist(), strict=True))
    at = unknown[opens]
    named = zip(opens.tolist(), arrivals["session"][at].tolist(), arrivals["arrive_ns"][at].tolist(), strict=True)
    for place, session, time_ns in named:
        owner = first.get(session, 0)
        if owner and since.get(owner, time_ns + 1) <= time_ns:
            found[place] = owner
    return found


def _by_user(arrivals: Table, unknown: NDArray[np.intp], calls: Table, call: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each of `unknown` the one call that a service worked on for this user, else 0."""
    rows = np.flatnonzero(own_sessions(calls))
    made = _grouped(calls["user"].tolist(), rows[np.argsort(calls["start_ns"][rows], kind="stable")])
    times, found = arrivals["arrive_ns"], np.zeros(len(unknown), np.int64)
    for place, (at, user) in enumerate(zip(unknown.tolist(), arrivals["node_id"][unknown].tolist(), strict=True)):
        mine = made.get(user, rows[:0])
        begun = mine[calls["start_ns"][mine] <= times[at]]
        if len(begun) and _is_of_last(begun, int(times[at]), calls):
            found[place] = calls["call"][begun[-1]]
    return found


def _grouped(keys: list[Any], rows: NDArray[np.intp]) -> dict[Any, NDArray[np.intp]]:
    found: dict[Any, list[int]] = {}
    for row in rows.tolist():
        found.setdefault(keys[row], []).append(row)
    return {key: np.array(mine, np.intp) for key, mine in found.items()}


def _is_of_last(begun: NDArray[np.intp], time_ns: int, calls: Table) -> bool:
    """Whether a request at that time is certainly of the last of `begun`: it was under way, or its caller had gone
    away; and each call before it had ended well, for behind a failed one work may go on at any later time."""
    start, end = calls["start_ns"], calls["end_ns"]
    gone, well = calls["outcome"].among(*ABANDONED), calls["outcome"].among("ok")
    last, earlier = begun[-1], begun[:-1]
    under_way = time_ns <= end[last] + SLACK_NS or gone[last]
    return bool(under_way and (well[earlier] & (end[earlier] <= start[last])).all())
