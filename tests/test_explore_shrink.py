"""`shrink` end to end in virtual time: what it writes fails the same law on its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cli import main

SCENARIO = """
format: kato-harness/1
load: {rate: 20/s, mix: {observe: 2, predict: 1}, sessions: {concurrent: 10}}
phases: {warmup: 1s, baseline: 1s, recovery: 2s, cooldown: 0s}
faults:
  - {name: slow, kind: latency, latency: 100ms, at: baseline.end, for: 1s}
  - {name: burst, kind: status, status: 503, at: slow.end + 1s, for: 1s}
"""


def code_of(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    assert isinstance(caught.value.code, int)
    return caught.value.code


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a client whose breaker doesn't count 503."""
    folder = tmp_path_factory.mktemp("shrink")
    (folder / "two.yaml").write_text(SCENARIO)
    out = str(folder / "run")
    assert code_of("run", str(folder / "two.yaml"), "--integration", "guide-pybreaker", "--virtual", "--out", out) == 1
    return folder / "run"


def test_a_failure_shrinks_to_a_scenario_that_fails_alone(failed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert code_of("shrink", str(failed), "--law", "B3", "--most", "40", "--json") == 0
    (found,) = json.loads(capsys.readouterr().out)["shrunk"]
    assert found["faults"] == 1 and found["tried"] <= 40
    assert code_of("run", found["file"], "--virtual", "--out", str(failed.parent / "again")) == 1
    verdicts = json.loads((failed.parent / "again" / "verdicts.json").read_text())["verdicts"]
    assert [each["law"] for each in verdicts if each["status"] == "fail" and each["required"]] == ["B3"]


def test_what_does_not_come_back_is_said(failed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The evidence of a failed run, and a client that keeps the law: as if it had been a matter of real time."""
    run = tmp_path / "run"
    run.mkdir()
    for part in ("tables", "spool"):
        (run / part).symlink_to(failed / part)
    manifest = json.loads((failed / "manifest.json").read_text())
    manifest["run"]["integration"] = "fixed-pybreaker"
    (run / "manifest.json").write_text(json.dumps(manifest))
    assert code_of("shrink", str(run), "--law", "B3") == 5
    assert "did not come back in virtual time with 5 seeds" in capsys.readouterr().out


def test_a_law_that_held_is_nothing_to_shrink(failed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert code_of("shrink", str(failed), "--law", "B2") == 4
    assert "B2 says" in capsys.readouterr().err
    assert code_of("shrink", str(failed), "--law", "B99") == 4
