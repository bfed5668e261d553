"""How often a comparison finds a shift: the power table of docs/comparing.md. `python tests/power.py` prints it."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass

import numpy as np

from harness.compare import Metric, compare, interleaved

HEAD = (
    "| pairs | metrics | true shift | noise of runs | worse or better | same | can't tell |\n"
    "|---|---|---|---|---|---|---|\n"
)
UNTOLD = "can't tell"
TOGETHER = 0.8
"""Correlation of several metrics of one run, as of p(50) and p(95)."""


@dataclass(frozen=True)
class Case:
    """`pairs` runs each; `shifted` of `metrics` move by `shift`; `noise` is a run's standard deviation (shares).

    `skewed`: lognormal with σ = 1 instead of normal. `drift`: the machine gets evenly slower by so much from the first
    run to the last, which are made A B B A.
    """

    pairs: int
    shift: float
    noise: float
    metrics: int = 1
    shifted: int = 1
    trials: int = 500
    skewed: bool = False
    drift: float = 0.0


CASES = (
    Case(8, 0.0, 0.04, trials=2000),
    Case(8, 0.10, 0.04, trials=2000),
    Case(8, 0.0, 0.04, trials=2000, skewed=True),
    Case(8, 0.10, 0.04, trials=2000, skewed=True),
    Case(8, 0.0, 0.04, trials=2000, drift=0.08),
    Case(8, 0.10, 0.04, trials=2000, drift=0.08),
    Case(8, 0.0, 0.04, drift=0.16),
    Case(8, 0.10, 0.04, drift=0.16),
    Case(8, 0.0, 0.08, trials=4000),
    Case(8, 0.10, 0.08),
    Case(8, 0.20, 0.08),
    Case(8, 0.0, 0.02),
    Case(8, 0.05, 0.02),
    Case(8, 0.10, 0.02),
    Case(5, 0.0, 0.04),
    Case(5, 0.10, 0.04),
    Case(5, 0.20, 0.04),
    Case(8, 0.0, 0.04, metrics=4, trials=1000),
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
        values = 1 + case.noise * _shaped(case, common + own) + _drift(case)
        values[case.pairs :, : case.shifted] *= 1 + case.shift
        base = {metric.name: values[: case.pairs, at].tolist() for at, metric in enumerate(metrics)}
        new = {metric.name: values[case.pairs :, at].tolist() for at, metric in enumerate(metrics)}
        answers[compare(base, new, metrics).answer] += 1
    return {answer: count / case.trials for answer, count in answers.items()}


def _shaped(case: Case, noise: np.ndarray) -> np.ndarray:
    """Standard normal noise as it is, or as lognormal noise of mean 0 and deviation 1."""
    if not case.skewed:
        return noise
    return (np.exp(noise) - np.exp(0.5)) / np.sqrt((np.e - 1) * np.e)


def _drift(case: Case) -> np.ndarray:
    """What each run lies off by its turn: those of base, then those of new."""
    turns = np.argsort(np.array(list(interleaved(case.pairs))), kind="stable")
    return case.drift * (turns[:, None] / (2 * case.pairs - 1) - 0.5)


def line(case: Case, found: dict[str, float]) -> str:
    """One row of the table."""
    what = f"{case.metrics}, {case.shifted} shifted" if case.shift and case.metrics > 1 else f"{case.metrics}"
    told = found.get("worse", 0) + found.get("better", 0)
    noise = f"{case.noise:.0%}" + ", skewed" * case.skewed + (f", drifting by {case.drift:.0%}" if case.drift else "")
    cells = (case.pairs, what, f"{case.shift:.0%}", noise, f"{told:.1%}",
             f"{found.get('same', 0):.0%}", f"{found.get(UNTOLD, 0):.0%}")  # fmt: skip
    return "| " + " | ".join(map(str, cells)) + " |\n"


def table() -> str:
    """The whole table."""
    return HEAD + "".join(line(case, shares(case)) for case in CASES)


if __name__ == "__main__":
    sys.stdout.write(table())
