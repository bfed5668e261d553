"""The highest rate within the objectives: exponential search, then narrowing, then the boundary again from above.

Pure over `probe(rate, longer) -> ProbeResult`. A probe is noisy, so the answer is not the last one that held but the
root of a line through the measures of all probes, over the logarithm of the rate; and where the objective hardly
changes with the rate, or rests on few calls, the probes at the boundary last as much longer as that takes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.capacity.boundary import Boundary, boundary
from harness.capacity.collapse import BLUR, NARROW, collapses, tipping
from harness.capacity.probe import MOST_EXCESS, Probe, ProbeResult
from harness.stats import Interval

MOST_PROBES = 12
RETESTS = 3
"""Probes that are kept for the boundary, downwards from above it."""
STEPS = (0.04, 0.12)
"""The re-tests are at least and at most this far apart (share of the rate)."""
AIM = 0.0125
"""The standard error (share of the rate) that the re-tests are made long enough for."""
LONGEST = 20.0
"""A probe lasts at most so many times the usual."""
TRUSTED = 0.05
"""A re-test is made long enough for this standard error (logarithmic) of what it measures: at twice of it a quantile of
calls that are late in crowds comes out up to 0.2 too low, and its error seems half as large as it is."""
SURE_ENOUGH = 0.02
"""Half of the interval, as a share of the rate, with which the search ends before its probes are used up."""
LASTING = 0.10
"""A rate that fails though one higher by this share held before: the server had not recovered from overload."""

EMPTY = 3
"""So many probes in a row that carried nothing end a search."""

Ending = Literal["found", "above", "below", "limited"]


@dataclass(frozen=True, slots=True)
class Capacity:
    """`rate` (calls/s) is where the objectives stop to hold, within `interval` at 95 %; all probes in their order.

    `ending`: found; above: everything held up to the ceiling or the last probe (`rate` is a lower bound); below:
    nothing held; limited: something else than the server was the limit (`words` say what; a lower bound too).
    """

    rate: float
    interval: Interval
    probes: tuple[ProbeResult, ...]
    ending: Ending
    words: str = ""


def search(
    probe: Probe, start: float, *, ceiling: float = math.inf, most: int = MOST_PROBES, longest: float = LONGEST
) -> Capacity:
    """Search from `start` (calls/s) and never offer more than `ceiling`; `most` probes (at least 5) at most, of which
    those at the boundary last up to `longest` times the usual."""
    seeker = _Seeker(probe, max(most, RETESTS + 2), ceiling, longest)
    seeker.climb(start)
    if not (seeker.low and seeker.high):
        best = seeker.low.rate if seeker.low else 0.0
        ending: Ending = "limited" if seeker.limit else "above" if seeker.low else "below"
        upper = math.inf if seeker.high is None else seeker.high.rate
        return Capacity(best, Interval(best, upper), tuple(seeker.probes), ending, seeker.limit)
    seeker.narrow()
    before = seeker.low
    again = seeker.retest()
    at = seeker.place()
    return Capacity(at.rate, at.interval, tuple(seeker.probes), "found", _lasting(before, again))


def _lasting(before: ProbeResult, again: Sequence[ProbeResult]) -> str:
    """Words when overload outlasted the probe that caused it: a rate well below one that had held fails now, by more
    than both probes' noise."""
    failed = [
        probe.rate
        for probe in again
        if not probe.held
        and probe.rate < before.rate * (1 - LASTING)
        and not probe.signed - before.signed < 3 * math.hypot(probe.noise, before.noise)
    ]
    if not failed:
        return ""
    lowest = f"{min(failed):.4g}/s"
    return f"{before.rate:.4g}/s held before overload, {lowest} did not after it: recovery takes more than a probe"


class _Seeker:
    """The probes so far and the bracket that they leave: `low` held, `high` did not."""

    def __init__(self, probe: Probe, most: int, ceiling: float, longest: float) -> None:
        self._probe = probe
        self._most = most
        self._ceiling = ceiling
        self._longest = longest
        self.probes: list[ProbeResult] = []
        self.low: ProbeResult | None = None
        self.high: ProbeResult | None = None
        self.limit = ""
        self._tips = False

    def at(self, rate: float, longer: float = 1.0) -> ProbeResult:
        """Probe there and move the bracket; a probe that something else limited says nothing of the server."""
        result = self._probe(min(rate, self._ceiling), longer)
        if result.limit:
            self.limit = result.limit
            return result
        self.probes.append(result)
        if result.held and (self.low is None or result.rate > self.low.rate):
            self.low = result
        if not result.held and (self.high is None or result.rate < self.high.rate):
            self.high = result
        return result

    def left(self) -> int:
        """Probes that may still be made."""
        return 0 if self.limit else self._most - len(self.probes)

    def climb(self, start: float) -> None:
        """Double, then quadruple, while the objectives hold; fall back below what an overloaded server carried, and
        give up where it isn't the rate that breaks them: at an eighth and a 64th nothing was carried either."""
        rate, held, empty = start, 0, 0
        while self.left() > RETESTS:
            result = self.at(rate)
            if self.limit or (self.low and (self.high or self.low.rate >= self._ceiling)):
                return
            held += result.held
            empty = 0 if result.carried else empty + 1
            if empty == EMPTY:
                return
            rate = result.rate * (2.0 if held < 3 else 4.0) if result.held else _below(result)

    def narrow(self) -> None:
        """Divide the bracket where the measures say that the boundary is; by halves where they say nothing, and when
        the same end moved twice (as the Illinois method does: M. Dowell and P. Jarratt, BIT 11, 1971)."""
        moved = 0
        while self.left() > RETESTS and self.low and self.high:
            width = math.log(self.high.rate / self.low.rate)
            if width <= max(NARROW, _blur(self.low, self.high, width)):
                return
            share = _share(self.low, self.high) if abs(moved) < 2 else 0.5
            side = 1 if self.at(self.low.rate * math.exp(width * share)).held else -1
            moved = moved + side if moved * side >= 0 else side

    def retest(self) -> Sequence[ProbeResult]:
        """Downwards from above the boundary, each time where it is now believed to be; the probes of that."""
        first, above = len(self.probes), 1
        while self.left():
            at = self.place()
            enough = SURE_ENOUGH + BLUR if self._tips else SURE_ENOUGH
            if (self._tips or above < -1) and at.interval.high - at.interval.low <= 2 * enough * at.rate:
                break
            if self._tips:
                self.at(math.sqrt(at.interval.low * at.interval.high), self._longest)
                continue
            above = 1 if above < -1 else above
            longer = self._longer(at)
            step = min(max(2 * at.off / math.sqrt(longer), STEPS[0]), STEPS[1]) if at.off > 0 else STEPS[0]
            self.at(at.rate * (1 + step * above), longer)
            above -= 1
        return self.probes[first:]

    def place(self) -> Boundary:
        """Where the boundary is now believed to be. A server that once collapsed is one that does."""
        self._tips = self._tips or collapses(self.probes)
        return tipping(self.probes, self._longest) if self._tips else boundary(self.probes)

    def _longer(self, at: Boundary) -> float:
        """How many times the usual each of the probes left must last for a standard error of AIM, and to be TRUSTED."""
        missing = 0.0 if math.isnan(at.off) else (at.off / AIM) ** 2 - at.weight
        trusted = 0.0 if math.isnan(at.noise) else (at.noise / TRUSTED) ** 2
        return min(max(missing / self.left(), trusted, 1.0), self._longest)


def _below(result: ProbeResult) -> float:
    """Where to go on below a failed probe: what it carried bounds the server, but it may thrash, so not below 1/8."""
    return max(min(result.rate / 2, 0.8 * result.carried), result.rate / 8)


def _blur(low: ProbeResult, high: ProbeResult, width: float) -> float:
    """Twice the standard error (logarithmic) of the place that one more usual probe between the two would leave."""
    noise = max(low.noise, high.noise) if low.noise > 0 and high.noise > 0 else 0.0
    return 2 * noise * width / (high.signed - low.signed)


def _share(low: ProbeResult, high: ProbeResult) -> float:
    """Where in the bracket (0 to 1, logarithmic) to probe: at the secant's root, below what the failed probe carried,
    and away from the ends."""
    known = low.signed > -MOST_EXCESS or high.signed < MOST_EXCESS
    root = -low.signed / (high.signed - low.signed) if known else 0.5
    carried = math.log(max(high.carried, low.rate) / low.rate) / math.log(high.rate / low.rate)
    return min(max(min(root, carried), 0.2), 0.8)
