"""Little's law as a test of the evidence: calls in flight as counted, and as the recorded times say.

N = X·R (J. Little, Operations Research 9, 1961): the mean number in a system is the sum of the times spent in it over
the time watched. Each process counts its calls in flight once a second; the rows give the same number from their
starts and ends, so rows that are lost, doubled or wrongly timed make the two differ.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.laws.case import Case

Ints = NDArray[np.int64]

SLACK = 0.05
LEAST = 1.0
"""A call may end between the count and its row."""
LEAST_SAMPLES = 5


def disagreement(case: Case) -> str:
    """Words where counted and recorded calls in flight differ in the mean by more than the slack, else ''."""
    samples = case.history.samples
    counted = samples["in_flight"]
    if not counted.any():
        return ""
    for worker in case.workers:
        mine = samples["process"].among(f"generator-{worker}")
        if mine.sum() < LEAST_SAMPLES:
            continue
        low, high = (float(bound.mean()) for bound in _recorded(case, worker, samples["time_ns"][mine]))
        mean = float(counted[mine].mean())
        if not low * (1 - SLACK) - LEAST <= mean <= high * (1 + SLACK) + LEAST:
            return (
                f"generator-{worker} counted {mean:.1f} calls in flight and its rows say {low:.1f} to {high:.1f}"
                " (Little's law)"
            )
    return ""


def _recorded(case: Case, worker: int, at: Ints) -> tuple[Ints, Ints]:
    """Bounds on the calls in flight at each time: those that ran and were planned, and all that were due."""
    calls = case.calls
    mine = calls["worker"] == worker
    # an opening that a call turned out to need isn't counted apart from it
    planned = mine & ~calls["op"].among("open_session")
    return (
        _begun(calls["start_ns"][planned], at) - _begun(calls["end_ns"][planned], at),
        _begun(calls["intended_ns"][mine], at) - _begun(calls["end_ns"][mine], at),
    )


def _begun(times: Ints, at: Ints) -> Ints:
    return np.searchsorted(np.sort(times), at, side="right")
