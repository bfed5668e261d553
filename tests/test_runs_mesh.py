"""Real runs behind meshes, registries and several replicas: which laws tell the guide's ways from corrected ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from test_runs import _kato_harness

pytestmark = [pytest.mark.sockets, pytest.mark.slow]


def judged(folder: Path, scenario: str, integration: str, *more: str) -> tuple[int, dict[str, dict[str, Any]], str]:
    """Exit code, verdicts by law, and what the terminal said."""
    done = _kato_harness("run", scenario, "--integration", integration, *more, "--out", str(folder / "run"))
    found = json.loads((folder / "run" / "verdicts.json").read_text())["verdicts"]
    return done.returncode, {verdict["law"]: verdict for verdict in found}, done.stdout


CASES = [
    ("discovery_consul", "guide-consul", "", {"S2", "S3", "T1"}, {"S1"}),
    ("discovery_consul", "fixed-consul", "", set(), {"S1", "S2", "S3"}),
    ("discovery_consul", "fixed-consul", "blind", {"S1"}, {"S2"}),
    ("discovery_address", "guide-consul", "", {"S5"}, set()),
    ("discovery_address", "fixed-consul", "", set(), {"S5"}),
    ("discovery_dns", "guide-requests", "", {"S4"}, set()),
    ("discovery_dns", "fixed-dns", "", set(), {"S4"}),
    ("mesh_bad_endpoint", "fixed-requests", "guide", {"D2", "I1", "I3", "I4", "I5", "T4"}, {"I2"}),
    ("mesh_bad_endpoint", "fixed-requests", "", set(), {"I1", "I2", "I4", "I5", "T4", "T5"}),
    ("replicas_uneven", "reference", "", set(), {"D1", "D6", "R1", "R2"}),
    ("replicas_rolling", "reference", "", set(), {"D6"}),
    ("replicas_sticky", "reference", "", set(), {"D5"}),
    ("replicas_sticky", "reference", "spread", {"D1", "D5"}, {"D6"}),
]
"""Scenario, client, environment, the laws that fail and some that pass."""


@pytest.mark.parametrize(("scenario", "client", "env", "broken", "kept"), CASES)
def test_the_laws_that_fail_are_the_ones_named(
    scenario: str, client: str, env: str, broken: set[str], kept: set[str], tmp_path: Path
) -> None:
    """And no others."""
    code, verdicts, said = judged(tmp_path, scenario, client, *(("--env", env) if env else ()))
    assert {law for law, verdict in verdicts.items() if verdict["status"] == "fail"} == broken, said
    assert {law for law in kept if verdicts[law]["status"] == "pass"} == kept, said
    assert code == (1 if broken else 0), said
    if scenario.startswith("discovery"):
        assert any(words in said for words in ("Consul: stand-in", "Consul: consul ", "DNS: stub resolver"))


def test_the_guides_mesh_fails_by_the_findings_of_its_files(tmp_path: Path) -> None:
    """One run names what the audit names, and what comes of it."""
    _, verdicts, _ = judged(tmp_path, "mesh_bad_endpoint", "fixed-requests", "--env", "guide")
    for rule in (
        "I3/route-without-timeout",
        "I4/consecutive-errors-dropped",
        "I4/ejects-nobody",
        "I5/subset-without-pods",
        "R8/post-sent-again",
        "T4/caller-gives-up-first",
    ):
        assert rule in verdicts["I1"]["reason"]
    assert "more than maxEjectionPercent 10 %" in verdicts["I4"]["reason"]
    assert "no pod carries the labels of subset `high-performance`" in verdicts["I5"]["reason"]
    assert "no time-out on route" in verdicts["I3"]["reason"]
    assert verdicts["T5"]["status"] == "warn"
