"""KATO's own stress profiles as scenarios: the suite's users, rates and times, its data, and a short form for CI."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.data import STRESS_WORDS, VECTOR_LENGTH, stress
from harness.policy import Policy
from harness.rng import Stream
from harness.scenario import load_scenario, resolve

FOLDER = Path(__file__).parent.parent / "scenarios" / "stress"
PROFILES = {
    "light": (10, 60, 10, 1),
    "moderate": (50, 300, 30, 2),
    "heavy": (200, 600, 60, 5),
    "extreme": (500, 300, 120, 10),
    "burst": (300, 60, 5, 20),
    "endurance": (25, 3600, 60, 1),
}
"""Users, seconds, ramp in seconds, calls per user and second (KATO 3.10.1, tests/stress)."""


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_offers_what_the_suite_offers(name: str) -> None:
    """Its users have a session each, and its rate lasts as long after the same ramp."""
    users, seconds, ramp, calls = PROFILES[name]
    timeline = resolve(load_scenario(FOLDER / f"{name}.yaml"), Policy())
    climb, hold = timeline.load.stages
    assert (climb.start_rate, climb.end_rate, climb.for_ns) == (0, users * calls, ramp * 10**9)
    assert (hold.start_rate, hold.end_rate, hold.for_ns) == (users * calls, users * calls, seconds * 10**9)
    assert timeline.load.sessions == users
    assert set(timeline.load.mix) == {"observe", "predict", "learn"}


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_has_a_short_form_for_ci(name: str) -> None:
    """`--env ci`: under 15 s, at a rate that one core carries."""
    timeline = resolve(load_scenario(FOLDER / f"{name}.yaml", env="ci"), Policy())
    assert timeline.end_ns <= 15 * 10**9
    assert max(stage.end_rate for stage in timeline.load.stages) <= 200


def test_the_data_are_the_suites() -> None:
    """Up to 10 strings of up to 50 characters out of 1,000; vectors of one length in 30 %, emotives in 20 %."""
    stream = Stream(5, "payload")
    made = [stress(lambda i, n=n: stream.unit(n * 16 + i)) for n in range(4000)]
    words = {word for each in made for word in each["strings"]}
    assert len(words) <= STRESS_WORDS
    assert {len(each["strings"]) for each in made} == set(range(1, 11))
    assert max(map(len, words)) == 50
    assert np.mean([bool(each["vectors"]) for each in made]) == pytest.approx(0.3, abs=0.03)
    assert np.mean([bool(each["emotives"]) for each in made]) == pytest.approx(0.2, abs=0.03)
    assert {len(vector) for each in made for vector in each["vectors"]} == {VECTOR_LENGTH}
    assert all(0 <= value <= 1 for each in made for value in each["emotives"].values())
