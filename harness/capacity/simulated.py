"""Servers whose knee is known, as fast event-driven simulations: what a capacity search is held to.

Each gives the moments at which calls arrive and end (s) for Poisson arrivals at a rate, seeded.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from harness.capacity.noise import mean_error, quantile_error, share_error
from harness.capacity.probe import ProbeResult
from harness.capacity.settle import settling
from harness.stats import quantile

Floats = NDArray[np.float64]


class Server(Protocol):
    """A server under Poisson arrivals."""

    def ends(self, arrivals_s: Floats, draws: Generator) -> Floats:
        """When each call ends (s), nan for one that is refused."""
        ...


@dataclass(frozen=True, slots=True)
class Queue:
    """M/M/c (exponential service times) or M/D/c (constant ones), first come, first served."""

    servers: int
    service_s: float
    constant: bool = False

    def ends(self, arrivals_s: Floats, draws: Generator) -> Floats:
        size = len(arrivals_s)
        times = np.full(size, self.service_s) if self.constant else draws.exponential(self.service_s, size)
        return fifo(arrivals_s, times, self.servers)


@dataclass(frozen=True, slots=True)
class Locked:
    """Each call works `parallel_s` beside all others, then holds the one lock for an exponential time."""

    parallel_s: float
    lock_s: float

    def ends(self, arrivals_s: Floats, draws: Generator) -> Floats:
        return fifo(arrivals_s + self.parallel_s, draws.exponential(self.lock_s, len(arrivals_s)), 1)


@dataclass(frozen=True, slots=True)
class Contended:
    """With n calls inside they leave at γn/(1+α(n−1)+βn(n−1)) per second (Universal Scalability Law); at most
    `limit` are let in."""

    gamma: float
    alpha: float
    beta: float
    limit: int

    def throughput(self, inside: int) -> float:
        """Calls/s with so many inside."""
        return self.gamma * inside / (1 + self.alpha * (inside - 1) + self.beta * inside * (inside - 1))

    def ends(self, arrivals_s: Floats, draws: Generator) -> Floats:
        pace = [0.0, *(self.throughput(inside) for inside in range(1, self.limit + 1))]
        work = draws.standard_exponential(len(arrivals_s)).tolist()
        found = [math.nan] * len(arrivals_s)
        inside: list[int] = []
        head, now, left = 0, 0.0, 0.0
        for number, arrival in enumerate([*arrivals_s.tolist(), math.inf]):
            while head < len(inside):
                speed = pace[len(inside) - head]
                done = now + left / speed
                if done > arrival:
                    left -= (arrival - now) * speed
                    break
                found[inside[head]] = now = done
                head += 1
                left = work[inside[head]] if head < len(inside) else 0.0
            now = arrival
            if number < len(found) and len(inside) - head < self.limit:
                if head == len(inside):
                    left = work[number]
                inside.append(number)
        return np.array(found)


def fifo(ready_s: Floats, times_s: Floats, servers: int) -> Floats:
    """When each of the calls ends that become ready in this order (Kiefer and Wolfowitz, 1955)."""
    if servers == 1:
        done = np.cumsum(times_s)
        return done + np.maximum.accumulate(ready_s - (done - times_s))
    free = [0.0] * servers
    ends = []
    for ready, time in zip(ready_s.tolist(), times_s.tolist(), strict=True):
        end = max(ready, free[0]) + time
        heapq.heapreplace(free, end)
        ends.append(end)
    return np.array(ends)


@dataclass(frozen=True, slots=True)
class Objective:
    """Response times of `quantile` (0: of the mean) within `bound_s`, and refusals within `error_rate`."""

    bound_s: float
    quantile: float = 0.95
    error_rate: float = 0.001

    def measure(self, response_s: Floats) -> float:
        """The quantile or mean of those response times (s)."""
        return quantile(response_s, self.quantile) if self.quantile else float(np.mean(response_s))

    def noise(self, response_s: Floats) -> float:
        """The standard error of the measure's logarithm."""
        return quantile_error(response_s, self.quantile) if self.quantile else mean_error(response_s)


class SimulatedProbe:
    """A probe of `calls` calls on a server; each probe starts with an empty server and draws of its own."""

    def __init__(self, server: Server, objective: Objective, seed: int, calls: int = 20_000) -> None:
        self._server = server
        self._objective = objective
        self._seed = seed
        self._calls = calls
        self._probes = 0

    def __call__(self, rate: float, longer: float) -> ProbeResult:
        self._probes += 1
        draws = np.random.default_rng([self._seed, self._probes])
        arrivals = np.cumsum(draws.exponential(1 / rate, round(self._calls * longer)))
        ends = self._server.ends(arrivals, draws)
        return replace(self._assess(rate, arrivals, ends), longer=longer)

    def _assess(self, rate: float, arrivals: Floats, ends: Floats) -> ProbeResult:
        until = float(arrivals[-1])
        found = settling(arrivals, np.where(np.isnan(ends), arrivals, ends), until)
        kept = arrivals >= found.from_s
        response = (ends - arrivals)[kept]
        answered = response[~np.isnan(response)]
        errors = 1 - len(answered) / len(response)
        excess = math.log(self._objective.measure(answered) / self._objective.bound_s)
        if errors > 0 and math.log(errors / self._objective.error_rate) > excess:
            excess, noise = math.log(errors / self._objective.error_rate), share_error(np.isnan(response))
        else:
            noise = self._objective.noise(answered)
        inside = ~np.isnan(ends) & (ends >= found.from_s) & (ends <= until)
        return ProbeResult(
            rate=rate,
            held=excess <= 0 and found.settled,
            carried=float(inside.sum()) / (until - found.from_s),
            excess=excess,
            p50_s=quantile(answered, 0.5),
            p95_s=quantile(answered, 0.95),
            p99_s=quantile(answered, 0.99),
            mean_s=float(np.mean(answered)),
            error_rate=errors,
            settled=found.settled,
            noise=noise,
            words=found.words,
        )
