"""The guide's services and the corrected ones, judged in virtual time: what each defect breaks, and who keeps it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from harness.laws.judge import Judgement
from harness.run import Options, shipped_scenario
from harness.run.many import Job, simulate_many
from harness.run.prepare import prepare
from harness.scenario import load_scenario

GUIDE = {
    ("guide-shop", "shop"): {"F1", "F2", "F3", "D6"},
    ("guide-chatbot", "chatbot"): {"F1", "F2", "F3", "D6"},
    ("guide-otel", "traced_virtual"): {"O1"},
}
FIXED = {
    ("fixed-shop", "shop"): {"F1", "F2", "F5"},
    ("fixed-chatbot", "chatbot"): {"F1", "F2", "F5"},
    ("fixed-otel", "traced_virtual"): {"O1"},
}
TEN = tuple(range(1, 11))
TRACED = """
format: kato-harness/1
topology: {collector: otlp}
load: {rate: 20/s, mix: {observe: 2, predict: 1}}
phases: {warmup: 1s, baseline: 3s, recovery: 4s}
faults:
  - {name: burst, kind: status, status: 503, only: {share: 0.3}, at: baseline.end, for: 3s}
  - {name: outage, kind: refuse, at: burst.end + 1s, for: 1s}
"""


def judged(folder: Path, pairs: Iterable[tuple[str, str]], seeds: Iterable[int]) -> dict[tuple[str, int], Judgement]:
    """The judgement of each integration under its scenario, for each seed."""
    (folder / "traced.yaml").write_text(TRACED)
    jobs, names = [], []
    for integration, scenario in pairs:
        path = folder / "traced.yaml" if scenario == "traced_virtual" else shipped_scenario(scenario)
        for seed in seeds:
            names.append((integration, seed))
            jobs.append(Job(prepare(load_scenario(path), Options(integration=integration, seed=seed))))
    found = {}
    for name, result in zip(names, simulate_many(jobs), strict=True):
        assert result.judgement is not None, (name, result.error)
        found[name] = result.judgement
    return found


def failed(judgement: Judgement) -> set[str]:
    return {verdict.law for verdict in judgement.verdicts if verdict.status == "fail"}


def proven(judgement: Judgement) -> set[str]:
    return {verdict.law for verdict in judgement.verdicts if verdict.status == "pass"}


def test_each_guide_service_breaks_the_laws_of_its_defects(tmp_path: Path) -> None:
    """With witnesses."""
    found = judged(tmp_path, GUIDE, (1,))
    for (name, _), laws in GUIDE.items():
        judgement = found[name, 1]
        assert laws <= failed(judgement), name
        assert all(v.witnesses for v in judgement.verdicts if v.law in laws)


def test_each_corrected_service_keeps_them(tmp_path: Path) -> None:
    """And proves it: the faults were felt."""
    found = judged(tmp_path, FIXED, (1,))
    for (name, _), laws in FIXED.items():
        assert laws <= proven(found[name, 1]), name
        assert found[name, 1].exit_code == 0, (name, failed(found[name, 1]))


@pytest.mark.slow
def test_corrected_services_keep_them_ten_times_of_ten(tmp_path: Path) -> None:
    """Whatever the seed; and the guide's break theirs each time."""
    for (name, seed), judgement in judged(tmp_path, FIXED, TEN).items():
        assert judgement.exit_code == 0, (name, seed, failed(judgement))
    laws = {name: expected for (name, _), expected in GUIDE.items()}
    for (name, seed), judgement in judged(tmp_path, GUIDE, TEN).items():
        assert laws[name] <= failed(judgement), (name, seed)


SERVICES = Path(__file__).parent.parent / "scenarios" / "services"


@pytest.mark.parametrize(("name", "environment"), [("front", "guide"), ("health", "tcp")])
def test_scenarios_of_services_read_in_every_environment(name: str, environment: str) -> None:
    """They carry no policy, as all shipped ones."""
    for env in (None, environment):
        assert not load_scenario(SERVICES / f"{name}.yaml", env=env).policy
