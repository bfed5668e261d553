"""A load asks of a client what it can do."""

from __future__ import annotations

from pathlib import Path

import pytest
from law_cases import promise

from harness.errors import ScenarioError
from harness.evidence.history import History
from harness.laws.case import Case
from harness.laws.findings import findings_of
from harness.model import Load
from harness.run.options import Options
from harness.run.prepare import Prepared, carried, prepare
from harness.scenario import load_scenario

FILE = """
format: kato-harness/1
question: What does a client do that can only observe?
load: {rate: 1/s, mix: {observe: 2, predict: 1, learn: 0.5}}
phases: {warmup: 1s}
"""
MIX = Load(stages=(), mix={"observe": 2, "predict": 1, "learn": 0.5})


@pytest.fixture
def prepared(tmp_path: Path) -> Prepared:
    file = tmp_path / "only.yaml"
    file.write_text(FILE)
    return prepare(load_scenario(file), Options(integration="reference"))


def test_calls_for_which_the_client_has_no_method_are_left_out(prepared: Prepared) -> None:
    """Their users would wait until the end of the run; the others keep their weights."""
    assert carried(prepared, MIX, {"methods": ["observe", "open_session"]}).mix == {"observe": 2}
    assert carried(prepared, MIX, {"methods": ["observe", "predict", "learn"]}) == MIX


def test_what_was_left_out_is_a_finding() -> None:
    """Else the reader takes silence for a pass."""
    history = History.literal((), {"left_out": ["learn"]}, calls="call op\n1 observe")
    (found,) = [each for each in findings_of(Case(history, promise())) if each.rule == "load"]
    assert (found.where, found.severity) == ("learn", "warn")


def test_a_load_of_which_nothing_is_left_is_refused_with_its_place(prepared: Prepared) -> None:
    """A client that can only observe, and a load of predictions."""
    load = Load(stages=(), mix={"predict": 1})
    with pytest.raises(
        ScenarioError, match=r"only\.yaml:4:\d+: the load makes calls .* no method: predict\(session_id\)"
    ):
        carried(prepared, load, {"methods": ["observe"]})


def test_a_recorded_schedule_is_kept_whole_or_refused(prepared: Prepared, tmp_path: Path) -> None:
    """Its lines name calls of their own, or none."""
    (tmp_path / "day.jsonl").write_text('{"at": 0}\n{"at": 1, "op": "predict"}\n')
    load = Load(stages=(), mix={"observe": 2}, replay=str(tmp_path / "day.jsonl"))
    with pytest.raises(ScenarioError, match=r"predict\(session_id\)"):
        carried(prepared, load, {"methods": ["observe"]})
    assert carried(prepared, load, {"methods": ["observe", "predict"]}) == load
