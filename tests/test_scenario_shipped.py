"""The shipped scenarios: each asks a question, fits its time, carries no policy, and the editors' schema knows it."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest

from harness.policy import Breaker, Policy, Retry, Timeout
from harness.scenario import json_schema, load_scenario, resolve
from harness.scenario.nodes import parse, plain
from harness.scenario.promises import longest_timeout_s

FILES = sorted((Path(__file__).parent.parent / "scenarios").glob("*.yaml"))
NAMES = {
    "demo",
    "steady",
    "outage",
    "black_hole",
    "latency_step",
    "jitter",
    "slow_drip",
    "flapping",
    "reset_storm",
    "burst_5xx",
    "retry_after",
    "lost_reply",
    "brownout",
    "freeze",
    "long_outage",
}
FAST = {
    "breaker": Policy(timeout=Timeout(1.0, 1.0, 1.0, 1.0), breaker=Breaker(fail_max=5, reset_timeout=6.0)),
    "retries": Policy(timeout=Timeout(read=0.5, total=2.0), retry=Retry(max_attempts=3)),
    "httpx": Policy(timeout=Timeout(3.0, 3.0, 3.0, 3.0, 3.0)),
    "nothing": Policy(),
}
"""Promises of the guide's clients at a tenth of its times."""


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_shipped_scenario_asks_a_question_in_its_first_line(path: Path) -> None:
    """After the format; and it is a question."""
    head, question, *_ = path.read_text().splitlines()
    assert head == "format: kato-harness/1"
    assert question.startswith("question: ")
    assert "?" in question


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_shipped_scenario_carries_no_policy_and_offers_what_httpx_carries(path: Path) -> None:
    """20/s, and rate × longest time-out at most 80; a scenario that is hungrier says so."""
    scenario = load_scenario(path)
    assert not scenario.policy
    if "hungrier" not in scenario.question:
        assert scenario.load.rate == 20.0
        assert all(20.0 * longest_timeout_s(policy) <= 80 for policy in FAST.values())


@pytest.mark.parametrize("promise", FAST)
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_shipped_scenario_fits_its_time_at_a_tenth_of_the_guides(path: Path, promise: str) -> None:
    """What is left of 40 s is for start, drain and judging; freeze is a minute by definition."""
    timeline = resolve(load_scenario(path), FAST[promise], scale=0.1)
    most = {"demo": 30, "freeze": 60}.get(path.stem, 33)
    assert timeline.end_ns <= most * 10**9
    assert any(span.name == "baseline" and span.end_ns - span.start_ns >= 3 * 10**9 for span in timeline.phases)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_shipped_scenario_runs_at_the_guides_own_times(path: Path) -> None:
    """The same files with 10, 30 and 60 s stay under the ceilings."""
    policy = Policy(timeout=Timeout(connect=10.0, read=10.0), breaker=Breaker(fail_max=5, reset_timeout=60.0))
    assert resolve(load_scenario(path), policy).end_ns < 600 * 10**9


def test_all_named_scenarios_are_there() -> None:
    """Scripts rely on these names."""
    assert {path.stem for path in FILES} >= NAMES


def test_freeze_is_the_figure_that_is_measured() -> None:
    """5 s of pause at the gate in 60 s at 100/s over 20 ms parallel service; sessions outlast the pause."""
    scenario = load_scenario(next(path for path in FILES if path.stem == "freeze"))
    timeline = resolve(scenario, Policy(), scale=0.1)
    (fault,) = timeline.faults
    assert (fault.kind, fault.for_ns, timeline.end_ns) == ("pause", 5 * 10**9, 60 * 10**9)
    assert (scenario.load.rate, scenario.target.twin.service, scenario.target.twin.workers) == (100.0, 0.02, "parallel")
    assert timeline.load.sessions >= 100 * 5


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_editors_schema_accepts_a_shipped_scenario(path: Path) -> None:
    """The schema is made from the table that reads: what loads is valid."""
    jsonschema.validate(plain(parse(path.read_text(), str(path))), json_schema())


def test_the_editors_schema_is_a_schema_and_refuses_typos() -> None:
    """Draft 2020-12; unknown keys and wrong shapes are marked in the editor."""
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    for bad in (
        {},
        {"format": "kato-harness/1", "sead": 1},
        {"format": "kato-harness/1", "faults": [{"kind": "refus"}]},
        {"format": "kato-harness/1", "load": {"rate": 40}},
        {"format": "kato-harness/1", "environments": {"ci": {"x": 1}}},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(bad, schema)
