"""The fleet that a load needs: what a queue's theory says, what a lost replica costs, what can't be planned by."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.capacity.planning import Aim, mean_s, plan_for, ratios_over_seeds, state
from harness.capacity.queueing import Demand, Fleet, Times
from harness.cli.capacity import capacity
from harness.errors import UsageError
from harness.run.planning import planned, times_of
from harness.twin.profiles import load_profile

STEADY = Times(kinds={"observe": (0.010, 0.0)})
ONE_KIND = {"observe": 1.0}


def test_the_mean_work_is_the_lognormals() -> None:
    """Median 10 ms, σ 0.5: mean 10 · e^0.125; a tenth of the time stood still makes it 1/0.9 of that."""
    times = Times(kinds={"observe": (0.010, 0.5)}, stall_every_s=1.0, stall_s=0.1)
    assert mean_s(Demand(1, 1, ONE_KIND), times) == pytest.approx(0.010 * 1.1331 / 0.9, rel=1e-4)


def test_one_worker_at_half_load_answers_as_a_queue_of_constant_service_does() -> None:
    """M/D/1 at 50 %: the mean response is s + ρs/2(1−ρ) = 15 ms (Pollaczek and Khinchine), so p95 lies above it."""
    found = state(Fleet(1, 1), Demand(50, 100, ONE_KIND), STEADY, 0.95, calls=2000)
    assert found.busy == pytest.approx(0.5, abs=0.05)
    assert 0.015 < found.interval.low < found.interval.high < 0.045


def test_least_pending_needs_no_more_replicas_than_turns_and_sessions() -> None:
    """Whoever knows where it is empty needs least; each answer holds with a replica lost too."""
    aim = Aim(0.95, 0.050, lose=1)
    answers = {answer.balance: answer for answer in plan_for(Demand(150, 100, ONE_KIND), STEADY, aim, 1, calls=1000)}
    sizes = {balance: answer.fleet.replicas for balance, answer in answers.items() if answer.fleet}
    assert sizes["least_pending"] <= sizes["round_robin"] <= sizes["session_hash"]
    assert all(answer.reduced and answer.reduced.serves(aim) for answer in answers.values())
    assert sizes["least_pending"] >= 3


def test_sessions_that_stay_on_one_worker_lose_no_update() -> None:
    """Law D5: two observes of a session at once on two workers overwrite each other; on one they queue."""
    aim = Aim(0.95, 0.1)
    lost = {a.balance: a.whole.lost for a in plan_for(Demand(150, 10, ONE_KIND), STEADY, aim, 1, calls=1000) if a.whole}
    assert lost["session_hash"] == 0
    assert lost["round_robin"] > 0


def test_calls_of_a_session_that_wait_for_one_another_take_no_second_worker() -> None:
    """150/s of 10 ms on one session: four workers carry them beside each other, and one by one a third is left over."""
    fleet, demand = Fleet(1, 4), Demand(150, 1, ONE_KIND)
    beside = state(fleet, demand, STEADY, 0.95, calls=1000)
    one_by_one = state(fleet, replace(demand, in_turn=True), STEADY, 0.95, calls=1000)
    assert beside.goodput == pytest.approx(150, rel=0.1)
    assert beside.interval.high < 0.1
    assert one_by_one.goodput < 102
    assert one_by_one.interval.low > 1.0
    assert beside.lost > one_by_one.lost == 0


def test_calls_of_different_sessions_do_not_wait_for_one_another() -> None:
    """A session for each call, or nearly: whether calls wait for those of their session changes hardly any."""
    demand = Demand(50, 100_000, ONE_KIND)
    one_by_one = state(Fleet(1, 1), replace(demand, in_turn=True), STEADY, 0.95, calls=2000)
    assert one_by_one.quantile_s == pytest.approx(state(Fleet(1, 1), demand, STEADY, 0.95, calls=2000).quantile_s)


def test_response_times_are_averaged_as_ratios() -> None:
    """Of 1, 10 and 100 s the middle is 10, and the interval lies evenly around its logarithm."""
    middle, interval = ratios_over_seeds([1.0, 10.0, 100.0])
    assert middle == pytest.approx(10)
    assert interval.low * interval.high == pytest.approx(100)
    assert interval.low > 0


def test_a_bound_below_the_service_time_is_served_by_no_fleet() -> None:
    """10 ms of work are never done in 5."""
    answers = plan_for(Demand(50, 10, ONE_KIND), STEADY, Aim(0.95, 0.005), 1, most=4, calls=300)
    assert all(answer.fleet is None for answer in answers)


def test_a_profile_becomes_what_a_worker_does() -> None:
    """KATO with 20 patterns: 17.6 ms an observe, 100 ms of standing still twice in 10 s, 99 connections."""
    times = times_of(load_profile("kato-1w"))
    assert times.kinds["observe"] == (0.0176, 0.22)
    assert (times.stall_every_s, times.stall_s, times.connections) == (5.0, 0.1, 99)


@pytest.mark.parametrize(
    ("slos", "profile", "words"),
    [
        (["error_rate < 1%"], "kato-1w", "one objective"),
        (["p(95) < 50ms", "p(99) < 1s"], "kato-1w", "one objective"),
        (["quick"], "kato-1w", "--slo"),
        (["p(95) < 50ms"], "instant", "no time at all"),
        (["p(95) < 50ms"], "kato-9w", "kato-9w"),
    ],
)
def test_what_cannot_be_planned_by_is_named(slos: list[str], profile: str, words: str) -> None:
    """One quantile and a profile with service times."""
    with pytest.raises(UsageError, match=words):
        planned(10, slos, 0, profile, 1, 10, ONE_KIND)


def test_the_command_line_answers_in_one_table_and_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile of 10 ms by file; exit 0 where a fleet serves, 1 where none does."""
    monkeypatch.setattr("harness.run.planning.CALLS", 400)
    profile = tmp_path / "kato.json"
    profile.write_text(json.dumps({"service": "10ms", "workers": 1}))
    asked = ["--plan-for", "100/s", "--lose", "1", "--profile", str(profile), "--slo", "p(95) < 60ms"]
    done = CliRunner().invoke(capacity, asked, standalone_mode=False)
    assert done.return_value == 0
    assert "p95 ms with 1 lost" in done.output
    assert "p95 ms one by one" in done.output
    rows = json.loads(CliRunner().invoke(capacity, [*asked, "--json"], standalone_mode=False).output)
    assert {row["balance"] for row in rows["answers"]} == {"session_hash", "round_robin", "least_pending"}
