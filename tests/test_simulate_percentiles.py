"""Percentiles are true whatever stalls: 20 scripted stall profiles in virtual time, against the server's own clock.

The truth is told by the other side: when the witness sent each answer, less when the plan meant the call to start.
A tool that measures from the real start of a call, as most do, leaves out the waiting and is off by orders.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.evidence.finalise import from_spools
from harness.evidence.history import History
from harness.rng import Stream
from harness.run import Options
from harness.run.prepare import prepare
from harness.run.simulated import simulate_in
from harness.run.simulation import Zygotes
from harness.scenario import load_scenario
from harness.slo import parse
from harness.slo.measure import measure
from harness.slo.rows import rows_of, spans_of
from harness.stats import quantile

SCENARIO = """
format: kato-harness/1
target: {{twin: {{service: 12ms, workers: parallel}}}}
load: {{rate: 60/s, mix: {{observe: 2, predict: 1}}, arrivals: {arrivals}, sessions: {{concurrent: {sessions}}}}}
phases: {{warmup: 1s, baseline: 1s, recovery: 8s, cooldown: 0s}}
faults:
{stalls}
"""
QUANTILES = (0.5, 0.9, 0.95, 0.99, 0.999)
PROFILES = range(1, 21)
EXACT = 0.001


def scripted(profile: int) -> str:
    """Stalls of 50 ms to 1.5 s, one to four of them, of a paused server or a dead upstream link, by the number."""
    draw = Stream(profile, "stalls").unit
    at_ms, lines = 2000, []
    for number in range(1 + profile % 4):
        length_ms = round(50 + 1450 * draw(2 * number) ** 2)
        lines.append(f"  - {{name: s{number}, kind: pause, at: baseline.end + {at_ms}ms, for: {length_ms}ms}}")
        at_ms += length_ms + round(200 + 800 * draw(2 * number + 1))
    return "\n".join(lines)


@pytest.fixture(scope="module")
def zygotes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygotes]:
    found = Zygotes(tmp_path_factory.mktemp("zygotes"))
    yield found
    found.close()


def played(folder: Path, profile: int, zygotes: Zygotes) -> History:
    text = SCENARIO.format(
        stalls=scripted(profile), arrivals=("constant", "poisson")[profile % 2], sessions=(20, 400)[profile % 3 == 0]
    )
    (folder / "scenario.yaml").write_text(text)
    prepared = prepare(load_scenario(folder / "scenario.yaml"), Options(integration="fast", seed=profile))
    (folder / "run" / "spool").mkdir(parents=True)
    manifest = simulate_in(folder / "run", prepared, zygotes.start)
    return from_spools(folder / "run" / "spool", manifest)


def truth_ns(history: History) -> NDArray[np.int64]:
    """By the server's clock: the answer to each judged call, less its intended start."""
    calls = history.calls.where(history.calls["outcome"].among("ok") & ~history.calls["op"].among("open_session"))
    judged = calls.where(calls["phase"].among("baseline", "recovery") | calls["phase"].starting("fault:"))
    replied = dict(zip(history.arrivals["call"].tolist(), history.arrivals["reply_ns"].tolist(), strict=True))
    times = [replied[call] for call in judged["call"].tolist()]
    return np.array(times) - judged["intended_ns"]


@pytest.mark.parametrize("profile", PROFILES)
def test_percentiles_are_exact_under_stalls(profile: int, zygotes: Zygotes, tmp_path: Path) -> None:
    """p50 to p99.9 and the maximum, each within 0.1 % of what the server saw."""
    history = played(tmp_path, profile, zygotes)
    truth = truth_ns(history) / 1e9
    assert len(truth) > 500
    assert truth.max() > 0.04
    for q in (*QUANTILES, 1.0):
        slo = parse(f"p({q * 100:g}) < 1s" if q < 1 else "max < 1s")
        rows, _ = rows_of(slo, history, spans_of(slo, history.phases))
        said = measure(slo, rows, 1.0, history)
        assert said.value == pytest.approx(quantile(truth, q), rel=EXACT), f"p{q * 100:g}"
