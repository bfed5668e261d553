"""A load asks of a client what it can do."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import ScenarioError
from harness.model import Load
from harness.run.options import Options
from harness.run.prepare import Prepared, check_methods, prepare
from harness.scenario import load_scenario

FILE = """
format: kato-harness/1
question: What does a client do that can only observe?
load: {rate: 1/s, mix: {observe: 2, predict: 1, learn: 0.5}}
phases: {warmup: 1s}
"""


@pytest.fixture
def prepared(tmp_path: Path) -> Prepared:
    file = tmp_path / "only.yaml"
    file.write_text(FILE)
    return prepare(load_scenario(file), Options(integration="reference"))


def said(prepared: Prepared, load: Load, methods: list[str]) -> str:
    """What is wrong with this load for a client of these methods, '' for nothing."""
    try:
        check_methods(prepared, load, {"methods": methods})
    except ScenarioError as error:
        return str(error)
    return ""


def test_calls_for_which_the_client_has_no_method_are_named_with_their_place_and_the_cure(prepared: Prepared) -> None:
    """Else their users wait until the end of the run, and nobody says why."""
    load = Load(stages=(), mix={"observe": 2, "predict": 1, "learn": 0.5})
    wrong = said(prepared, load, ["observe", "open_session"])
    assert "only.yaml:4:24: the load makes calls for which" in wrong
    assert "learn(session_id) and predict(session_id)" in wrong
    assert "load: {mix: {observe: 2}}" in wrong
    assert said(prepared, load, ["observe", "predict", "learn"]) == ""
    assert said(prepared, Load(stages=(), mix={"observe": 2}), ["observe"]) == ""


def test_a_recorded_schedule_may_ask_for_more_than_the_mix(prepared: Prepared, tmp_path: Path) -> None:
    """Its lines name calls of their own, or none."""
    (tmp_path / "day.jsonl").write_text('{"at": 0}\n{"at": 1, "op": "predict"}\n')
    load = Load(stages=(), mix={"observe": 2}, replay=str(tmp_path / "day.jsonl"))
    assert "predict(session_id)" in said(prepared, load, ["observe"])
    assert said(prepared, load, ["observe", "predict"]) == ""
