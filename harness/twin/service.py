"""Service times: how long a KATO worker is at work for a request, as measured on KATO 3.10.1.

Medians and sigmas are those of the measurement at concurrency 1, lognormal with sigma = ln(p95/p50)/1.645, and hold
the measuring client's own cost too. Between measured numbers of patterns the median is interpolated, beyond the
last it goes on with the last slope.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from harness.rng import Stream

KINDS = (
    "health",
    "open_session",
    "stm",
    "observe_first",
    "observe_unpredicted",
    "observe",
    "learn",
    "predict",
    "other",
)
"""What costs differently: `observe_first` is a node's first observe in a worker, `observe_unpredicted` one of a
session with process_predictions=false, `stm` any plain reading or writing of a session."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Median service time over the node's number of patterns: `points` of (patterns, seconds), ascending."""

    points: tuple[tuple[int, float], ...]
    sigma: float

    def median_s(self, patterns: int) -> float:
        """The median at so many patterns (s)."""
        if len(self.points) == 1 or patterns <= self.points[0][0]:
            return self.points[0][1]
        upper = next((at for at, (count, _) in enumerate(self.points) if patterns <= count), len(self.points) - 1)
        (low, low_s), (high, high_s) = self.points[upper - 1], self.points[upper]
        return low_s + (high_s - low_s) * (patterns - low) / (high - low)


def curve(sigma: float, *points: tuple[int, float]) -> Curve:
    """A curve of (patterns, milliseconds)."""
    return Curve(tuple((patterns, median_ms / 1000) for patterns, median_ms in points), sigma)


MEASURED: Mapping[str, Curve] = {
    "health": curve(0.31, (0, 2.7)),
    "open_session": curve(0.26, (0, 4.4)),
    "stm": curve(0.19, (0, 2.5)),
    "observe_first": curve(0.05, (0, 19.5)),
    "observe_unpredicted": curve(0.42, (0, 6.9)),
    "observe": curve(0.22, (0, 10.2), (20, 17.6)),
    "learn": curve(0.11, (0, 19.6)),
    "predict": curve(0.11, (0, 8.0), (20, 13.4), (100, 20.8)),
    "other": curve(0.19, (0, 2.5)),
}


@dataclass(frozen=True, slots=True)
class Cost:
    """What a request asks of a worker: its kind, the node's patterns, and how many such pieces of work it holds."""

    kind: str = "other"
    patterns: int = 0
    times: int = 1


@dataclass(frozen=True, slots=True)
class Service:
    """Curves by kind; `other` stands in for a kind without one. A curve with sigma 0 is a constant."""

    curves: Mapping[str, Curve]

    def draw_s(self, cost: Cost, draws: Stream, number: int) -> float:
        """The service time (s) of the `number`-th request: a function of seed, number and cost alone."""
        found = self.curves.get(cost.kind) or self.curves["other"]
        total = 0.0
        for piece in range(cost.times):
            normal = _normal(draws, 2 * (number + piece)) if found.sigma else 0.0
            total += found.median_s(cost.patterns) * math.exp(found.sigma * normal)
        return total


def constant(seconds: float) -> Service:
    """The same time for every request."""
    return Service({"other": Curve(((0, seconds),), 0.0)})


def _normal(draws: Stream, index: int) -> float:
    """A standard normal by Box and Muller (1958), from the uniforms at `index` and `index` + 1."""
    radius = math.sqrt(-2 * math.log(1 - draws.unit(index)))
    return radius * math.cos(2 * math.pi * draws.unit(index + 1))


@dataclass(frozen=True, slots=True)
class Stalls:
    """`count` stalls of `length_ns`, evenly spread over each `every_ns` (KATO's metrics collector blocks the loop)."""

    every_ns: int
    count: int
    length_ns: int

    def finish_ns(self, start_ns: int, work_ns: int) -> int:
        """When `work_ns` of work that could begin at `start_ns` is done; times count from the worker's start."""
        gap = self.every_ns // self.count
        into = start_ns % gap
        if into < self.length_ns:
            start_ns += self.length_ns - into
        end_ns = start_ns + work_ns
        next_stall = (start_ns // gap + 1) * gap
        while next_stall < end_ns:
            end_ns += self.length_ns
            next_stall += gap
        return end_ns
