"""How many workers a load needs, from measured service times: the fleet that can't be run is simulated. Pure.

Each fleet is simulated from several seeds; a quantile comes with its 95 % interval over them. A fleet serves when that
whole interval is within the bound and no call was refused, with all replicas and with those left that are not lost.
Calls of one session are independent of each other there; how much longer they take in turn is said beside it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np

from harness.capacity.queueing import Balance, Demand, Fleet, Outcome, Times, simulate
from harness.stats import Interval, quantile

SEEDS = 5
CALLS = 12_000
"""Calls of one simulated stretch: at p95 six hundred beyond it, in each of five."""
MOST_REPLICAS = 4096
ROOM = 1.15
"""No fleet is tried that would be busier than this allows: queues grow without end from 1 on."""
ADMITTED = 99
"""Connections that a KATO worker admits (contract, section 5); idle ones count."""


@dataclass(frozen=True, slots=True)
class Aim:
    """`q` of the response times within `bound_s`, also with `lose` replicas lost."""

    q: float
    bound_s: float
    lose: int = 0


@dataclass(frozen=True, slots=True)
class State:
    """A fleet under the load: the quantile (s) and goodput (calls/s) with their intervals, shares and counts."""

    quantile_s: float
    interval: Interval
    goodput: float
    goodput_interval: Interval
    refused: float
    lost: float
    connections: int
    busy: float

    def serves(self, aim: Aim) -> bool:
        """Whether the aim is met beyond doubt."""
        return self.interval.high <= aim.bound_s and not self.refused


@dataclass(frozen=True, slots=True)
class Answer:
    """For one way of balancing the least fleet that serves (None: none up to the most), whole and reduced; and whole
    when each session's calls wait for one another."""

    balance: Balance
    fleet: Fleet | None
    whole: State | None = None
    reduced: State | None = None
    in_turn: State | None = None


def plan_for(demand: Demand, times: Times, aim: Aim, workers: int, most: int = MOST_REPLICAS, calls: int = CALLS
             ) -> tuple[Answer, ...]:  # fmt: skip
    """The least fleet of replicas with `workers` each that meets the aim, for each way of balancing."""
    ways = [balance for balance in get_args(Balance) if balance != "first"]
    return tuple(_least(Fleet(1, workers, balance), demand, times, aim, most, calls) for balance in ways)


def _least(one: Fleet, demand: Demand, times: Times, aim: Aim, most: int, calls: int) -> Answer:
    """Doubling, then halving the bracket: more replicas never serve worse."""
    floor = math.ceil(demand.rate * mean_s(demand, times) / one.workers) + aim.lose
    low, high, found = max(floor, 1 + aim.lose) - 1, 0, None
    size = max(low + 1, math.ceil((low + 1) * ROOM))
    while found is None:
        if size > most:
            return Answer(one.balance, None)
        found, high = _tried(one, demand, times, aim, size, calls), size
        if found is None:
            low, size = size, math.ceil(size * 1.5)
    while high - low > max(1, low // 50):
        middle = (low + high) // 2
        answer = _tried(one, demand, times, aim, middle, calls)
        low, high, found = (low, middle, answer) if answer is not None else (middle, high, found)
    assert found.fleet is not None
    return replace(found, in_turn=state(found.fleet, replace(demand, in_turn=True), times, aim.q, calls))


def _tried(one: Fleet, demand: Demand, times: Times, aim: Aim, replicas: int, calls: int) -> Answer | None:
    """The answer with so many replicas, None where they don't serve."""
    if replicas <= aim.lose:
        return None
    fleet = replace(one, replicas=replicas)
    reduced = state(replace(fleet, replicas=replicas - aim.lose), demand, times, aim.q, calls)
    if not reduced.serves(aim):
        return None
    whole = state(fleet, demand, times, aim.q, calls) if aim.lose else reduced
    return Answer(one.balance, fleet, whole, reduced) if whole.serves(aim) else None


def state(fleet: Fleet, demand: Demand, times: Times, q: float, calls: int = CALLS, seeds: int = SEEDS) -> State:
    """The fleet under the load, over so many simulated stretches."""
    outcomes = [simulate(fleet, demand, times, calls, seed) for seed in range(1, seeds + 1)]
    middle, interval = ratios_over_seeds([quantile(each.response_s, q) for each in outcomes])
    goodput, goodputs = over_seeds([each.goodput for each in outcomes])
    return State(
        quantile_s=middle,
        interval=interval,
        goodput=goodput,
        goodput_interval=goodputs,
        refused=_mean(outcomes, "refused"),
        lost=_mean(outcomes, "lost"),
        connections=max(each.connections for each in outcomes),
        busy=_mean(outcomes, "busy"),
    )


def _mean(outcomes: Sequence[Outcome], name: str) -> float:
    return float(np.mean([getattr(each, name) for each in outcomes]))


def over_seeds(values: Sequence[float]) -> tuple[float, Interval]:
    """Mean and Student's 95 % interval of it."""
    from scipy.special import stdtrit

    middle = float(np.mean(values))
    half = float(stdtrit(len(values) - 1, 0.975) * np.std(values, ddof=1) / math.sqrt(len(values)))
    return middle, Interval(middle - half, middle + half)


def ratios_over_seeds(values: Sequence[float]) -> tuple[float, Interval]:
    """The same of positive values that differ by factors: the geometric mean, and an interval that stays positive."""
    middle, interval = over_seeds([math.log(value) for value in values])
    return math.exp(middle), Interval(math.exp(interval.low), math.exp(interval.high))


def mean_s(demand: Demand, times: Times) -> float:
    """The mean work of a call (s), stalls included: a lognormal's mean is median · exp(σ²/2)."""
    total = sum(demand.mix.values())
    work = sum(
        share / total * times.kinds[kind][0] * math.exp(times.kinds[kind][1] ** 2 / 2)
        for kind, share in demand.mix.items()
    )
    standing = times.stall_s / times.stall_every_s if times.stall_every_s else 0.0
    return work / (1 - standing)
