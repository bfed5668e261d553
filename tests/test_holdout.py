"""A plan held to runs: what is planned and found, by how much they differ, and how that is said."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.capacity.planning import State
from harness.run import holdout
from harness.run.holdout import HeldOut, held_out, line
from harness.stats import Interval

RATE = 50.0


def _state(quantile_s: float, goodput: float) -> State:
    near, around = Interval(quantile_s * 0.9, quantile_s * 1.1), Interval(goodput * 0.9, goodput * 1.1)
    return State(quantile_s, near, goodput, around, refused=0.0, lost=0.0, connections=3, busy=0.5)


def test_a_plan_of_one_worker_is_near_its_runs_and_both_are_of_the_rate_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """10 ms of constant work, half of it offered: p95 of M/D/1 at 50 % is 31 ms (Crommelin), and 50/s are done."""
    monkeypatch.setattr(holdout, "LENGTH_S", 20.0)
    monkeypatch.setattr(holdout, "SEEDS", 2)
    profile = tmp_path / "ten.json"
    profile.write_text(json.dumps({"service": "10ms"}))
    (found,) = held_out(str(profile), {"observe": 1.0}, 0.95, workers=(1,), busy=0.5)
    assert found.rate == RATE
    assert found.planned.quantile_s == pytest.approx(0.031, rel=0.1)
    off, goodput_off = found.errors
    assert abs(off) < 0.3
    assert abs(goodput_off) < 0.1


def test_the_error_is_what_was_planned_over_what_was_measured() -> None:
    """150 ms planned and 100 found are half too much; 45/s planned and 50 found a tenth too little."""
    found = HeldOut(2, 4, RATE, _state(0.150, 45.0), 0.100, Interval(0.090, 0.110), 50.0, Interval(49.0, 51.0))
    assert found.errors == pytest.approx((0.5, -0.1))
    assert line(found).endswith("100 ms (90 to 110), planned +50%; goodput 50/s, planned -10.0%")


def test_a_plan_is_not_held_to_runs_that_differ_by_factors() -> None:
    """Twice as wide as low is the most that tells anything."""
    runs = HeldOut(4, 4, RATE, _state(0.150, 45.0), 0.300, Interval(0.100, 0.200), 50.0, Interval(49.0, 51.0))
    assert runs.told
    wider = replace(runs, interval=Interval(0.100, 0.201))
    assert not wider.told
    assert "they differ too much to tell how far the plan is off" in line(wider)
