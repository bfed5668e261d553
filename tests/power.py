"""How often a comparison finds a shift: the power table of docs/comparing.md. `python tests/power.py` prints it."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.compare import Metric, compare, interleaved
from harness.compare.order import blocks

HEAD = (
    "| pairs | metrics | true shift | noise of runs | worse or better | same | can't tell |\n"
    "|---|---|---|---|---|---|---|\n"
)
Shape = Literal["normal", "skewed", "heavy-tailed", "lasting"]
UNTOLD = "can't tell"
TOGETHER = 0.8
"""Correlation of several metrics of one run, as of p(50) and p(95)."""


@dataclass(frozen=True)
class Case:
    """`pairs` runs each; `shifted` of `metrics` move by `shift`; `noise` is a run's standard deviation (shares).

    `shape`: normal, lognormal with σ = 1, Student's with 3 degrees of freedom, or normal with a correlation of 0.5 of
    neighbouring runs. `drift`: the machine gets evenly slower by so much from the first run to the last, which are made
    A B B A; `jump`: at once, half-way.
    """

    pairs: int
    shift: float
    noise: float
    metrics: int = 1
    shifted: int = 1
    trials: int = 500
    shape: Shape = "normal"
    drift: float = 0.0
    jump: bool = False


CASES = (
    Case(8, 0.0, 0.04, trials=2000),
    Case(8, 0.10, 0.04, trials=2000),
    Case(8, 0.0, 0.04, trials=2000, shape="skewed"),
    Case(8, 0.10, 0.04, trials=2000, shape="skewed"),
    Case(8, 0.0, 0.04, trials=2000, shape="heavy-tailed"),
    Case(8, 0.10, 0.04, trials=2000, shape="heavy-tailed"),
    Case(8, 0.0, 0.04, trials=2000, shape="lasting"),
    Case(8, 0.10, 0.04, trials=2000, shape="lasting"),
    Case(8, 0.0, 0.04, trials=2000, drift=0.08),
    Case(8, 0.10, 0.04, trials=2000, drift=0.08),
    Case(8, 0.0, 0.04, trials=2000, drift=0.16),
    Case(8, 0.10, 0.04, trials=2000, drift=0.16),
    Case(8, 0.0, 0.04, trials=2000, drift=0.16, jump=True),
    Case(8, 0.10, 0.04, trials=2000, drift=0.16, jump=True),
    Case(8, 0.0, 0.08, trials=4000),
    Case(8, 0.10, 0.08),
    Case(8, 0.20, 0.08),
    Case(8, 0.0, 0.02),
    Case(8, 0.05, 0.02),
    Case(8, 0.10, 0.02),
    Case(5, 0.0, 0.04),
    Case(5, 0.10, 0.04),
    Case(5, 0.20, 0.04),
    Case(8, 0.0, 0.04, metrics=4, trials=4000),
    Case(8, 0.10, 0.04, metrics=4, shifted=4),
    Case(8, 0.10, 0.04, metrics=4, shifted=1),
)


def shares(case: Case) -> dict[str, float]:
    """How often each answer was given, by seeded trials."""
    draws = np.random.default_rng(
        [case.pairs, case.metrics, case.shifted, round(case.shift * 100), round(case.noise * 100)]
    )
    metrics = [Metric(f"m{at}") for at in range(case.metrics)]
    answers: Counter[str] = Counter()
    for _ in range(case.trials):
        common = np.sqrt(TOGETHER) * draws.standard_normal((2 * case.pairs, 1))
        own = np.sqrt(1 - TOGETHER) * draws.standard_normal((2 * case.pairs, case.metrics))
        values = 1 + case.noise * _shaped(case, common + own, draws) + _drift(case)
        values[case.pairs :, : case.shifted] *= 1 + case.shift
        base = {metric.name: values[: case.pairs, at].tolist() for at, metric in enumerate(metrics)}
        new = {metric.name: values[case.pairs :, at].tolist() for at, metric in enumerate(metrics)}
        answers[compare(base, new, metrics, blocks=_blocks(case)).answer] += 1
    return {answer: count / case.trials for answer, count in answers.items()}


def _shaped(case: Case, noise: np.ndarray, draws: np.random.Generator) -> np.ndarray:
    """Standard normal noise in the shape asked for, of mean 0 and deviation 1."""
    if case.shape == "skewed":
        return (np.exp(noise) - np.exp(0.5)) / np.sqrt((np.e - 1) * np.e)
    if case.shape == "heavy-tailed":
        return noise / np.sqrt(draws.chisquare(3, noise.shape))
    if case.shape == "lasting":
        turns = _turns(case)
        lasting = noise.copy()
        for turn in range(1, len(turns)):
            lasting[turns == turn] = 0.5 * lasting[turns == turn - 1] + np.sqrt(0.75) * noise[turns == turn]
        return lasting
    return noise


def _turns(case: Case) -> np.ndarray:
    """When each run was made: those of base, then those of new."""
    return np.argsort(np.array(list(interleaved(case.pairs))), kind="stable")


def _blocks(case: Case) -> tuple[str, ...]:
    """The blocks of runs that were made in turns."""
    order = interleaved(case.pairs)
    return blocks(*([at for at, each in enumerate(order) if each == side] for side in "AB"))


def _drift(case: Case) -> np.ndarray:
    """What each run lies off by its turn."""
    turns = _turns(case)[:, None]
    return case.drift * ((turns >= case.pairs if case.jump else turns / (2 * case.pairs - 1)) - 0.5)


def line(case: Case, found: dict[str, float]) -> str:
    """One row of the table."""
    what = f"{case.metrics}, {case.shifted} shifted" if case.shift and case.metrics > 1 else f"{case.metrics}"
    told = found.get("worse", 0) + found.get("better", 0)
    move = "jumping" if case.jump else "drifting"
    shape = "" if case.shape == "normal" else f", {case.shape}"
    noise = f"{case.noise:.0%}{shape}" + (f", {move} by {case.drift:.0%}" if case.drift else "")
    cells = (case.pairs, what, f"{case.shift:.0%}", noise, f"{told:.1%}",
             f"{found.get('same', 0):.0%}", f"{found.get(UNTOLD, 0):.0%}")  # fmt: skip
    return "| " + " | ".join(map(str, cells)) + " |\n"


def table() -> str:
    """The whole table."""
    return HEAD + "".join(line(case, shares(case)) for case in CASES)


if __name__ == "__main__":
    sys.stdout.write(table())
