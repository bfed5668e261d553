"""The generator's health: when it was behind its schedule, what kept it, and the load that it could have carried.

A *stall* is a stretch in which calls were due and not started: the union of [ready, start] over calls that started
late, and what the loop's own canary (a sleep of 10 ms, again and again) overslept. One stall of a shared machine is
carried by the laws, which widen their bounds by the lag in force (`lag.py`); a generator that is behind for a good part
of the time can no longer say what it offered.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.evidence.table import Mask
from harness.laws.case import Case, once
from harness.laws.lag import dispatch_delay_ns
from harness.model import Span

Ints = NDArray[np.int64]

LATE_NS = 25_000_000
"""laws.md, X3: a call that starts later than this after it was ready."""
OVERSLEPT_NS = 100_000_000
"""Shorter oversleeping of the canary is seen in the calls, if anybody was there to see it."""
UNJUDGED = ("warmup", "cooldown")
EXHAUSTED = ("EMFILE", "ENFILE", "EADDRNOTAVAIL", "ENOBUFS")
"""The machine had no descriptor, port or buffer left for a connection."""
FULL = 0.9
"""CPU seconds a second from which on a generator's one core is full."""
ROOM = 0.8
"""A generator is loaded to four fifths of a core at most, where its load can be chosen."""


@dataclass(frozen=True, slots=True)
class Health:
    """How a run's generator kept its schedule in the judged phases.

    `behind` is the share of the judged time in stalls, `worst` that of the phase with most of them; `longest_ns` the
    longest stall; `refused` the share of calls that the machine had no socket for; `cpu` the mean over late seconds
    of the busiest generator, in cores (0: nobody looked); `could` the calls a second it could have carried.
    """

    stalls: int
    longest_ns: int
    behind: float
    worst: float
    worst_phase: str
    refused: float
    cpu: float
    could: float

    @property
    def words(self) -> str:
        """Why it was late, in words."""
        if self.refused:
            return f"the machine had no socket left for {self.refused:.2%} of the calls"
        if self.cpu >= FULL:
            return f"the generator's core was full ({self.cpu:.0%})"
        if self.cpu:
            return f"the generator was kept from running (its core was {self.cpu:.0%} busy): paused, or other work here"
        return "the generator was saturated or kept from running"


@once
def health(case: Case) -> Health:
    """The generator's health in this run."""
    spans = tuple(span for span in case.history.phases if span.name not in UNJUDGED)
    begin, end = _stalls(case)
    if not spans:
        last = int(case.calls["end_ns"].max()) if len(case.calls) else 0
        first = int(case.calls["intended_ns"].min()) if len(case.calls) else 0
        spans = (Span("", first, max(last, first + 1)),)
    shares = [(_inside(begin, end, (span,)) / max(span.end_ns - span.start_ns, 1), span.name) for span in spans]
    worst, phase = max(shares)
    length_ns = sum(span.end_ns - span.start_ns for span in spans)
    touching = [(b, e) for b, e in zip(begin, end, strict=True) if any(b < s.end_ns and e > s.start_ns for s in spans)]
    behind = _inside(begin, end, spans) / max(length_ns, 1)
    cpu = _cpu(case, begin, end)
    return Health(
        stalls=len(touching),
        longest_ns=max((int(e - b) for b, e in touching), default=0),
        behind=behind,
        worst=worst,
        worst_phase=phase,
        refused=_refused(case),
        cpu=cpu,
        could=_could(case, spans, length_ns / 1e9, behind, cpu),
    )


def _stalls(case: Case) -> tuple[Ints, Ints]:
    """Begin and end (ns) of each stall, apart and in order."""
    calls, samples = case.calls, case.history.samples
    delay = dispatch_delay_ns(calls)
    late = (delay > LATE_NS) & ~calls["outcome"].among("overflow")
    lag = samples["lag_ns"]
    overslept = lag > OVERSLEPT_NS
    # where in its second the canary overslept isn't kept: at its end is as good as anywhere
    at = samples["time_ns"][overslept]
    start = calls["start_ns"][late]
    begin = np.concatenate([start - delay[late], at - lag[overslept]])
    end = np.concatenate([start, at])
    order = np.argsort(begin, kind="stable")
    begin, end = begin[order], np.maximum.accumulate(end[order])
    first = np.ones(len(begin), bool)
    first[1:] = begin[1:] > end[:-1]
    return begin[first], end[np.append(first[1:], True)] if len(end) else end


def _inside(begin: Ints, end: Ints, spans: tuple[Span, ...]) -> int:
    """The time (ns) of the stalls within the spans."""
    return sum(
        int(np.maximum(np.minimum(end, span.end_ns) - np.maximum(begin, span.start_ns), 0).sum()) for span in spans
    )


def _refused(case: Case) -> float:
    """The share of calls or attempts that failed for want of a socket."""
    tables = [table for table in (case.calls, case.history.attempts) if len(table)]
    return max((float(_names_any(table["detail"])) for table in tables), default=0.0)


def _names_any(words: object) -> float:
    names = [name for name in words.names if any(code in name for code in EXHAUSTED)]  # type: ignore[attr-defined]
    mask: Mask = words.among(*names)  # type: ignore[attr-defined]
    return float(mask.mean())


def _cpu(case: Case, begin: Ints, end: Ints) -> float:
    """Mean CPU use of the busiest generator over the seconds with a stall in them."""
    samples = case.history.samples
    at = samples["time_ns"]
    met = np.searchsorted(begin, at) > np.searchsorted(end, at - 1_000_000_000)
    names = samples["process"]
    generators = [name for name in names.names if name.startswith("generator")]
    met_of = [met & names.among(name) for name in generators]
    means = [float(samples["cpu"][rows].mean()) for rows in met_of if rows.any()]
    return max(means, default=0.0)


def _could(case: Case, spans: tuple[Span, ...], length_s: float, behind: float, cpu: float) -> float:
    """Calls a second: what was started, at four fifths of a core where a core was full, else in the time it ran."""
    start = case.calls["start_ns"]
    ran = ~case.calls["outcome"].among("overflow")
    started = sum(int((ran & (start >= span.start_ns) & (start < span.end_ns)).sum()) for span in spans)
    rate = started / max(length_s, 1e-9)
    return rate * ROOM / cpu if cpu >= FULL else rate * max(1 - behind, 0.0)
