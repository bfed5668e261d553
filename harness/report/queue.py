"""The pipeline through a queue in numbers: end-to-end latencies, messages a second, how a backlog drained."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.evidence.history import History
from harness.evidence.table import Mask
from harness.laws.case import Case, Ints, Window, in_order
from harness.laws.queue_view import flow, queued
from harness.policy import Policy, Promise
from harness.stats import quantile

LEVELS = (0.5, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class Leg:
    """A stretch of the way of `count` messages: quantiles at LEVELS and the maximum (ms)."""

    name: str
    count: int
    quantiles: tuple[float, ...]
    longest: float


@dataclass(frozen=True, slots=True)
class Drain:
    """A fault's backlog: most messages confirmed and not yet committed or dead, and how long it took from the fault's
    end until no more waited than before it (s; nan: not within the run)."""

    fault: str
    most: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One run's figures; `per_second` counts commits over the time in which there were any, `peak` the best second."""

    legs: tuple[Leg, ...]
    committed: int
    per_second: float
    peak: int
    drains: tuple[Drain, ...]


def pipeline(history: History) -> Pipeline | None:
    """The figures of a run through a queue, None for others. Latencies count from the intended publish."""
    case = Case(history, Promise(Policy()))
    if not queued(case):
        return None
    found = flow(case)
    intended = case.calls["intended_ns"]
    out_ns = found.first("collected")
    ends = {
        "publish to confirm": np.where(found.confirmed, case.calls["end_ns"], 0),
        "publish to commit": np.where(found.confirmed, found.commit_ns, 0),
        "publish to prediction": np.where(found.confirmed, out_ns, 0),
    }
    legs = tuple(leg for name, end in ends.items() if (leg := _leg(name, intended, end)).count)
    commits = in_order(found.commit_ns[found.commit_ns > 0])
    span_s = float(commits[-1] - commits[0]) / 1e9 if len(commits) > 1 else 0.0
    rate = (len(commits) - 1) / span_s if span_s else 0.0
    seconds = np.bincount((commits - commits[0]) // 1_000_000_000) if len(commits) else np.zeros(1, np.int64)
    gone_ns = np.where(found.commit_ns > 0, found.commit_ns, found.first("dead"))
    drains = tuple(_drain(window, case.calls["end_ns"], gone_ns, found.confirmed) for window in case.windows)
    return Pipeline(legs, len(commits), rate, int(seconds.max()), tuple(d for d in drains if d.most))


def _leg(name: str, start_ns: Ints, end_ns: Ints) -> Leg:
    took = (end_ns - start_ns)[end_ns > 0] / 1e6
    longest = float(took.max()) if len(took) else 0.0
    return Leg(name, len(took), tuple(quantile(took, level) for level in LEVELS), longest)


def _drain(window: Window, in_ns: Ints, gone_ns: Ints, confirmed: Mask) -> Drain:
    """Backlog over time: +1 at a confirm, −1 when the message is committed or dead."""
    mine = confirmed
    gone = gone_ns[mine & (gone_ns > 0)]
    times = np.concatenate([in_ns[mine], gone])
    steps = np.concatenate([np.ones(int(mine.sum()), np.int64), -np.ones(len(gone), np.int64)])
    order = np.argsort(times, kind="stable")
    times, level = times[order], np.cumsum(steps[order])
    before = level[times < window.start_ns]
    usual = int(before.max()) if len(before) else 1
    during = level[(times >= window.start_ns) & (times <= window.end_ns)]
    most = int(during.max()) - usual if len(during) else 0
    after = (times >= window.end_ns) & (level <= max(usual, 1))
    seconds = float(times[after].min() - window.end_ns) / 1e9 if after.any() else float("nan")
    return Drain(window.name, max(most, 0) + usual if most > 0 else 0, seconds)


def lines(history: History) -> list[str]:
    """The figures as lines of text; none for a run without a queue."""
    found = pipeline(history)
    if found is None:
        return []
    text = [f"messages: {found.committed:,} committed, {found.per_second:,.1f}/s, {found.peak:,} in the best second"]
    for leg in found.legs:
        levels = ", ".join(f"p{level * 100:g} {ms:,.1f}" for level, ms in zip(LEVELS, leg.quantiles, strict=True))
        text.append(f"{leg.name}: {levels}, max {leg.longest:,.1f} ms (n = {leg.count:,})")
    for drain in found.drains:
        took = f"{drain.seconds:,.1f} s" if drain.seconds == drain.seconds else "not within the run"
        text.append(f"backlog of {drain.fault}: {drain.most:,} messages, drained {took} after its end")
    return text
