"""What became of calls over time, how many attempts they took, and how the rate held up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.evidence.history import History
from harness.model import OUTCOMES
from harness.report.frames.timeline import Ints, Timeline

if TYPE_CHECKING:
    import pandas as pd

MOST_ATTEMPTS = 4
"""Calls with more attempts share the last class."""


def outcomes_over_time(history: History, axis: Timeline) -> pd.DataFrame:
    """A row a bin of intended starts: calls/s of each outcome that occurs in the run, `ok` always."""
    frame = axis.frame()
    bins, outcome = axis.bins(history.calls["intended_ns"]), history.calls["outcome"]
    for name in OUTCOMES[1:]:
        counts = np.bincount(bins[outcome.among(name)], minlength=axis.size)
        if name == "ok" or counts.any():
            frame[name] = axis.rate(counts)
    return frame


def attempts_by_call(history: History) -> Ints:
    """How many attempts each call took, by the integration's hooks (shape calls)."""
    tried = np.sort(history.attempts["call"], kind="stable")
    calls = history.calls["call"]
    counts: Ints = np.searchsorted(tried, calls, side="right")
    counts -= np.searchsorted(tried, calls, side="left")
    return counts


def attempts_over_time(history: History, axis: Timeline, attempts: Ints) -> pd.DataFrame:
    """A row a bin of intended starts: calls/s by the number of attempts they took, and attempts a call."""
    frame = axis.frame()
    bins = axis.bins(history.calls["intended_ns"])
    classes = np.minimum(attempts, MOST_ATTEMPTS)
    for number in range(MOST_ATTEMPTS + 1):
        counts = np.bincount(bins[classes == number], minlength=axis.size)
        frame[attempts_label(number)] = axis.rate(counts)
    calls = np.bincount(bins, minlength=axis.size)
    tried = np.bincount(bins, weights=attempts, minlength=axis.size)
    frame["attempts a call"] = np.divide(tried, calls, out=np.full(axis.size, np.nan), where=calls > 0)
    return frame


def attempts_label(number: int) -> str:
    """The class of a call with that many attempts, in words."""
    if number == MOST_ATTEMPTS:
        return f"{number} or more"
    return "none" if number == 0 else f"{number}"


def attempts_by_phase(history: History, attempts: Ints) -> pd.DataFrame:
    """A row a phase: calls, the share with each number of attempts (%), attempts a call and the most of one call."""
    import pandas as pd

    rows = []
    for name in dict.fromkeys(span.name for span in history.phases):
        mine = attempts[history.calls_in(name)]
        classes = np.bincount(np.minimum(mine, MOST_ATTEMPTS), minlength=MOST_ATTEMPTS + 1)
        shares = {f"{attempts_label(n)} %": 100 * classes[n] / max(len(mine), 1) for n in range(MOST_ATTEMPTS + 1)}
        amplification = float(mine.mean()) if len(mine) else float("nan")
        most = int(mine.max(initial=0))
        rows.append({"phase": name, "calls": len(mine), **shares, "attempts a call": amplification, "most": most})
    return pd.DataFrame(rows)


def rates(history: History, axis: Timeline) -> pd.DataFrame:
    """A row a bin, all in calls/s: offered (by intended start), started, ended with ok (goodput), and attempts."""
    frame = axis.frame()
    calls = history.calls
    frame["offered"] = axis.rate(axis.count(calls["intended_ns"]))
    frame["started"] = axis.rate(axis.count(calls["start_ns"][calls["start_ns"] > 0]))
    frame["goodput"] = axis.rate(axis.count(calls["end_ns"][calls["outcome"].among("ok")]))
    frame["attempts"] = axis.rate(axis.count(history.attempts["start_ns"]))
    return frame


def breaker_spans(history: History, axis: Timeline) -> pd.DataFrame:
    """A row a stretch of the breaker: source, process, state, from and to in the axis unit, in order of time."""
    import pandas as pd

    breaker = history.breaker.sorted_by("worker", "from_ns")
    return pd.DataFrame(
        {
            "source": breaker["source"].tolist(),
            "process": breaker["worker"],
            "state": breaker["state"].tolist(),
            f"from {axis.unit}": axis.all_at(breaker["from_ns"]).round(3),
            f"to {axis.unit}": np.clip(axis.all_at(breaker["to_ns"]), 0, axis.span).round(3),
        }
    ).sort_values("source", kind="stable", ignore_index=True)
