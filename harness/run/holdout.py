"""How far a plan is off where it can be held to something: two and four workers, planned from one's times, and run.

The plan is the queueing simulation's; the runs are of the embedded KATO with so many workers of the profile in virtual
time, under a client whose sessions make one call after the other and which doesn't use a connection again that was idle
for long. Which worker a connection gets is luck for both, so each is a mean over several of equal length.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from harness.capacity.planning import SEEDS, State, mean_s, over_seeds, ratios_over_seeds, state
from harness.capacity.queueing import WARM_UP, Demand, Fleet, Times
from harness.evidence import read_run
from harness.integrations.fast_wire import IDLE_NS
from harness.run.options import Options
from harness.run.planning import times_of
from harness.run.prepare import prepare
from harness.run.simulated import simulate
from harness.scenario import cells, load_scenario
from harness.slo.rows import MIXED
from harness.stats import Interval, quantile
from harness.twin.profiles import NAMED, load_profile

WORKERS = (2, 4)
BUSY = 0.5
"""The share of what the workers can do together that is offered."""
SESSIONS = 50
LENGTH_S = 30.0
"""Of a run and of a stretch of the plan, the share WARM_UP of it not counted."""
MOST_SPREAD = 2.0
"""A mean quantile whose interval is wider than this factor is too uncertain to hold a plan to."""
PLANNED = 40
"""Stretches that the plan is a mean over: one of them costs a hundredth of a run."""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """So many workers at so many calls/s: the plan of them, and the mean quantile (s) and goodput (calls/s) of runs."""

    workers: int
    runs: int
    rate: float
    planned: State
    quantile_s: float
    interval: Interval
    goodput: float
    goodput_interval: Interval

    @property
    def errors(self) -> tuple[float, float]:
        """Planned over measured, less one: of the quantile and of goodput."""
        return self.planned.quantile_s / self.quantile_s - 1, self.planned.goodput / self.goodput - 1

    @property
    def told(self) -> bool:
        """Whether the runs agree enough to hold a plan to them."""
        return self.interval.high <= MOST_SPREAD * self.interval.low


def held_out(profile: str, mix: Mapping[str, float], q: float, workers: Iterable[int] = WORKERS, busy: float = BUSY,
             runs: int = SEEDS) -> Iterator[HeldOut]:  # fmt: skip
    """Plan and run so many workers of the profile, on nodes without patterns; each is run so many times."""
    times = _as_kept(times_of(load_profile(profile), patterns=0))
    for count in workers:
        rate = round(busy * count / mean_s(Demand(1, SESSIONS, mix), times), 1)
        demand, calls = Demand(rate, SESSIONS, mix, in_turn=True), round(rate * LENGTH_S)
        planned = state(Fleet(1, count, "first"), demand, times, q, calls, PLANNED)
        found = [_run(profile, count, rate, mix, q, seed) for seed in range(1, runs + 1)]
        quantiles, goodputs = zip(*found, strict=True)
        yield HeldOut(count, runs, rate, planned, *ratios_over_seeds(quantiles), *over_seeds(goodputs))


def _as_kept(times: Times) -> Times:
    """The times with connections that last as long as the client keeps them, where the server keeps them longer."""
    kept_s = IDLE_NS / 1e9
    return replace(times, keep_alive_s=min(times.keep_alive_s or kept_s, kept_s))


def _run(profile: str, workers: int, rate: float, mix: Mapping[str, float], q: float, seed: int) -> tuple[float, float]:
    """The quantile of the response time (s) and the goodput (calls/s) of one run."""
    with tempfile.TemporaryDirectory() as name:
        file = _scenario(Path(name), profile, workers, rate, mix)
        (scenario,) = cells(load_scenario(file))
        done = simulate(prepare(scenario, Options(virtual=True, seed=seed, out=Path(name) / "run")))
        history = read_run(done.folder).history
    (span,) = history.phase("baseline")
    calls = history.calls.where(history.calls["op"].among(*MIXED) & history.calls["outcome"].among("ok"))
    calls = calls.where((calls["intended_ns"] >= span.start_ns) & (calls["intended_ns"] < span.end_ns))
    response_s = np.asarray(calls["end_ns"] - calls["intended_ns"]) / 1e9
    return quantile(response_s, q), len(calls) / ((span.end_ns - span.start_ns) / 1e9)


def _scenario(folder: Path, profile: str, workers: int, rate: float, mix: Mapping[str, float]) -> Path:
    """The files of a run of so many workers."""
    given = {"profile": profile} if profile in NAMED else json.loads(Path(profile).read_text())
    (folder / "workers.json").write_text(json.dumps(given | {"workers": workers}))
    file = folder / "workers.yaml"
    file.write_text(json.dumps({
        "format": "kato-harness/1", "question": "How quick are so many workers?", "integration": "fast",
        "target": {"url": "embedded", "profile": str(folder / "workers.json")},
        "load": {"rate": f"{rate:g}/s", "duration": f"{LENGTH_S:g}s", "arrivals": "poisson", "mix": dict(mix),
                 "sessions": {"concurrent": SESSIONS}},
        "phases": {"warmup": f"{WARM_UP * LENGTH_S:g}s", "cooldown": "0s"},
    }))  # fmt: skip
    return file


def line(found: HeldOut) -> str:
    """What was planned and found, for reading."""
    low, high = found.interval.low * 1e3, found.interval.high * 1e3
    off, goodput_off = found.errors
    held = f"planned {off:+.0%}" if found.told else "they differ too much to tell how far the plan is off"
    return (
        f"held to {found.runs} runs of {found.workers} workers at {found.rate:g}/s: {found.quantile_s * 1e3:.3g} ms "
        f"({low:.3g} to {high:.3g}), {held}; goodput {found.goodput:.4g}/s, planned {goodput_off:+.1%}"
    )
