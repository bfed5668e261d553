"""A recorded schedule is offered again to the nanosecond, bursts and all; one that can't be read is named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data import read_schedule
from harness.errors import ScenarioError
from harness.evidence.run import Run, read_run
from harness.laws.judge import judge_run
from harness.model import Load, Stage
from harness.plan import Plan
from harness.policy import Policy
from harness.report import FORMATS
from harness.run import Options
from harness.run.prepare import prepare
from harness.run.simulated import simulate
from harness.scenario import load_scenario, resolve

BURSTS = """
format: kato-harness/1
load:
  rate: [{hold: 10/s, for: 3s}, {spike: 150/s, for: 1s}, {hold: 10/s, for: 2s}]
  arrivals: poisson
  mix: {observe: 3, predict: 1}
phases: {warmup: 1s, cooldown: 0s}
"""
AGAIN = """
format: kato-harness/1
load: {replay: schedule.jsonl, mix: {observe: 1}}
phases: {warmup: 1s, cooldown: 0s}
"""
S = 1_000_000_000


@given(st.lists(st.integers(0, 10**15 - 1), min_size=1, max_size=40), st.integers(1, 8))
def test_a_schedule_is_kept_to_the_nanosecond_by_any_number_of_workers(
    tmp_path_factory: pytest.TempPathFactory, offsets: list[int], workers: int
) -> None:
    """Up to eleven days, written as seconds."""
    path = tmp_path_factory.mktemp("s") / "a.jsonl"
    path.write_text("".join(json.dumps({"at": offset / 1e9}) + "\n" for offset in offsets))
    plan = Plan.of(Load(stages=(Stage(0, 0, 10**15),), replay=str(path), sessions=7), 3)
    found = sorted(call.offset_ns for worker in range(workers) for call in plan.calls(worker, workers))
    assert found == sorted(offsets)


def _played(folder: Path, text: str) -> Run:
    folder.mkdir(exist_ok=True)
    (folder / "s.yaml").write_text(text)
    options = Options(integration="fast", virtual=True, out=folder / "run")
    return read_run(simulate(prepare(load_scenario(folder / "s.yaml"), options)).folder)


def _schedule(run: Run) -> list[tuple[int, str]]:
    rows = run.history.calls.where(~run.history.calls["op"].among("open_session")).sorted_by("intended_ns", "call")
    return list(zip((rows["intended_ns"] - run.manifest["start_ns"]).tolist(), rows["op"].tolist(), strict=True))


def test_a_run_with_a_burst_is_recorded_and_offered_again(tmp_path: Path) -> None:
    """The burst is in the first run's evidence; the second one, whose mix says otherwise, has the same calls at the
    same nanosecond, and the gates hold for it."""
    first = _played(tmp_path / "first", BURSTS)
    recorded = _schedule(first)
    at = np.array([offset for offset, _ in recorded])
    assert 110 <= ((at >= 3 * S) & (at < 4 * S)).sum() <= 190
    assert ((at >= 4 * S) & (at < 6 * S)).sum() < 45
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "schedule.jsonl").write_bytes(FORMATS["schedule"].render(first, judge_run(first)))
    again = _played(tmp_path / "again", AGAIN)
    assert _schedule(again) == recorded
    assert {v.law: v.status for v in judge_run(again).verdicts if v.law in ("X2", "X3")} == {"X2": "pass", "X3": "pass"}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("soon", "a.jsonl:2: not an arrival"),
        ("[1]", "a.jsonl:2: not an arrival"),
        ('{"op": "observe"}', "a.jsonl:2: not an arrival"),
        ('{"at": -1}', "a.jsonl:2: `at` is a number"),
        ('{"at": true}', "a.jsonl:2: `at` is a number"),
        ('{"at": 1795496333}', "a.jsonl:2: `at` is a number"),
        ('{"at": 1, "op": "delete"}', "a.jsonl:2: there is no call 'delete'"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, words: str) -> None:
    """File and line, by the reader and by whoever resolves the scenario."""
    (tmp_path / "a.jsonl").write_text('{"at": 0}\n' + line + "\n")
    with pytest.raises(ValueError, match=words.replace("(", r"\(")):
        read_schedule(str(tmp_path / "a.jsonl"))
    (tmp_path / "s.yaml").write_text("format: kato-harness/1\nintegration: fast\nload: {replay: a.jsonl}\n")
    with pytest.raises(ScenarioError, match="can't be read"):
        resolve(load_scenario(tmp_path / "s.yaml"), Policy())


def test_an_empty_or_missing_schedule_is_a_problem_of_the_scenario(tmp_path: Path) -> None:
    """With the command that writes one."""
    (tmp_path / "s.yaml").write_text("format: kato-harness/1\nintegration: fast\nload: {replay: a.jsonl}\n")
    for text in (None, "\n"):
        if text is not None:
            (tmp_path / "a.jsonl").write_text(text)
        with pytest.raises(ScenarioError, match="--format schedule"):
            resolve(load_scenario(tmp_path / "s.yaml"), Policy())


def test_the_rates_of_a_schedule_are_held_to_the_guards(tmp_path: Path) -> None:
    """A second with 300 calls in it is a rate of 300/s."""
    (tmp_path / "a.jsonl").write_text("".join(f'{{"at": {2 + n / 300}}}\n' for n in range(300)))
    text = "format: kato-harness/1\nintegration: fast\nload: {replay: a.jsonl}\nguards: {max_rate: 200/s}\n"
    (tmp_path / "s.yaml").write_text(text)
    with pytest.raises(ScenarioError, match=r"300/s is above guards\.max_rate 200/s"):
        resolve(load_scenario(tmp_path / "s.yaml"), Policy())
