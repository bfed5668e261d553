"""Scenario and seed to Plan: which call starts when, on which session, with what payload (standard library only).

A plan is lazy and pure: equal (Load, seed) gives equal calls on 1 or 8 workers, byte for byte. Arrivals are the
inverse of the cumulative rate Λ(t): constant arrivals at Λ = 0, 1, 2, …, Poisson arrivals at the points of a unit
Poisson process (time rescaling: Çinlar, "Introduction to Stochastic Processes", 1975, ch. 4.7).
"""

from __future__ import annotations

import bisect
import functools
import hashlib
import itertools
import json
import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from harness.data import GENERATORS, Observation, read_feed, read_schedule
from harness.model import Load, PlannedCall, Stage
from harness.rng import CHUNK, Stream, units, words

SECOND_NS = 1_000_000_000
TURN_BITS = 40
"""A user of the closed model makes fewer calls than 2 to this."""
GOLDEN = (math.sqrt(5) - 1) / 2
MAX_EVENTS = 900
"""KATO trims an STM at 1000 events (contract, section 3); a session ends before that, so that lost acks show."""

OPENINGS_PER_CALL = 2
"""Sessions are opened at most this many times as fast as calls come."""

REOPEN_BASE = 1 << 52
"""Ids of open_session calls lie above this: REOPEN_BASE | session << 24 | try. A try for each call of hours has room in
that, and a float still holds each."""


Turn = tuple[int, int, str, int, Hashable]
"""A closed user's call: its id, session and operation, the think time before it (ns), and what tells its payload
(`Plan.choice`). A plain tuple: a named one costs five times as much, and the fast path makes 100,000 a second."""

_planned = functools.partial(tuple.__new__, PlannedCall)
"""Twice as fast as the constructor, which is Python."""


def open_call_id(session: int, attempt: int) -> int:
    """The call id of the `attempt`-th try (0, 1, …) to open `session`."""
    return REOPEN_BASE | session << 24 | attempt


@functools.lru_cache(1024)  # about 10 MB at most; each user of a closed load draws from a chunk of its own
def _chosen(data: str, seed: int, chunk: int) -> Sequence[Hashable]:
    """What tells the payloads of one chunk of random words."""
    return GENERATORS[data].choose(units(words(seed, "payload", chunk)))


@dataclass(frozen=True, slots=True)
class Plan:
    """The calls of one run. `session` numbers are slot + slots × life; one slot is one user and one node."""

    load: Load
    seed: int
    feed: tuple[Observation, ...] = field(default=())
    schedule: tuple[tuple[int, str], ...] = field(default=())

    @staticmethod
    def of(load: Load, seed: int) -> Plan:
        """The plan, with its feed and recorded schedule read; raises ValueError when one is not usable."""
        feed = tuple(read_feed(load.feed)) if load.feed else ()
        return Plan(load, seed, feed, read_schedule(load.replay) if load.replay else ())

    def calls(self, worker: int = 0, workers: int = 1) -> Iterator[PlannedCall]:
        """The open model's calls of one worker in order of time; slots are dealt to workers round robin."""
        slots = self.load.sessions
        lives = _Lives(self)
        for index, offset_ns in enumerate(self.offsets()):
            slot = index % slots
            if slot % workers == worker:
                yield lives.call(index + 1, offset_ns, slot, self.schedule[index][1] if self.schedule else "")

    def openings(self, worker: int = 0, workers: int = 1) -> Iterator[PlannedCall]:
        """The first session of each slot, opened evenly from the start on, always before its first call needs it.

        Over the warm-up, or longer where that would be more than OPENINGS_PER_CALL times the first stage's rate: a
        burst of openings would be a load of its own. A slot that no call will come to stays closed.
        """
        slots = 1 if self.load.strategy == "shared" else min(self.load.sessions, math.ceil(self.expected_calls()))
        rate = max((self.load.stages[0].start_rate + self.load.stages[0].end_rate) / 2, 1.0)
        spread_ns = max(self.load.warmup_for_ns, round(slots / (OPENINGS_PER_CALL * rate) * SECOND_NS))
        for slot in range(worker, slots, workers):
            yield PlannedCall(open_call_id(slot, 0), spread_ns * slot // slots, slot, "open_session")

    def user_calls(self, user: int) -> Iterator[Turn]:
        """The closed model's endless calls of one user."""
        numbers = itertools.count(user + 1, self.load.users)
        return _Lives(self).turns(numbers, user, self._thinks(user), self._choices(user))

    def _thinks(self, user: int) -> Iterator[int]:
        mean_ns = self.load.think_mean_ns
        if self.load.think_spread != "exponential":
            return itertools.repeat(mean_ns)
        draw = Stream(self.seed, f"think/{user}").unit
        return (int(-mean_ns * math.log1p(-draw(turn))) for turn in itertools.count())

    def _choices(self, user: int) -> Iterator[Hashable]:
        """`choice` of one user's calls in turn."""
        if self.feed:
            return map(self.choice, itertools.count(user + 1, self.load.users))
        first = (user << TURN_BITS) * GENERATORS[self.load.data].draws // CHUNK
        chunks = (_chosen(self.load.data, self.seed, chunk) for chunk in itertools.count(first))
        return itertools.chain.from_iterable(chunks)

    def offsets(self) -> Iterator[int]:
        """Intended starts as offsets from the start of load (ns), ascending."""
        if self.schedule:
            yield from (offset_ns for offset_ns, _ in self.schedule if offset_ns < self.load.for_ns)
            return
        points = self._poisson_points() if self.load.arrivals == "poisson" else map(float, _naturals())
        start_ns, done = 0, 0.0
        stages = iter(self.load.stages)
        stage = next(stages, None)
        for point in points:
            while stage is not None and point - done >= _volume(stage):
                done += _volume(stage)
                start_ns += stage.for_ns
                stage = next(stages, None)
            if stage is None:
                return
            yield start_ns + _when_ns(stage, point - done)

    def _poisson_points(self) -> Iterator[float]:
        stream = Stream(self.seed, "arrivals")
        at = 0.0
        for index in _naturals():
            at -= math.log1p(-stream.unit(index))
            yield at

    def observation(self, call: int) -> Observation:
        """The payload of an observe call, at random access."""
        return self.chosen(self.choice(call))

    def choice(self, call: int) -> Hashable:
        """What tells the payload of an observe call: where it comes again, so does the payload."""
        if self.feed:
            index = call - 1
            if self.load.feed_order == "shuffle":
                index = Stream(self.seed, "feed").word(index)
            return index % len(self.feed)
        if users := self.load.users:
            # a user's payloads lie together: users don't keep step, and a chunk of all would be made for each
            turn, user = divmod(call - 1, users)
            call = user << TURN_BITS | turn
        chunk, place = divmod(call, CHUNK // GENERATORS[self.load.data].draws)
        return _chosen(self.load.data, self.seed, chunk)[place]

    def chosen(self, choice: Any) -> Observation:
        """The payload that a `choice` tells."""
        return self.feed[choice] if self.feed else GENERATORS[self.load.data].make(choice)

    def node_id(self, session: int) -> str:
        """The KATO node of a session: one a slot, so that no two live sessions share a node."""
        return f"{self.load.node_prefix}{session % max(self.load.sessions, 1)}"

    def user(self, session: int) -> str:
        """The user that owns the session; also its id towards clients that own their sessions.

        It is called what its header `x-user-id` says, where its kind has one.
        """
        named = self.headers(session).get("x-user-id") if self.load.users_are else None
        return named or f"user-{session % max(self.load.sessions, 1)}"

    def headers(self, session: int) -> Mapping[str, str]:
        """What every request of the session's user carries, `{n}` being the user's number."""
        if not self.load.users_are:
            return {}
        number = str(session % max(self.load.sessions, 1))
        told = self.load.users_are[self.kind(session)]["headers"]
        return {name.lower(): value.replace("{n}", number) for name, value in told.items()}

    def kind(self, session: int) -> int:
        """The place in `users_are` of the kind that the session's user is of."""
        # multiples of the golden ratio fill the unit interval evenly, so that any number of users has about the shares
        place = session % max(self.load.sessions, 1) * GOLDEN % 1.0
        bounds = itertools.accumulate(kind["share"] for kind in self.load.users_are)
        return next((index for index, bound in enumerate(bounds) if place < bound), len(self.load.users_are) - 1)

    def digest(self) -> str:
        """SHA-256 of every planned call with its payload (open model), as hex; walks the whole plan."""
        whole = hashlib.sha256(json.dumps(asdict(self.load), sort_keys=True).encode())
        for planned in self.calls():
            row = (planned.call, planned.offset_ns, planned.session, planned.op, self.observation(planned.call))
            whole.update(json.dumps(row, separators=(",", ":"), sort_keys=True).encode())
        return whole.hexdigest()

    def identity(self) -> str:
        """SHA-256 of what determines the plan (load, seed, feed), as hex; quick."""
        whole = json.dumps([asdict(self.load), self.seed, list(self.feed), list(self.schedule)], sort_keys=True)
        return hashlib.sha256(whole.encode()).hexdigest()

    def expected_calls(self) -> float:
        """Λ at the end of the plan: how many calls the open model offers."""
        return sum(_volume(stage) for stage in self.load.stages)


class _Lives:
    """The state that a walk over the plan carries: each slot's current session and how far it has come."""

    def __init__(self, plan: Plan) -> None:
        load = plan.load
        slots = max(load.users, load.sessions)
        self._events = load.events or MAX_EVENTS
        self._ops = Stream(plan.seed, "op")
        total = sum(load.mix.values())
        self._mixed = tuple(load.mix)
        self._only = self._mixed[0] if len(self._mixed) == 1 and self._mixed[0] != "learn" else ""
        self._bounds = list(itertools.accumulate(weight / total for weight in load.mix.values()))[:-1]
        self._per_call = load.strategy == "per_call"
        shared = load.strategy == "shared"
        self._per_life = 0 if shared else slots
        self._session = [0] * slots if shared else list(range(slots))
        self._observed = [0] * slots
        self._learned = [0] * slots
        """How much of what was observed had been when `learn` was called last."""

    def turns(
        self, numbers: Iterator[int], slot: int, thinks: Iterator[int], choices: Iterator[Hashable]
    ) -> Iterator[Turn]:
        """The calls of the slot that have these ids, one after the other."""
        if self._only != "observe" or self._per_call:
            calls = map(self.call, numbers, itertools.repeat(0), itertools.repeat(slot))
            return (
                (planned.call, planned.session, planned.op, think_ns, choice)
                for planned, think_ns, choice in zip(calls, thinks, choices, strict=True)
            )
        # `call` for calls that need no draw, without a line of Python for each
        lives = itertools.count(self._session[slot], self._per_life)
        sessions = itertools.chain.from_iterable(map(itertools.repeat, lives, itertools.repeat(self._events)))
        return zip(numbers, sessions, itertools.repeat(self._only), thinks, choices, strict=True)

    def call(self, call: int, offset_ns: int, slot: int, op: str = "") -> PlannedCall:
        """The next call of the slot: `op`, else one drawn from the mix."""
        op = op or self._only or self._op(call, slot)
        if op == "observe":
            if self._observed[slot] >= self._events:
                self._observed[slot] = self._learned[slot] = 0
                self._session[slot] += self._per_life
            self._observed[slot] += 1
        elif op == "learn":
            self._learned[slot] = self._observed[slot]
        planned = _planned((call, offset_ns, self._session[slot], op))
        if self._per_call:
            self._session[slot] += self._per_life
        return planned

    def _op(self, call: int, slot: int) -> str:
        op = self._mixed[bisect.bisect_right(self._bounds, self._ops.unit(call)) if self._bounds else 0]
        # learning fewer than two events is KATO's 400 or a nameless pattern, never what a user meant
        return "observe" if op == "learn" and self._observed[slot] - self._learned[slot] < 2 else op


def _naturals() -> Iterator[int]:
    index = 0
    while True:
        yield index
        index += 1


def _volume(stage: Stage) -> float:
    return (stage.start_rate + stage.end_rate) / 2 * stage.for_ns / SECOND_NS


def _when_ns(stage: Stage, calls: float) -> int:
    """The offset within a stage at which `calls` have been offered: the root of r₀t + (r₁−r₀)t²/2T = calls."""
    start, end, length_s = stage.start_rate, stage.end_rate, stage.for_ns / SECOND_NS
    slope = (end - start) / length_s
    # this form of the root has no cancellation when the slope is small (Goldberg 1991, section 1.4)
    root = math.sqrt(max(start * start + 2 * slope * calls, 0.0))
    return round(2 * calls / (start + root) * SECOND_NS) if start + root > 0 else 0


def load_from_json(raw: Mapping[str, Any]) -> Load:
    """The inverse of `dataclasses.asdict(load)` after a trip through JSON."""
    stages = tuple(Stage(**stage) for stage in raw["stages"])
    return Load(**{**raw, "stages": stages, "users_are": tuple(raw.get("users_are", ()))})
