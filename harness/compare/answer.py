"""Two groups of runs to an answer a metric: better, worse, same, or "can't tell" and how many runs it would take."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.compare.rank import (
    block_places,
    least_p,
    normal_quantile,
    p_values,
    shift,
    shift_interval,
    straightened,
    turns,
)
from harness.stats import Interval

Floats = NDArray[np.float64]
Answer = Literal["better", "worse", "same", "can't tell"]

FALSE_ALARM = 0.01
"""The highest chance that a comparison of the same code with itself calls any metric better or worse."""
EQUIVALENCE = 0.90
"""`same` needs this interval of the shift within the floor: two one-sided tests at 5 % (D. Schuirmann, 1987)."""
SHOWN = 0.95
RELATIVE_FLOOR = 0.05
POWER = 0.8
MOST_RUNS = 100
"""A comparison that needs more runs than this is called hopeless."""


@dataclass(frozen=True, slots=True)
class Metric:
    """What is compared, and the shift that somebody would care about: above both floors, `absolute` in `unit`."""

    name: str
    unit: str = ""
    lower_is_better: bool = True
    absolute: float = 0.0
    relative: float = RELATIVE_FLOOR


@dataclass(frozen=True, slots=True)
class Shift:
    """One metric compared. `shift` and `interval` (95 %) are new − base in the metric's unit; `p` is adjusted for all
    metrics; `more` runs a group are needed when nothing can be told (0: no number of runs would help)."""

    metric: Metric
    base: float
    new: float
    shift: float
    interval: Interval
    p: float
    answer: Answer
    more: int = 0
    words: str = ""

    @property
    def relative(self) -> float:
        """The shift as a share of the base's median; nan where that is 0."""
        return self.shift / abs(self.base) if self.base else math.nan


@dataclass(frozen=True, slots=True)
class Comparison:
    """All metrics, and what they come to; `runs` are those of base and new."""

    shifts: tuple[Shift, ...]
    runs: tuple[int, int]
    notices: tuple[str, ...] = ()

    @property
    def answer(self) -> Answer:
        """worse when any metric is; else can't tell, unless one is better or all are the same."""
        answers = {each.answer for each in self.shifts}
        order: tuple[Answer, ...] = ("worse", "better", "can't tell", "same")
        return next((answer for answer in order if answer in answers), "can't tell")

    @property
    def more(self) -> int:
        """The runs a group that would settle everything that can be settled."""
        return max((each.more for each in self.shifts), default=0)


def compare(
    base: Mapping[str, Sequence[float]],
    new: Mapping[str, Sequence[float]],
    metrics: Sequence[Metric],
    notices: Sequence[str] = (),
    blocks: tuple[str, ...] = (),
) -> Comparison:
    """Compare the values of each metric, one a run and in equal order; nan where a run has none.

    `blocks` of runs made in turns (`harness.compare.order.blocks`) need each group's runs in order of time.
    """
    groups = [(np.asarray(base[metric.name], float), np.asarray(new[metric.name], float)) for metric in metrics]
    known = [at for at, (a, b) in enumerate(groups) if not (np.isnan(a).any() or np.isnan(b).any())]
    chances = dict.fromkeys(range(len(metrics)), math.nan)
    if known:
        found = p_values(
            np.column_stack([groups[at][0] for at in known]), np.column_stack([groups[at][1] for at in known]), blocks
        )
        chances.update(zip(known, map(float, found), strict=True))
    varied = sum(1 for at in known if np.ptp(np.concatenate(groups[at])) > 0)
    shifts = [_shift(metric, *groups[at], chances[at], max(varied, 1), blocks) for at, metric in enumerate(metrics)]
    size = next(((len(a), len(b)) for a, b in groups), (0, 0))
    return Comparison(tuple(shifts), size, tuple(notices))


def _shift(metric: Metric, base: Floats, new: Floats, p: float, family: int, blocks: tuple[str, ...]) -> Shift:
    if math.isnan(p):
        missing = int(np.isnan(base).sum()), int(np.isnan(new).sum())
        words = f"no value in {missing[0]} of the base runs and {missing[1]} of the new ones, where no call fits: "
        words += "leave those runs or this objective out"
        nothing = Interval(-math.inf, math.inf)
        return Shift(metric, math.nan, math.nan, math.nan, nothing, p, "can't tell", words=words)
    places = block_places(blocks, len(base), len(new))
    level = straightened(np.concatenate([base, new]), places, turns(places, len(base)))
    base, new = level[: len(base)], level[len(base) :]
    middle, by = float(np.median(base)), shift(base, new)
    floor = max(metric.relative * abs(middle), metric.absolute)
    near = shift_interval(base, new, EQUIVALENCE)
    shown = shift_interval(base, new, SHOWN)
    answer = _answer(metric, by, near, floor, p)
    more, words = (0, "") if answer != "can't tell" else _more(base, new, by, floor, family)
    return Shift(metric, middle, float(np.median(new)), by, shown, p, answer, more, words)


def _answer(metric: Metric, by: float, near: Interval, floor: float, p: float) -> Answer:
    if p <= FALSE_ALARM and abs(by) >= floor > 0:
        return "worse" if (by > 0) == metric.lower_is_better else "better"
    if near.low >= -floor and near.high <= floor:
        return "same"
    return "can't tell"


def _more(base: Floats, new: Floats, by: float, floor: float, family: int) -> tuple[int, str]:
    """How many more runs a group would settle it with a chance of 80 %, and why it can't be told now.

    From the usual sizes of two-sample tests, n = 2 (z₁ + z₂)² (s/δ)², less the 5 % that ranks lose to normal values:
    δ is the shift itself where it is above the floor, else its distance to the floor.
    """
    runs = min(len(base), len(new))
    left = np.concatenate([base - base.mean(), new - new.mean()])
    noise = math.sqrt(float(left @ left) / max(len(left) - 2, 1))
    beyond = abs(by) >= floor
    if len(left) < 4 or noise == 0:
        needed = least_runs(family)
    else:
        sure = normal_quantile(1 - FALSE_ALARM / (2 * family)) if beyond else normal_quantile((1 + EQUIVALENCE) / 2)
        distance = abs(by) if beyond else floor - abs(by)
        sizes = 2 * ((sure + normal_quantile(POWER)) * noise / max(distance, 1e-12)) ** 2 / 0.955
        needed = max(math.ceil(min(sizes, 1e9)), least_runs(family) if beyond else 3)
    if needed > MOST_RUNS:
        return 0, "the shift is as large as the floor, as far as can be seen: choose another floor, or quieter runs"
    more = max(needed - runs, 1)
    return more, f"needs {more} more runs of each" + ("" if len(base) == len(new) else f", {runs + more} in all")


def least_runs(family: int = 1) -> int:
    """The fewest runs a group that can show a shift of one of `family` metrics: 5 for one, 6 for two to four."""
    return next(runs for runs in range(1, 50) if family * least_p(runs) <= FALSE_ALARM)
