"""A fleet of KATO workers as an event-driven simulation, for what can't be run: replicas × workers × balancing.

Calls arrive at random, are led to a replica, take one of its pooled connections (the one used last first) or open a
new one, and queue at the worker that holds it; a worker does one call after another. As measured on KATO: the kernel
gives a connection to a worker at random and for good, a worker admits so many connections (idle ones count), a node's
first observe in a worker costs more and a worker remembers 100 nodes, and two observes of one session at once on two
workers read the same state, so that the one that ends last wins (law D5).
"""

from __future__ import annotations

import heapq
import math
from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Balance = Literal["round_robin", "session_hash", "least_pending", "first"]

WARM_UP = 0.2
"""Share of the calls that fills the queues and is not counted."""
WRITES = ("observe", "learn")


@dataclass(frozen=True, slots=True)
class Times:
    """What a worker is measured to do: (median s, sigma) of a lognormal by kind of call, and its habits.

    `first`: the same for a node's first observe in a worker, which remembers `nodes` of them. Every `stall_every_s` it
    stands still for `stall_s`. It admits `connections` (0: any number) and closes those idle for `keep_alive_s` (0:
    never).
    """

    kinds: Mapping[str, tuple[float, float]]
    first: tuple[float, float] | None = None
    nodes: int = 100
    stall_every_s: float = 0.0
    stall_s: float = 0.0
    connections: int = 0
    keep_alive_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Demand:
    """What is offered: calls/s, on how many sessions (one node each), by how many client processes, in which mix.

    `poisson`: calls come at random, on sessions at random; else evenly, on one session after the other. `in_turn`: as a
    load of the harness's own: one session after the other, and a call waits until the one before it in its session has
    ended. Calls that take longer than `timeout_s` are no goodput.
    """

    rate: float
    sessions: int
    mix: Mapping[str, float] = field(default_factory=lambda: {"observe": 2.0, "predict": 1.0})
    clients: int = 1
    poisson: bool = True
    in_turn: bool = False
    timeout_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Fleet:
    """Replicas with so many workers each, and who gets a call."""

    replicas: int
    workers: int
    balance: Balance = "round_robin"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One simulated stretch. `response_s` are the answered calls'; `refused` a share; `lost` updates per 1,000 writes;
    `connections` of the fullest worker at its fullest moment; `busy` the share of time that workers worked."""

    response_s: Floats
    goodput: float
    refused: float
    lost: float
    connections: int
    busy: float


class _Worker:
    __slots__ = ("busy_s", "connections", "free_s", "known", "most", "phase_s")

    def __init__(self, phase_s: float) -> None:
        self.free_s = 0.0
        self.busy_s = 0.0
        self.connections = 0
        self.most = 0
        self.phase_s = phase_s
        self.known: OrderedDict[int, None] = OrderedDict()


class _Simulation:
    """The state of one stretch; calls are added in order of time."""

    def __init__(self, fleet: Fleet, times: Times, draws: Generator) -> None:
        self._times = times
        self._draws = draws
        self._fleet = fleet
        self._workers = []
        for _ in range(fleet.replicas):
            phase = float(draws.uniform(0, times.stall_every_s or 1.0))
            self._workers.append([_Worker(phase) for _ in range(fleet.workers)])
        self._idle: dict[tuple[int, int], deque[tuple[float, _Worker]]] = {}
        self._pending = [0] * fleet.replicas
        self._ends: list[tuple[float, int, int, int, _Worker]] = []
        self._calls = 0

    def replica(self, session: int) -> int:
        """Who gets the next call."""
        balance, replicas = self._fleet.balance, self._fleet.replicas
        if balance == "round_robin":
            return self._calls % replicas
        if balance == "session_hash":
            return session * 2654435761 % 4294967296 * replicas >> 32
        if balance == "first":
            return 0
        return self._pending.index(min(self._pending))

    def call(self, now: float, session: int, client: int, kind: tuple[float, float], normal: float, observes: bool
             ) -> tuple[float, float, int] | None:  # fmt: skip
        """When the call begins and ends and on which worker (its identity); None when it is refused."""
        self._settle(now)
        replica = self.replica(session)
        self._calls += 1
        pool = self._idle.setdefault((client, replica), deque())
        worker = self._connect(now, pool, replica)
        if self._times.connections and worker.connections > self._times.connections:
            worker.connections -= 1
            return None
        begin = max(now, worker.free_s)
        begin, end = self._finish(worker, begin, self._service(worker, session, kind, normal, observes))
        worker.free_s = end
        self._pending[replica] += 1
        heapq.heappush(self._ends, (end, self._calls, client, replica, worker))
        return begin, end, id(worker)

    def fullest(self) -> int:
        """The most connections that one worker ever had."""
        return max(worker.most for replica in self._workers for worker in replica)

    def busy_s(self) -> float:
        """Seconds that all workers worked together."""
        return sum(worker.busy_s for replica in self._workers for worker in replica)

    def workers(self) -> int:
        """How many there are."""
        return self._fleet.replicas * self._fleet.workers

    def _settle(self, now: float) -> None:
        """Calls that ended give their connections back."""
        while self._ends and self._ends[0][0] <= now:
            end, _, client, replica, worker = heapq.heappop(self._ends)
            self._pending[replica] -= 1
            self._idle[client, replica].append((end, worker))

    def _connect(self, now: float, pool: deque[tuple[float, _Worker]], replica: int) -> _Worker:
        keep = self._times.keep_alive_s
        while keep and pool and pool[0][0] < now - keep:
            pool.popleft()[1].connections -= 1
        if pool:
            return pool.pop()[1]
        worker = self._workers[replica][int(self._draws.integers(self._fleet.workers))]
        worker.connections += 1
        worker.most = max(worker.most, worker.connections)
        return worker

    def _service(
        self, worker: _Worker, session: int, kind: tuple[float, float], normal: float, observes: bool
    ) -> float:
        if observes and self._times.first is not None:
            if session not in worker.known:
                kind = self._times.first
            worker.known[session] = None
            worker.known.move_to_end(session)
            if len(worker.known) > self._times.nodes:
                worker.known.popitem(last=False)
        median, sigma = kind
        return median * math.exp(sigma * normal)

    def _finish(self, worker: _Worker, begin: float, work: float) -> tuple[float, float]:
        """Begin and end of the work, put off by the stalls of the worker."""
        worker.busy_s += work
        every, length = self._times.stall_every_s, self._times.stall_s
        if not every:
            return begin, begin + work
        into = (begin + worker.phase_s) % every
        if into < length:
            begin += length - into
            into = length
        end = begin + work
        next_stall = begin + every - into
        while next_stall < end:
            end += length
            next_stall += every
        return begin, end


class _Turns:
    """The calls (number, moment) in the order in which they start: as they come, or as the one before them in their
    session ends, which whoever walks through them tells."""

    def __init__(self, arrivals: Sequence[float], sessions: Sequence[int]) -> None:
        self._arrivals = arrivals
        self._sessions = sessions
        self._free_s: dict[int, float] = {}
        self._waiting: dict[int, deque[int]] = {}
        self._due: list[tuple[float, int]] = []

    def __iter__(self) -> Iterator[tuple[int, float]]:
        for number, now in enumerate(self._arrivals):
            yield from self._until(now)
            session = self._sessions[number]
            free = self._free_s.get(session, 0.0)
            if free <= now:
                yield self._started(number, now)
            elif free < math.inf:
                self._put_off(number, free)
            else:
                self._waiting.setdefault(session, deque()).append(number)
        yield from self._until(math.inf)

    def ended(self, number: int, end: float) -> None:
        """A call that started ends then."""
        session = self._sessions[number]
        self._free_s[session] = end
        if waiting := self._waiting.get(session):
            self._put_off(waiting.popleft(), end)

    def _until(self, now: float) -> Iterator[tuple[int, float]]:
        while self._due and self._due[0][0] <= now:
            start, number = heapq.heappop(self._due)
            yield self._started(number, start)

    def _started(self, number: int, now: float) -> tuple[int, float]:
        self._free_s[self._sessions[number]] = math.inf
        return number, now

    def _put_off(self, number: int, until: float) -> None:
        self._free_s[self._sessions[number]] = math.inf
        heapq.heappush(self._due, (until, number))


def simulate(fleet: Fleet, demand: Demand, times: Times, calls: int, seed: int) -> Outcome:
    """Simulate so many calls, of which the first fifth is not counted."""
    draws = np.random.default_rng(seed)
    simulation = _Simulation(fleet, times, draws)
    names = list(demand.mix)
    weights = np.array([demand.mix[name] for name in names])
    chosen = draws.choice(len(names), calls, p=weights / weights.sum())
    arrivals, sessions = _arrivals(demand, calls, draws)
    clients = draws.integers(demand.clients, size=calls)
    normals = draws.standard_normal(calls)
    kinds, observes = [times.kinds[name] for name in names], [name == "observe" for name in names]
    columns = [column.tolist() for column in (sessions, clients, chosen, normals)]
    table = np.full((calls, 3), (math.nan, math.nan, 0.0))
    turns = _Turns(arrivals.tolist(), columns[0] if demand.in_turn else range(calls))
    for number, now in turns:
        session, client, kind, normal = (column[number] for column in columns)
        span = simulation.call(now, session, client, kinds[kind], normal, observes[kind])
        if span is not None:
            table[number] = span
        turns.ended(number, now if span is None else span[1])
    counted = np.arange(calls) >= WARM_UP * calls
    writes = np.isin(chosen, [at for at, name in enumerate(names) if name in WRITES]) & counted
    return _outcome(demand, simulation, arrivals, table, counted, lost_updates(sessions[writes], table[writes]))


def _arrivals(demand: Demand, calls: int, draws: Generator) -> tuple[Floats, NDArray[np.int64]]:
    """When each call comes, ascending (s), and on which session."""
    order = np.arange(calls)
    at = np.cumsum(draws.exponential(1 / demand.rate, calls)) if demand.poisson else order / demand.rate
    alone = demand.poisson and not demand.in_turn
    return at, draws.integers(demand.sessions, size=calls) if alone else order % demand.sessions


def _outcome(
    demand: Demand, simulation: _Simulation, arrivals: Floats, spans: Floats, counted: NDArray[np.bool_], lost: float
) -> Outcome:
    response = (spans[:, 1] - arrivals)[counted]
    answered = response[~np.isnan(response)]
    length_s = float(arrivals[-1] - arrivals[counted][0])
    in_time = counted & (spans[:, 1] <= arrivals[-1]) & (spans[:, 1] - arrivals <= demand.timeout_s)
    return Outcome(
        response_s=answered,
        goodput=float(in_time.sum()) / length_s,
        refused=1 - len(answered) / len(response),
        lost=lost,
        connections=simulation.fullest(),
        busy=simulation.busy_s() / (simulation.workers() * float(np.nanmax(spans[:, 1]))),
    )


def lost_updates(sessions: NDArray[np.int64], spans: Floats) -> float:
    """Lost per 1,000 writes. A write reads its session when it begins and overwrites it when it ends, so what another
    worker wrote in between is lost. `spans` has begin, end and worker of each write (nan: refused)."""
    order = np.lexsort([spans[:, 0], sessions])
    order = order[~np.isnan(spans[order, 0])]
    mine, begin, end = sessions[order], spans[order, 0], spans[order, 1]
    meets = np.zeros(len(order), bool)
    meets[1:] = (mine[1:] == mine[:-1]) & (begin[1:] < end[:-1])
    lost = 0
    for session in np.unique(mine[meets]):
        rows = slice(*np.searchsorted(mine, [session, session + 1]))
        lost += _overwritten(begin[rows], end[rows])
    return 1000 * lost / max(len(order), 1)


def _overwritten(begin: Floats, end: Floats) -> int:
    """How many of one session's writes are missing from its state in the end."""
    events = sorted([(at, 1, n) for n, at in enumerate(begin)] + [(at, 0, n) for n, at in enumerate(end)])
    state, seen = 0, {}
    for _, starts, number in events:
        if starts:
            seen[number] = state
        else:
            state = seen[number] + 1
    return len(begin) - state
