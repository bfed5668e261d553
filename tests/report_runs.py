"""Synthetic runs for the report's tests: seeded, shaped like a demo run, of any length.

The client is a retrying one behind a breaker; it meets a latency step, a burst of 503, an outage, and recovers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from report_words import OUTCOMES, manifest_of

from harness.evidence import Run
from harness.evidence.history import History, table
from harness.evidence.table import Table, Words
from harness.model import Span

S = 1_000_000_000
MS = 1_000_000
START = 5_000 * S
STAGES = (
    ("warmup", 2),
    ("baseline", 8),
    ("fault:latency_step", 6),
    ("recovery", 4),
    ("fault:burst_503", 5),
    ("recovery", 4),
    ("fault:outage", 6),
    ("recovery", 8),
    ("cooldown", 1),
)
KINDS = {"latency_step": "latency", "burst_503": "status", "outage": "refuse"}


@dataclass(frozen=True)
class Shape:
    """How each call of the run went, as arrays of one length."""

    intended: NDArray[np.int64]
    service: NDArray[np.int64]
    outcome: NDArray[np.int64]
    tries: NDArray[np.int64]
    phases: tuple[Span, ...]
    names: tuple[str, ...] = field(default=OUTCOMES)


def demo_run(rate: float = 20.0, stretch: float = 1.0, seed: int = 7) -> Run:
    """A run of 44 s · `stretch` at `rate` calls/s with every table filled."""
    shape = _shape(rate, stretch, seed)
    calls = _calls(shape)
    history = History(
        calls=calls,
        attempts=_attempts(shape),
        arrivals=_arrivals(shape),
        faults=_faults(shape.phases),
        canary=table("canary", {"listener": ["kato"], "start_ns": [START], "end_ns": [START + MS], "outcome": ["ok"]}),
        breaker=_breaker(shape.phases),
        samples=_samples(shape.phases),
        phases=shape.phases,
        facts={"oracle": "twin", "leftovers": [], "hooks": ["httpx"], "injector_error_ns": 3 * MS},
    )
    return Run(Path("demo-run"), manifest_of(calls, shape.outcome, shape.phases, seed), history)


def _shape(rate: float, stretch: float, seed: int) -> Shape:
    rng = np.random.default_rng(seed)
    phases = _phases(stretch)
    total = phases[-1].end_ns - START
    size = int(total / S * rate)
    intended = START + (np.arange(size) * (S / rate)).astype(np.int64)
    service = (rng.lognormal(np.log(18.0), 0.35, size) * MS).astype(np.int64)
    outcome = np.zeros(size, np.int64)
    tries = np.ones(size, np.int64)
    for span in phases:
        mine = np.flatnonzero((intended >= span.start_ns) & (intended < span.end_ns))
        progress = (intended[mine] - span.start_ns) / (span.end_ns - span.start_ns)
        if span.name == "fault:latency_step":
            service[mine] += (300 + 60 * rng.standard_normal(len(mine))).astype(np.int64) * MS
            late = mine[rng.random(len(mine)) < 0.04]
            service[late], outcome[late] = 1_000 * MS, 2
        elif span.name == "fault:burst_503":
            hit = mine[rng.random(len(mine)) < 0.7]
            tries[hit] = rng.integers(2, 4, len(hit))
            service[hit] += (tries[hit] - 1) * (200 * MS)
            outcome[hit[tries[hit] == 3]] = 1
        elif span.name == "fault:outage":
            rejected = progress > 0.1
            outcome[mine], service[mine], tries[mine] = 1, 420 * MS, 3
            shut = mine[rejected]
            outcome[shut] = np.where(rng.random(len(shut)) < 0.3, 4, 3)
            service[shut], tries[shut] = rng.integers(60_000, 400_000, len(shut)), 0
    return Shape(intended, service, outcome, tries, phases)


def _phases(stretch: float) -> tuple[Span, ...]:
    edges = START + (np.cumsum([0, *(length for _, length in STAGES)]) * S * stretch).astype(np.int64)
    return tuple(Span(name, int(edges[i]), int(edges[i + 1])) for i, (name, _) in enumerate(STAGES))


def _calls(shape: Shape) -> Table:
    size = len(shape.intended)
    rng = np.random.default_rng(1)
    ready = shape.intended + (rng.random(size) < 0.02) * rng.integers(0, 30 * MS, size)
    start = ready + rng.integers(60_000, 1_600_000, size)
    edges = [span.start_ns for span in shape.phases]
    names = tuple(dict.fromkeys(span.name for span in shape.phases))
    code_of = np.array([names.index(span.name) for span in shape.phases], np.int32)
    phase = code_of[np.searchsorted(edges, shape.intended, side="right") - 1]
    errors = ("", "5xx", "read_timeout", "breaker_open")
    error = np.array([0, 1, 2, 3, 3, 0, 0], np.int32)[shape.outcome]
    sessions = tuple(f"s{n:03d}" for n in range(24))
    return table(
        "calls",
        {
            "call": np.arange(1, size + 1),
            "op": Words((np.arange(size) % 4 == 3).astype(np.int32), ("observe", "predict")),
            "session": Words((np.arange(size) % 24).astype(np.int32), sessions),
            "intended_ns": shape.intended,
            "ready_ns": ready,
            "start_ns": start,
            "end_ns": start + shape.service,
            "outcome": Words(shape.outcome.astype(np.int32), shape.names),
            "error": Words(error, errors),
            "status": np.array([200, 503, 0, 0, 0, 0, 0])[shape.outcome],
            "phase": Words(phase, names),
        },
    )


def _attempts(shape: Shape) -> Table:
    call = np.repeat(np.arange(1, len(shape.tries) + 1), shape.tries)
    number = np.arange(len(call)) - np.repeat(np.cumsum(shape.tries) - shape.tries, shape.tries) + 1
    each = shape.service[call - 1] // np.maximum(shape.tries[call - 1], 1)
    start = shape.intended[call - 1] + 1_700_000 + (number - 1) * each
    last = number == shape.tries[call - 1]
    good = last & (shape.outcome[call - 1] == 0)
    outage = shape.phases[6]
    refused = ~good & (start >= outage.start_ns) & (start < outage.end_ns)
    lost = ~good & (shape.outcome[call - 1] == 2)
    result = np.where(refused, 1, np.where(lost, 2, 0)).astype(np.int32)
    return table(
        "attempts",
        {
            "call": call,
            "attempt": number,
            "start_ns": start,
            "headers_ns": start + each * 8 // 10,
            "end_ns": start + np.where(last, each, np.minimum(each, 40 * MS)),
            "result": Words(result, ("", "connect_error", "read_timeout")),
            "status": np.where(result > 0, 0, np.where(good, 200, 503)),
            "connection": call % 10,
            "reused": np.ones(len(call)),
            "via": Words(np.zeros(len(call), np.int32), ("httpx",)),
        },
    )


def _arrivals(shape: Shape) -> Table:
    attempts = _attempts(shape)
    reached = attempts.where(attempts["result"].codes != 1)
    good = reached["status"] == 200
    size = len(reached)
    paired = np.where(np.arange(size) % 97 == 5, 1, 0).astype(np.int32)
    return table(
        "arrivals",
        {
            "call": reached["call"],
            "attempt": reached["attempt"],
            "op": Words(np.zeros(size, np.int32), ("observe",)),
            "arrive_ns": reached["start_ns"] + 700_000,
            "reply_ns": np.where(reached["result"].codes == 2, 0, reached["end_ns"] - 600_000),
            "status": reached["status"],
            "commit_seq": np.where(good, np.cumsum(good), 0),
            "fault": Words(np.where(reached["status"] == 503, 1, 0).astype(np.int32), ("", "burst_503")),
            "paired_by": Words(paired, ("header", "time")),
        },
    )


def _faults(phases: tuple[Span, ...]) -> Table:
    faults = [span for span in phases if span.name.startswith("fault:")]
    names = [span.name.removeprefix("fault:") for span in faults]
    starts = np.array([span.start_ns for span in faults])
    return table(
        "faults",
        {
            "name": names,
            "kind": [KINDS[name] for name in names],
            "where": ["toxiproxy:kato", "witness", "toxiproxy:kato"],
            "params": ['{"latency": 0.3, "jitter": 0.06}', '{"status": 503, "share": 0.7}', "{}"],
            "planned_ns": starts,
            "requested_ns": starts + 200_000,
            "applied_ns": starts + 3 * MS,
            "effective_ns": starts + 9 * MS,
            "felt_ns": starts + np.array([31, 48, 22]) * MS,
            "cleared_ns": np.array([span.end_ns for span in faults]) + 4 * MS,
        },
    )


def _breaker(phases: tuple[Span, ...]) -> Table:
    outage, after = phases[6], phases[7]
    third = (outage.end_ns - outage.start_ns) // 3
    edges = [
        START,
        outage.start_ns + third // 3,
        after.start_ns + third // 2,
        after.start_ns + third // 2 + 200 * MS,
        phases[-1].end_ns,
    ]
    states = ["closed", "open", "half_open", "closed"]
    both = ["inferred"] * 4 + ["listener"] * 4
    return table(
        "breaker",
        {"source": both, "state": states * 2, "from_ns": edges[:-1] * 2, "to_ns": edges[1:] * 2, "worker": [1] * 8},
    )


def _samples(phases: tuple[Span, ...]) -> Table:
    rng = np.random.default_rng(3)
    times = np.arange(START + S, phases[-1].end_ns, S)
    names = ("generator", "witness", "toxiproxy")
    process = np.tile(np.arange(3, dtype=np.int32), len(times))
    size = len(process)
    return table(
        "samples",
        {
            "process": Words(process, names),
            "time_ns": np.repeat(times, 3),
            "cpu": np.array([0.31, 0.22, 0.05])[process] + 0.03 * rng.random(size),
            "rss": np.full(size, 90 << 20),
            "lag_ns": rng.integers(100_000, 2_500_000, size),
            "busy": rng.random(size) * 0.3,
            "in_integration": rng.random(size) * 0.6,
        },
    )
