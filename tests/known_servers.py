"""Servers whose capacity is known by theory: the rate at which an objective stops to hold, without a simulation."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from harness.capacity import search
from harness.capacity.simulated import Contended, Locked, Objective, Queue, Server, SimulatedProbe

FAST = {
    "M/M/1": (Queue(1, 0.010), Objective(0.080)),
    "M/D/1": (Queue(1, 0.010, constant=True), Objective(0.060)),
    "lock": (Locked(0.020, 0.005), Objective(0.060)),
}
"""One queue each: simulated by numpy alone, so that all 200 seeds take seconds."""
SLOW = {
    "M/M/4": (Queue(4, 0.010), Objective(0.060)),
    "M/M/16": (Queue(16, 0.010), Objective(0.050)),
    "M/D/4": (Queue(4, 0.010, constant=True), Objective(0.040)),
    "USL": (Contended(100.0, 0.02, 0.0005, 100), Objective(0.016, quantile=0.0)),
    "USL near its peak": (Contended(100.0, 0.05, 0.0002, 200), Objective(0.030, quantile=0.0)),
}
OTHER = {
    "M/M/1 at p99": (Queue(1, 0.002), Objective(0.100, quantile=0.99)),
    "M/D/1 at its median": (Queue(1, 0.020, constant=True), Objective(0.025, quantile=0.5)),
    "short lock": (Locked(0.080, 0.002), Objective(0.095)),
    "lock at p99": (Locked(0.020, 0.010), Objective(0.100, quantile=0.99)),
}
"""Other shares, quantiles and distances from saturation than those above."""
Tail = Callable[[float], float]


def errors_of(server: Server, objective: Objective, truth: float, seeds: range) -> tuple[np.ndarray, int, float]:
    """The relative error of each seed's search, begun anywhere from 1/30 to 4 times the truth; the most probes; how
    many usual probes a search lasts on average."""
    errors, most, longer = [], 0, 0.0
    for seed in seeds:
        start = truth * math.exp(np.random.default_rng([seed, 7]).uniform(math.log(1 / 30), math.log(4)))
        found = search(SimulatedProbe(server, objective, seed), start)
        errors.append(found.rate / truth - 1)
        most = max(most, len(found.probes))
        longer += sum(probe.longer for probe in found.probes) / len(seeds)
    return np.array(errors), most, longer


def knee_of(server: Queue | Locked | Contended, objective: Objective) -> float:
    """The highest rate (calls/s) at which `objective` holds on `server`, by theory."""
    if isinstance(server, Locked):
        return 1 / server.lock_s + math.log(1 - objective.quantile) / (objective.bound_s - server.parallel_s)
    if isinstance(server, Contended):
        return root_of(lambda rate: _contended(server, objective, rate), 1e-3, max_throughput(server))
    tail = _md_tail if server.constant else _mm_tail
    full = server.servers / server.service_s
    late = 1 - objective.quantile
    return root_of(lambda rate: tail(server, rate, objective.bound_s) - late, 1e-6 * full, full * (1 - 1e-6))


def max_throughput(server: Contended) -> float:
    """The peak of X(N) (calls/s)."""
    return max(server.throughput(inside) for inside in range(1, server.limit + 1))


def root_of(excess: Callable[[float], float], low: float, high: float, turns: int = 60) -> float:
    """Where a rising function crosses 0, by so many halvings of the range."""
    for _ in range(turns):
        middle = (low + high) / 2
        low, high = (low, middle) if excess(middle) > 0 else (middle, high)
    return low


def _mm_tail(server: Queue, rate: float, bound_s: float) -> float:
    """P(response > bound) of M/M/c (Erlang C; L. Kleinrock, Queueing Systems 1, 1975, chapter 3)."""
    servers, mu = server.servers, 1 / server.service_s
    load = rate / mu
    last = load**servers / math.factorial(servers) / (1 - load / servers)
    waits = last / (sum(load**k / math.factorial(k) for k in range(servers)) + last)
    drain = servers * mu - rate
    alone = math.exp(-mu * bound_s)
    if abs(drain - mu) < 1e-9 * mu:
        return (1 - waits) * alone + waits * (1 + mu * bound_s) * alone
    late = (drain * alone - mu * math.exp(-drain * bound_s)) / (drain - mu)
    return (1 - waits) * alone + waits * late


def _md_tail(server: Queue, rate: float, bound_s: float) -> float:
    """P(response > bound) of M/D/c: the number in system one service time later (Crommelin 1932), and from it the
    wait (G. J. Franx, Operations Research Letters 29, 2001)."""
    servers, each = server.servers, server.service_s
    wait = bound_s - each
    if wait < 0:
        return 1.0
    inside = _md_states(rate * each, servers)
    queued = np.append(np.cumsum(inside)[servers:], 1.0)
    turns = int(wait // each) + 1
    left = rate * (turns * each - wait)
    sizes = np.minimum(turns * servers - 1 - np.arange(turns * servers), len(queued) - 1)
    return float(1 - queued[sizes] @ _poisson(left, turns * servers))


def _md_states(load: float, servers: int) -> np.ndarray:
    """The stationary numbers in system of M/D/c: n becomes max(n − c, 0) plus a Poisson number."""
    size = int(servers + 30 / (1 - load / servers) + 10 * math.sqrt(load))
    size = min(size, 1500)
    steps = np.zeros((size, size))
    arrivals = _poisson(load, size)
    for inside in range(size):
        steps[max(inside - servers, 0) :, inside] = arrivals[: size - max(inside - servers, 0)]
    equations = steps - np.eye(size)
    equations[-1] = 1.0
    return np.linalg.solve(equations, np.eye(size)[-1])


def _poisson(mean: float, size: int) -> np.ndarray:
    logs = np.arange(size) * math.log(max(mean, 1e-300)) - mean - np.array([math.lgamma(k + 1) for k in range(size)])
    return np.exp(logs)


def _contended(server: Contended, objective: Objective, rate: float) -> float:
    """Above 0 when the mean response time (birth-death process) or the share of refusals is too much."""
    steps = [0.0, *(math.log(rate / server.throughput(inside)) for inside in range(1, server.limit + 1))]
    shares = np.exp(np.cumsum(steps) - max(np.cumsum(steps)))
    shares /= shares.sum()
    mean_s = float(shares @ np.arange(server.limit + 1)) / (rate * (1 - shares[-1]))
    return max(mean_s / objective.bound_s, float(shares[-1]) / objective.error_rate) - 1
