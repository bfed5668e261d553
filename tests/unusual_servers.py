"""Servers that the capacity search was not made on: heavy tails, stalls, strong coherency, collapse, flat objectives.

Each comes with its knee from theory where there is a formula, else from one long run: never from a search.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from known_servers import knee_of, root_of

from harness.capacity.simulated import Contended, Floats, Locked, Objective, Queue, Server, fifo

LONG = 4_000_000
"""Calls of the long run at each rate that a knee without a formula is looked for at."""
LONG_LOOP = 1_000_000
"""The same for servers that are simulated call by call."""


class Work(Protocol):
    """Service times: their mean (s), draws of them, and E[exp(−s·X)]."""

    @property
    def mean_s(self) -> float: ...

    def draw(self, draws: np.random.Generator, size: int) -> Floats: ...

    def transform(self, at: np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True)
class Lognormal:
    """A median (s) and the deviation of its logarithm."""

    median_s: float
    sigma: float

    @property
    def mean_s(self) -> float:
        return self.median_s * math.exp(self.sigma**2 / 2)

    def draw(self, draws: np.random.Generator, size: int) -> Floats:
        return self.median_s * np.exp(self.sigma * draws.standard_normal(size))

    def transform(self, at: np.ndarray) -> np.ndarray:
        normal = np.linspace(-9, 9, 6001)
        weights = np.exp(-(normal**2) / 2)
        return np.exp(-np.outer(at, self.median_s * np.exp(self.sigma * normal))) @ (weights / weights.sum())


@dataclass(frozen=True)
class Mixed:
    """Exponential kinds: (share, mean s) of each."""

    kinds: tuple[tuple[float, float], ...]

    @property
    def mean_s(self) -> float:
        return sum(share * mean for share, mean in self.kinds)

    def draw(self, draws: np.random.Generator, size: int) -> Floats:
        shares, means = np.array(self.kinds).T
        return draws.standard_exponential(size) * means[draws.choice(len(means), size, p=shares)]

    def transform(self, at: np.ndarray) -> np.ndarray:
        return sum(share / (1 + at * mean) for share, mean in self.kinds)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Varied:
    """M/G/1: one server, first come, first served."""

    work: Work

    def ends(self, arrivals_s: Floats, draws: np.random.Generator) -> Floats:
        return fifo(arrivals_s, self.work.draw(draws, len(arrivals_s)), 1)


@dataclass(frozen=True)
class Stalling:
    """M/M/1 that stands still for `length_s` every `every_s`, from a phase that nobody chose."""

    service_s: float
    every_s: float
    length_s: float

    def ends(self, arrivals_s: Floats, draws: np.random.Generator) -> Floats:
        # on a clock that stops during stalls this is a plain queue
        phase = draws.uniform(0, self.every_s)
        turns, into = np.divmod(arrivals_s + phase, self.every_s)
        awake = self.every_s - self.length_s
        ends = fifo(turns * awake + np.minimum(into, awake), draws.exponential(self.service_s, len(into)), 1)
        turns, into = np.divmod(ends, awake)
        return turns * self.every_s + into - phase


@dataclass(frozen=True)
class Beside:
    """M/M/1, and a `share` of slow calls that take `slow_s` beside it."""

    service_s: float
    share: float
    slow_s: float

    def ends(self, arrivals_s: Floats, draws: np.random.Generator) -> Floats:
        slow = draws.random(len(arrivals_s)) < self.share
        ends = arrivals_s + self.slow_s
        ends[~slow] = fifo(arrivals_s[~slow], draws.exponential(self.service_s, int((~slow).sum())), 1)
        return ends


@dataclass(frozen=True)
class Pinned:
    """Workers of which each call gets one by chance, as connections that stay with theirs do."""

    workers: int
    service_s: float

    def ends(self, arrivals_s: Floats, draws: np.random.Generator) -> Floats:
        worker = draws.integers(self.workers, size=len(arrivals_s))
        ends = np.empty(len(arrivals_s))
        for each in range(self.workers):
            mine = worker == each
            ends[mine] = fifo(arrivals_s[mine], draws.exponential(self.service_s, int(mine.sum())), 1)
        return ends


@dataclass(frozen=True)
class Cold:
    """M/M/1 whose first `calls` take `slower` times as long."""

    service_s: float
    calls: int
    slower: float

    def ends(self, arrivals_s: Floats, draws: np.random.Generator) -> Floats:
        times = draws.exponential(self.service_s, len(arrivals_s))
        times[: self.calls] *= self.slower
        return fifo(arrivals_s, times, 1)


@dataclass(frozen=True)
class Unusual:
    """A server, what it is asked for, and how its knee (calls/s) is known."""

    server: Server
    objective: Objective
    knee: Callable[[Server, Objective], float]


def by_inversion(server: Server, objective: Objective) -> float:
    """M/G/1 by Pollaczek and Khinchine's transform of the response time."""
    assert isinstance(server, Varied)
    work, late = server.work, 1 - objective.quantile

    def excess(rate: float) -> float:
        return _tail(lambda at: _response(work, rate, at), objective.bound_s) - late

    return root_of(excess, 1e-4 / work.mean_s, (1 - 1e-6) / work.mean_s)


def _response(work: Work, rate: float, at: np.ndarray) -> np.ndarray:
    served = work.transform(at)
    return (1 - rate * work.mean_s) * at * served / (at - rate * (1 - served))


def _tail(transform: Callable[[np.ndarray], np.ndarray], time_s: float) -> float:
    """P(T > t) from E[exp(−sT)] (J. Abate and W. Whitt, ORSA Journal on Computing 7, 1995, algorithm Euler)."""
    terms, more, damping = 60, 12, 18.4
    at = (damping + 2j * np.pi * np.arange(terms + more + 1)) / (2 * time_s)
    values = np.real((1 - transform(at)) / at)
    values *= np.where(np.arange(len(at)) % 2, -1.0, 1.0) * math.exp(damping / 2) / time_s
    values[0] /= 2
    sums = np.cumsum(values)[terms:]
    return float(sum(math.comb(more, k) * sums[k] for k in range(more + 1)) / 2**more)


def by_long_run(server: Server, objective: Objective) -> float:
    """The root of one long run's excess, the same draws at every rate; call by call for a Contended server."""
    calls = LONG_LOOP if isinstance(server, Contended) else LONG

    def excess(rate: float) -> float:
        draws = np.random.default_rng(20261129)
        arrivals = np.cumsum(draws.standard_exponential(calls)) / rate
        response = (server.ends(arrivals, draws) - arrivals)[calls // 20 :]
        answered = response[~np.isnan(response)]
        refused = 1 - len(answered) / len(response)
        return max(objective.measure(answered) / objective.bound_s, refused / objective.error_rate) - 1

    return root_of(excess, 1.0, 4000.0, turns=22)


def beside(server: Server, objective: Objective) -> float:
    """The slow calls are late, so the others may be less often: share + (1 − share)·exp(−(µ − λ')t) = 1 − q."""
    assert isinstance(server, Beside)
    late = (1 - objective.quantile - server.share) / (1 - server.share)
    return (1 / server.service_s + math.log(late) / objective.bound_s) / (1 - server.share)


def pinned(server: Server, objective: Objective) -> float:
    """So many M/M/1 as there are workers."""
    assert isinstance(server, Pinned)
    return server.workers * knee_of(Queue(1, server.service_s), objective)


def warm(server: Server, objective: Objective) -> float:
    """M/M/1 when its start-up is over."""
    assert isinstance(server, Cold)
    return knee_of(Queue(1, server.service_s), objective)


def theory(server: Server, objective: Objective) -> float:
    """The formula of known_servers."""
    assert isinstance(server, Queue | Locked | Contended)
    return knee_of(server, objective)


REFUSING = Objective(60.0, quantile=0.0)
"""Nothing but the error rate decides."""
UNUSUAL = {
    "M/M/1 at p99.9": Unusual(Queue(1, 0.010), Objective(0.200, 0.999), theory),
    "M/M/1 at p99.9, far from full": Unusual(Queue(1, 0.010), Objective(0.100, 0.999), theory),
    "M/M/1 bound at 6 % load": Unusual(Queue(1, 0.010), Objective(0.032), theory),
    "M/M/1 bound at 15 % load": Unusual(Queue(1, 0.010), Objective(0.0353), theory),
    "M/D/1 at p99": Unusual(Queue(1, 0.010, constant=True), Objective(0.080, 0.99), theory),
    "M/M/32 at p95": Unusual(Queue(32, 0.010), Objective(0.040), theory),
    "M/M/32 at p99": Unusual(Queue(32, 0.010), Objective(0.060, 0.99), theory),
    "lognormal σ 1 at p95": Unusual(Varied(Lognormal(0.008, 1.0)), Objective(0.150), by_inversion),
    "lognormal σ 1 at p99": Unusual(Varied(Lognormal(0.008, 1.0)), Objective(0.200, 0.99), by_inversion),
    "lognormal σ 1.5 at p95": Unusual(Varied(Lognormal(0.004, 1.5)), Objective(0.200), by_inversion),
    "hyperexponential at p95": Unusual(Varied(Mixed(((0.9, 0.002), (0.1, 0.040)))), Objective(0.200), by_inversion),
    "hyperexponential at p99": Unusual(
        Varied(Mixed(((0.95, 0.004), (0.05, 0.060)))), Objective(0.400, 0.99), by_inversion
    ),
    "small lock": Unusual(Locked(0.080, 0.0005), Objective(0.085), theory),
    "large lock at p99": Unusual(Locked(0.002, 0.010), Objective(0.150, 0.99), theory),
    "USL, strong coherency": Unusual(Contended(100.0, 0.05, 0.004, 60), Objective(0.020, 0.0), theory),
    "USL, weak coherency at p95": Unusual(Contended(100.0, 0.03, 0.0003, 200), Objective(0.060), by_long_run),
    "USL, strong contention": Unusual(Contended(200.0, 0.30, 0.0, 400), Objective(0.040, 0.0), theory),
    "USL, strong coherency at p99": Unusual(Contended(100.0, 0.02, 0.002, 30), Objective(0.040, 0.99), by_long_run),
    "collapse, by refusals": Unusual(Contended(50.0, 0.05, 0.02, 14), REFUSING, theory),
    "ten places, by refusals": Unusual(Contended(100.0, 1.0, 0.0, 10), REFUSING, theory),
    "stalls at p95": Unusual(Stalling(0.005, 2.0, 0.050), Objective(0.060), by_long_run),
    "stalls at p99": Unusual(Stalling(0.005, 5.0, 0.100), Objective(0.110, 0.99), by_long_run),
    "slow kind beside at p95": Unusual(Beside(0.005, 0.040, 0.300), Objective(0.060), beside),
    "workers by chance at p95": Unusual(Pinned(4, 0.010), Objective(0.070), pinned),
    "cold start": Unusual(Cold(0.010, 400, 3.0), Objective(0.080), warm),
}
TWO_STATES = {
    "USL, 80 places, at p99": Unusual(Contended(100.0, 0.02, 0.002, 80), Objective(0.040, 0.99), by_long_run),
    "collapse of 40 places, by refusals": Unusual(Contended(50.0, 0.05, 0.02, 40), REFUSING, theory),
}
"""Servers that are quick or congested for longer than a probe lasts: theory speaks of both states, a probe sees one."""
