"""The calls that an SLO speaks of, as equally long arrays in order of intended start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.evidence.history import History
from harness.evidence.table import Mask, Table, Words
from harness.model import Span
from harness.slo.grammar import LATENCIES, Slo

Numbers = NDArray[np.int64]
Flags = NDArray[np.bool_]

LATE_NS = 25_000_000
"""A call that starts later than this after it was ready met a stall of the generator (laws.md, X3)."""

UNJUDGED = ("warmup", "cooldown")
"""Phases that count only when an SLO names them."""
MIXED = ("observe", "predict", "learn")
"""Calls that users make; opening a session counts only when `where op=open_session` asks for it."""
COMMITTED = ("duplicates", "lost")
"""Metrics that look at commits."""
STRICT = ("baseline", "recovery")
"""Calls that straddle an edge of these phases are left out, and counted (scenario.md, "Rules")."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Calls (shape n each). `chosen`: the filters on outcome, status and instance hold. `late_ns` is the part
    of `latency_ns` in which the generator was behind its schedule. `attempts`, how many tries were recorded, are known
    for amplification alone; `extra`, the commits beyond the first, and `lost`, ok without one, for the metrics in
    COMMITTED."""

    intended_ns: Numbers
    latency_ns: Numbers
    late_ns: Numbers
    chosen: Flags
    ok: Flags
    failed: Flags
    degraded: Flags
    attempts: Numbers
    extra: Numbers
    lost: Flags

    def __len__(self) -> int:
        return len(self.intended_ns)

    def between(self, start_ns: int, end_ns: int) -> Rows:
        """The calls meant to start in [start_ns, end_ns)."""
        low, high = np.searchsorted(self.intended_ns, [start_ns, end_ns])
        return Rows(*(getattr(self, item.name)[low:high] for item in fields(self)))


def spans_of(slo: Slo, phases: Sequence[Span]) -> tuple[Span, ...]:
    """The phases that the SLO speaks of; without `in`, all but warm-up and cool-down."""
    if slo.phase:
        return tuple(span for span in phases if span.name == slo.phase)
    return tuple(span for span in phases if span.name not in UNJUDGED)


def rows_of(slo: Slo, history: History, spans: Sequence[Span]) -> tuple[Rows, int]:
    """The calls of those spans that the SLO asks for, and how many were left out because they straddle an edge."""
    calls = history.calls
    inside, straddling = np.zeros(len(calls), bool), np.zeros(len(calls), bool)
    for span in spans:
        mine = (calls["intended_ns"] >= span.start_ns) & (calls["intended_ns"] < span.end_ns)
        inside |= mine
        if span.name in STRICT and slo.phase:
            straddling |= mine & (calls["end_ns"] > span.end_ns)
    asked = _population(slo, calls)
    picked = calls.where(asked & inside & ~straddling, keep="newest").sorted_by("intended_ns", "call")
    return _rows(slo, history, picked), int((asked & straddling).sum())


def _population(slo: Slo, calls: Table) -> Mask:
    mask: Mask = calls["op"].among(*((slo.where["op"],) if "op" in slo.where else MIXED))
    if "user" in slo.where:
        mask = mask & _matching(calls["user"], slo.where["user"])
    return mask


def _matching(words: Words, pattern: str) -> Mask:
    return words.among(*(name for name in words.names if fnmatchcase(name, pattern)))


def _rows(slo: Slo, history: History, calls: Table) -> Rows:
    outcome: Words = calls["outcome"]
    ok = outcome.among("ok")
    degraded = outcome.among("degraded")
    none = np.zeros(len(calls), np.int64)
    tries = _tries(history, calls) if slo.metric == "amplification" else none
    commits = _commits(history, calls) if slo.metric in COMMITTED else none
    return Rows(
        intended_ns=calls["intended_ns"],
        latency_ns=_latency(slo.series, calls),
        late_ns=_late(slo.series, calls),
        chosen=_chosen(slo, history, calls),
        ok=ok,
        failed=~(ok | degraded),
        degraded=degraded,
        attempts=tries,
        extra=np.maximum(commits - 1, 0) if slo.metric in COMMITTED else none,
        lost=ok & calls["op"].among("observe") & (commits == 0),
    )


def _tries(history: History, calls: Table) -> Numbers:
    return _per_call(history.attempts, calls, np.ones(len(history.attempts), bool))


def _commits(history: History, calls: Table) -> Numbers:
    writes = history.arrivals["op"].among("observe", "learn")
    return _per_call(history.arrivals, calls, writes & (history.arrivals["commit_seq"] > 0))


def _latency(series: str, calls: Table) -> Numbers:
    begins = {"response_time": "intended_ns", "service_time": "start_ns", "dispatch_delay": "ready_ns"}
    ends = "start_ns" if series == "dispatch_delay" else "end_ns"
    return np.asarray(calls[ends] - calls[begins[series]], np.int64)


def _late(series: str, calls: Table) -> Numbers:
    if series != "response_time":
        return np.zeros(len(calls), np.int64)
    ready = calls["ready_ns"]
    delay = calls["start_ns"] - ready
    return np.where((ready > 0) & (delay > LATE_NS), delay, 0)


def _chosen(slo: Slo, history: History, calls: Table) -> Flags:
    """Filters on what became of a call. Latencies are those of ok calls unless the SLO says otherwise."""
    where = slo.where
    mask = np.ones(len(calls), bool)
    outcome = where.get("outcome", "ok" if slo.metric in LATENCIES and slo.series != "dispatch_delay" else "any")
    if outcome != "any":
        mask &= calls["outcome"].among(outcome)
    if "status" in where:
        status = where["status"]
        mask &= calls["status"] // 100 == int(status[0]) if status.endswith("xx") else calls["status"] == int(status)
    if "instance" in where:
        there = history.arrivals["instance"] == int(where["instance"])
        mask &= _per_call(history.arrivals, calls, there) > 0
    return mask


def _per_call(events: Table, calls: Table, mask: Any) -> Numbers:
    """How many of the masked events belong to each call."""
    kept = mask & (events["call"] > 0)
    ids, counts = np.unique(events["call"][kept], return_counts=True)
    if not len(ids):
        return np.zeros(len(calls), np.int64)
    at = np.minimum(np.searchsorted(ids, calls["call"]), len(ids) - 1)
    return np.where(ids[at] == calls["call"], counts[at], 0).astype(np.int64)
