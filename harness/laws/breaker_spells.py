"""A breaker's states from outside: closed, open and half-open spans of each worker, from calls and attempts alone.

Closed until calls are rejected without a try; open from the failure before the first rejection until the first call
that is tried again, which is the trial; half-open until the trial has ended; then what follows tells: rejections mean
that it opened again, tries that it closed (Nygard, Release It!, "Circuit Breaker").
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.laws.breaker_events import Events
from harness.laws.case import Ints, order_of
from harness.policy import Breaker

SETTLE_NS = 2_000_000
"""A call that starts within this after a change may have been let in before it."""

ORDER_NS = 50_000_000
"""Ends and starts that are closer than this may have been the other way round for the breaker."""

LOOK_BACK = 512
"""Tried calls before a rejection among which the failure that opened the breaker is sought, and after it the trial."""


@dataclass(frozen=True, slots=True)
class Spell:
    """One state of one worker's breaker over [from_ns, to_ns), which is empty for a trial that was refused at once.

    `at` is the event (index) that ended or showed it: the first rejection after a closed spell, the trial after an
    open one; −1 for a half-open spell and for the last one.
    """

    worker: int
    state: str
    from_ns: int
    to_ns: int
    at: int


def since_served(e: Events, spell: Spell) -> Ints:
    """The tried events (indices) between the last served one and the rejection that ended a closed spell."""
    least = max(spell.at - LOOK_BACK, 0)
    tried: Ints = np.flatnonzero(~e.rejected[least : spell.at]) + least
    served = tried[e.served[tried]]
    return tried[tried > served[-1]] if len(served) else tried


def spells(events: Events, breaker: Breaker, begin_ns: int, end_ns: int) -> list[Spell]:
    """The states of one worker's breaker from `begin_ns` to `end_ns`; empty where nothing was ever rejected."""
    if not events.rejected.any():
        return []
    reader = _Reader(events, breaker)
    found: list[Spell] = []
    state, since, at = "closed", begin_ns, 0
    while True:
        step = reader.step(state, since, at)
        until = min(step.time_ns, end_ns) if step else end_ns
        found.append(Spell(events.worker, state, since, until, step.shown if step else -1))
        if step is None or step.time_ns >= end_ns:
            return found
        state, since, at = step.state, step.time_ns, step.at


@dataclass(frozen=True, slots=True)
class _Step:
    """The next state, when it began, and from which event on to read."""

    state: str
    time_ns: int
    at: int
    shown: int = -1


class _Reader:
    """Finds the next change of state; rejections and tries are looked up by position, never walked through."""

    def __init__(self, events: Events, breaker: Breaker) -> None:
        self._e = events
        self._breaker = breaker
        self._rejections = np.flatnonzero(events.rejected)
        self._tries = np.flatnonzero(~events.rejected)

    def step(self, state: str, since: int, at: int) -> _Step | None:
        if state == "closed":
            return self._opens(at)
        return self._tried(at, since) if state == "open" else self._decided(at)

    def _next(self, positions: Ints, at: int) -> int | None:
        where = int(np.searchsorted(positions, at))
        return int(positions[where]) if where < len(positions) else None

    def _opens(self, at: int) -> _Step | None:
        first = self._next(self._rejections, at)
        if first is None:
            return None
        tried = self._tries_between(at, first)
        unseen = self._unseen_opening(tried, first)
        return unseen or _Step("open", self._opening(tried, first), first, first)

    def _tries_between(self, at: int, first: int) -> Ints:
        """The last tried events from `at` on and before the rejection `first`."""
        least, most = (int(edge) for edge in np.searchsorted(self._tries, [at, first]))
        return self._tries[max(least, most - LOOK_BACK) : most]

    def _failures(self, tried: Ints, until: int) -> Ints:
        """Those of `tried` that failed in a row, by end, up to `until`."""
        e = self._e
        ended = tried[e.end_ns[tried] <= until]
        ended = ended[order_of(e.end_ns[ended])]
        good = np.flatnonzero(e.served[ended])
        row = ended[good[-1] + 1 if len(good) else 0 :]
        return row[e.failed[row]]

    def _unseen_opening(self, tried: Ints, first: int) -> _Step | None:
        """Little traffic: nobody called while it was open, and the first rejection came during the trial."""
        e, limit = self._e, self._breaker.fail_max
        if not len(tried) or limit is None or e.end_ns[tried[-1]] <= e.start_ns[first]:
            return None
        trial = int(tried[-1])
        failures = self._failures(tried[:-1], int(e.from_ns[trial]))
        if len(failures) < limit:
            return None
        opened_ns = int(e.end_ns[failures[limit - 1]])
        waited = e.from_ns[trial] - opened_ns >= 0.9e9 * self._breaker.reset_timeout
        return _Step("open", opened_ns, trial, first) if waited else None

    def _opening(self, tried: Ints, first: int) -> int:
        """When it opened: after the last try began and before the first rejection, best the failure that filled the
        count."""
        # a call that waited for others in the client was rejected when it ended, not when it began
        e, until = self._e, int(self._e.end_ns[first])
        if not len(tried):
            return until
        least = int(e.from_ns[tried].max())
        failures = self._failures(tried, until + SETTLE_NS)
        limit = self._breaker.fail_max or len(failures)
        filled = [int(t) for t in e.end_ns[failures[limit - 1 : limit]] if t >= least]
        late = [int(t) for t in e.to_ns[failures] if least <= t <= until]
        return min(until, (filled or late[-1:] or [until])[0])

    def _tried(self, at: int, since: int) -> _Step | None:
        """The first call tried again; those let in at the very moment of the opening came before it."""
        settled = int(np.searchsorted(self._e.start_ns, since + SETTLE_NS, side="right"))
        first = self._next(self._tries, max(at, settled))
        if first is None:
            return None
        trial = self._soonest(first)
        return _Step("half_open", int(self._e.from_ns[trial]), trial, trial)

    def _soonest(self, first: int) -> int:
        """Of the tries that began by the time `first` was really sent the one that was sent first: a call may wait in
        the client, for a back-off after a rejection, while a later one is the trial."""
        e, at = self._e, int(np.searchsorted(self._tries, first))
        near = self._tries[at : at + LOOK_BACK]
        near = near[e.start_ns[near] <= e.from_ns[first]]
        return int(near[np.argmin(e.from_ns[near])])

    def _decided(self, at: int) -> _Step | None:
        """When the trial ended, and what followed: its last attempt, for its call may wait on for a further one."""
        e, successes, decisive = self._e, 0, at
        pending = [at]
        upto = at + 1
        while True:
            decisive = min(pending, key=lambda one: int(e.to_ns[one]))
            while upto < len(e) and e.start_ns[upto] <= e.to_ns[decisive]:
                if not e.rejected[upto]:
                    pending.append(upto)
                    decisive = min(decisive, upto, key=lambda one: int(e.to_ns[one]))
                upto += 1
            pending.remove(decisive)
            successes += bool(e.served[decisive])
            if not e.served[decisive] or successes >= self._breaker.success_threshold:
                return self._after(int(e.to_ns[decisive]), bool(e.served[decisive]))
            if not pending:
                following = self._next(self._tries, upto)
                if following is None:
                    return None
                if e.rejected[upto:following].any():
                    return self._after(int(e.to_ns[decisive]), False)
                pending, upto = [following], following + 1

    def _after(self, decided_ns: int, served: bool) -> _Step:
        e = self._e
        following = int(np.searchsorted(e.start_ns, decided_ns + SETTLE_NS, side="right"))
        if following >= len(e):
            return _Step("closed" if served else "open", decided_ns, following)
        let_in = self._next(self._tries, following)
        if served and let_in is not None and e.start_ns[let_in] <= decided_ns + ORDER_NS:
            return _Step("closed", decided_ns, let_in)
        if e.rejected[following]:
            return _Step("open", decided_ns, following)
        again_ns = decided_ns + int(0.9e9 * self._breaker.reset_timeout)
        state = "open" if not served and e.start_ns[following] >= again_ns else "closed"
        return _Step(state, decided_ns, following)
