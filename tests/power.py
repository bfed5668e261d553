"""How often a comparison finds a shift: the power table of docs/comparing.md. `python tests/power.py` prints it."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass

import numpy as np

from harness.compare import Metric, compare

HEAD = (
    "| pairs | metrics | true shift | noise of runs | worse or better | same | can't tell |\n"
    "|---|---|---|---|---|---|---|\n"
)
UNTOLD = "can't tell"
TOGETHER = 0.8
"""Correlation of several metrics of one run, as of p(50) and p(95)."""


@dataclass(frozen=True)
class Case:
    """`pairs` runs each; `shifted` of `metrics` move by `shift`; `noise` is a run's standard deviation (shares)."""

    pairs: int
    shift: float
    noise: float
    metrics: int = 1
    shifted: int = 1
    trials: int = 500


CASES = (
    Case(8, 0.0, 0.04, trials=2000),
    Case(8, 0.10, 0.04, trials=2000),
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
        values = 1 + case.noise * (common + own)
        values[case.pairs :, : case.shifted] *= 1 + case.shift
        base = {metric.name: values[: case.pairs, at].tolist() for at, metric in enumerate(metrics)}
        new = {metric.name: values[case.pairs :, at].tolist() for at, metric in enumerate(metrics)}
        answers[compare(base, new, metrics).answer] += 1
    return {answer: count / case.trials for answer, count in answers.items()}


def line(case: Case, found: dict[str, float]) -> str:
    """One row of the table."""
    what = f"{case.metrics}, {case.shifted} shifted" if case.shift and case.metrics > 1 else f"{case.metrics}"
    told = found.get("worse", 0) + found.get("better", 0)
    cells = (case.pairs, what, f"{case.shift:.0%}", f"{case.noise:.0%}", f"{told:.1%}",
             f"{found.get('same', 0):.0%}", f"{found.get(UNTOLD, 0):.0%}")  # fmt: skip
    return "| " + " | ".join(map(str, cells)) + " |\n"


def table() -> str:
    """The whole table."""
    return HEAD + "".join(line(case, shares(case)) for case in CASES)


if __name__ == "__main__":
    sys.stdout.write(table())
