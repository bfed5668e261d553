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

from harness.evidence.table import Mask, Words
from harness.laws.case import Case, once
from harness.laws.lag import dispatch_delay_ns
from harness.model import Span

Ints = NDArray[np.int64]

LATE_NS = 25_000_000
"""laws.md, X3: a call that starts later than this after it was ready."""
OVERSLEPT_NS = 100_000_000
"""Shorter oversleeping of the canary is seen in the calls, if anybody was there to see it."""
UNJUDGED = ("warmup", "cooldown")
LACKING = {
    "EMFILE": ("generator", "descriptor", "raise its limit: ulimit -n"),
    "ENFILE": ("machine", "descriptor", "raise its limit: sysctl fs.file-max"),
    "EADDRNOTAVAIL": (
        "machine",
        "local port",
        "widen net.ipv4.ip_local_port_range, or keep connections",
    ),
    "ENOBUFS": ("machine", "buffer", "give its sockets more memory: sysctl net.ipv4.tcp_mem"),
}
"""Who lacks what for a connection, and the cure, by the system's word for it (errno(3))."""
FULL = 0.9
"""CPU seconds a second from which on a generator's one core is full."""
ROOM = 0.8
"""A generator is loaded to four fifths of a core at most, where its load can be chosen."""


@dataclass(frozen=True, slots=True)
class Health:
    """How a run's generator kept its schedule in the judged phases.

    `behind` is the share of the judged time in stalls, `worst` that of the phase with most of them; `longest_ns` the
    longest stall; `refused` the share of calls that had no socket, mostly for want of what `lacking` stands for (a key
    of LACKING); `cpu` the mean over late seconds of the busiest generator, in cores (0: nobody looked); `could` the
    calls a second it could have carried.
    """

    stalls: int
    longest_ns: int
    behind: float
    worst: float
    worst_phase: str
    refused: float
    lacking: str
    cpu: float
    could: float

    @property
    def words(self) -> str:
        """Why it was late, in words."""
        if self.refused:
            who, what, _ = LACKING[self.lacking]
            return f"the {who} had no {what} left for {self.refused:.2%} of the calls ({self.lacking})"
        if self.cpu >= FULL:
            return f"the generator's core was full ({self.cpu:.0%})"
        if self.cpu:
            return f"the generator was kept from running (its core was {self.cpu:.0%} busy): paused, or other work here"
        return "the generator was saturated or kept from running"

    def told(self, late: str = "") -> str:
        """Why it was late, how `late` in words, and what it could have carried."""
        could = f"; it could have carried about {self.could:.3g} calls/s" if self.could else ""
        return f"{self.words}{': ' if late else ''}{late}{could}"

    @property
    def cure(self) -> str:
        """What helps, where that is known ('': what helps against any lateness)."""
        return LACKING[self.lacking][2] if self.refused else ""


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
    refused, lacking = _refused(case)
    return Health(
        stalls=len(touching),
        longest_ns=max((int(e - b) for b, e in touching), default=0),
        behind=behind,
        worst=worst,
        worst_phase=phase,
        refused=refused,
        lacking=lacking,
        cpu=cpu,
        could=_could(case, spans, length_ns / 1e9, behind, cpu) * (1 - refused),
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


def _refused(case: Case) -> tuple[float, str]:
    """The share of calls or attempts that failed for want of a socket, and of what most of them."""
    tables = [table for table in (case.calls, case.history.attempts) if len(table)]
    found = [{code: float(for_want_of(table["detail"], code).mean()) for code in LACKING} for table in tables]
    shares = max(found, key=lambda each: sum(each.values()), default={"EMFILE": 0.0})
    return sum(shares.values()), max(shares, key=lambda code: shares[code])


def for_want_of(details: Words, code: str) -> Mask:
    """Which calls or attempts failed for want of what `code` (of LACKING) stands for."""
    return details.among(*(name for name in details.names if code in name))


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
