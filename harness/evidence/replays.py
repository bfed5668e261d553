"""Observes that came without a header, told apart by what they say: a client that spools replays outside its calls."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.evidence.ids import ids_of, rows_of
from harness.evidence.table import Table

SLACK_NS = 5_000_000
"""A request that a client gave up may still be on its way for this long on loopback."""


@dataclass(slots=True)
class _Observe:
    """A call that observed something. `told`: its caller took it for done or put aside; `named`: it sent under its own
    name, so what has no name isn't its; `commits`: how often KATO has committed it so far."""

    call: int
    start_ns: int
    end_ns: int
    told: bool
    named: bool = False
    commits: int = 0

    def cost(self, time_ns: int, committed: bool) -> tuple[bool, bool, bool, int]:
        """How unlikely it is that this call sent what KATO got at `time_ns`: the least is taken."""
        under_way = time_ns <= self.end_ns and not self.named
        return self.commits > 0 and committed, not (self.told or under_way), not under_way, self.start_ns


Said = dict[tuple[str, int], list[_Observe]]
"""The observes of each session and content, in order of start."""


def by_content(arrivals: Table, calls: Table, uncertainty_ns: int = 0) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """For each observe without a header the call of its session that says the same (0: none), and whether that call
    had ended by then. One with a header, whose call had committed already, is that of a call that had put the same
    words aside, if there is one.

    Where several say the same it is the one that accuses nobody: not committed yet, if it can be; so a doubled commit
    is one that every way of telling them apart leaves over.
    """
    found, replayed = np.zeros(len(arrivals), np.int64), np.zeros(len(arrivals), bool)
    if not (arrivals["op"].among("observe") & (arrivals["call"] == 0)).any():
        return found, replayed
    said = _said(calls, SLACK_NS + uncertainty_ns)
    by_call = {each.call: each for same in said.values() for each in same}
    for call in arrivals["call"][arrivals["op"].among("observe")].tolist():
        if call in by_call:
            by_call[call].named = True
    for at, key, call, time_ns, committed in _observes(arrivals, calls):
        begun = [each for each in said.get(key, ()) if each.start_ns <= time_ns]
        chosen = by_call.get(call)
        if not call:
            chosen = min(begun, key=lambda each: each.cost(time_ns, committed), default=None)
        elif chosen is not None and committed and chosen.commits:
            chosen = next((each for each in begun if each.told and not each.commits), chosen)
        if chosen is not None:
            chosen.commits += committed
            if chosen.call != call:
                found[at], replayed[at] = chosen.call, time_ns > chosen.end_ns
    return found, replayed


def in_others_words(arrivals: Table, calls: Table, at: NDArray[np.int64]) -> NDArray[np.bool_]:
    """The observes that say what another call of their session said, and not what the call of their name did (`at`: its
    row). A client that puts observations in words of its own tells nothing by them: those would be no other call's."""
    named = calls["call"][at] == arrivals["call"]
    differ: NDArray[np.bool_] = arrivals["op"].among("observe") & named & (arrivals["payload"] != calls["content"][at])
    if not differ.any():
        return differ
    said = _said(calls, 0)
    rows = np.flatnonzero(differ & np.isin(arrivals["payload"], [words for _, words in said]))
    owner = _owners(arrivals, calls) if len(rows) else {}
    spoken = zip(arrivals["session"][rows].tolist(), arrivals["payload"][rows].tolist(), strict=True)
    others: NDArray[np.bool_] = np.zeros(len(arrivals), bool)
    others[rows] = [(owner.get(session, session), words) in said for session, words in spoken]
    return others if 2 * int(others.sum()) >= int(differ.sum()) else np.zeros(len(arrivals), bool)


def _said(calls: Table, slack_ns: int) -> Said:
    rows = np.flatnonzero(calls["op"].among("observe") & (calls["content"] > 0))
    rows = rows[np.argsort(calls["start_ns"][rows], kind="stable")]
    told = calls["outcome"].among("ok", "degraded")[rows].tolist()
    columns = (calls[name][rows].tolist() for name in ("session", "user", "content", "call", "start_ns", "end_ns"))
    said: Said = defaultdict(list)
    for session, user, content, call, start_ns, end_ns, done in zip(*columns, told, strict=True):
        # a call that was given up at the end of a run is on record without a session
        said[session or user, content].append(_Observe(call, start_ns - slack_ns, end_ns + slack_ns, done))
    return said


def _observes(arrivals: Table, calls: Table) -> Iterator[tuple[int, tuple[str, int], int, int, bool]]:
    """(row, session as its calls name it and content, call, time, committed) of the observes, in order of time."""
    rows = np.flatnonzero(arrivals["op"].among("observe"))
    owner = _owners(arrivals, calls)
    columns = (arrivals[name][rows].tolist() for name in ("session", "payload", "call", "arrive_ns", "commit_seq"))
    for row, session, payload, call, time_ns, commit in zip(rows.tolist(), *columns, strict=True):
        yield row, (owner.get(session, session), payload), call, time_ns, commit > 0


def _owners(arrivals: Table, calls: Table) -> dict[str, str]:
    """What calls name the session of an arrival, for clients that own their sessions: seen by their own headers, or, of
    a service that carries none, by the user whose node it is."""
    if not (arrivals["call"] > 0).any():
        users = set(calls["session"][own_sessions(calls)].tolist())
        whose = zip(arrivals["session"].tolist(), arrivals["node_id"].tolist(), strict=True)
        return {session: node for session, node in whose if session and node in users}
    at = rows_of(arrivals["call"], *ids_of(calls))
    named = np.flatnonzero((at >= 0) & arrivals["op"].among("observe", "predict", "learn"))
    theirs, ours = arrivals["session"], calls["session"]
    name_of = np.full(len(theirs.names), -1)
    name_of[theirs.codes[named]] = ours.codes[at[named]]  # of several the last one
    return {
        session: ours.names[name] for session, name in zip(theirs.names, name_of.tolist(), strict=True) if name >= 0
    }


def own_sessions(calls: Table) -> NDArray[np.bool_]:
    """The calls of users whose sessions the service keeps: the harness knows no session but the user's id."""
    return np.array(
        [bool(s) and s == u for s, u in zip(calls["session"].tolist(), calls["user"].tolist(), strict=True)], np.bool_
    )
