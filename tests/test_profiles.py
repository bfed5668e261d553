"""Time profiles of the embedded KATO: those with a name, those from files, and those that are refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UsageError
from harness.rng import Stream
from harness.twin.profiles import KATO_1W, KATO_4W, STALLS, custom_profile, load_profile
from harness.twin.service import Cost, Curve


def test_the_named_profiles_are_kato_as_it_was_measured() -> None:
    """Serial workers, 100 connections each, 5 s keep-alive, two stalls in 10 s."""
    for profile, workers in ((KATO_1W, 1), (KATO_4W, 4)):
        assert load_profile(profile.name) is profile
        assert (profile.workers, profile.connection_limit, profile.keep_alive_s) == (workers, 100, 5.0)
        assert profile.hangs_up
        assert profile.stalls == STALLS


def test_a_profile_is_read_from_a_file(tmp_path: Path) -> None:
    """Every key of it."""
    path = tmp_path / "mine.json"
    curve = {"points": [[0, "8ms"], [100, "24ms"]], "sigma": 0.11}
    given = {
        "workers": 2,
        "service": {"predict": curve, "observe": {"median": "12ms"}},
        "keep_alive": "5s",
        "connection_limit": 50,
        "hangs_up": True,
        "stalls": {"every": "10s", "count": 2, "length": "100ms"},
    }
    path.write_text(json.dumps(given))
    profile = load_profile(str(path))
    assert (profile.workers, profile.keep_alive_s, profile.connection_limit, profile.hangs_up) == (2, 5.0, 50, True)
    assert profile.stalls == STALLS
    assert profile.service is not None
    assert profile.service.curves["predict"] == Curve(((0, 0.008), (100, 0.024)), 0.11)
    assert profile.service.draw_s(Cost("observe"), Stream(0, "x"), 0) == pytest.approx(0.012)
    assert profile.service.draw_s(Cost("learn"), Stream(0, "x"), 0) > 0


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"sevice": "20ms"}, "unknown key sevice"),
        ({"service": "fast"}, "service is 'fast'"),
        ({"service": {"observ": {}}}, "unknown key observ"),
        ({"service": {"observe": {"median": "1ms", "sigma": -1}}}, "sigma of observe"),
        ({"service": {"observe": {"points": [[5, "1ms"], [5, "2ms"]]}}}, "don't ascend"),
        ({"service": {"observe": {"points": [5]}}}, "points of observe"),
        ({"workers": 0}, "workers is 0"),
        ({"workers": "many"}, "workers is 'many'"),
        ({"stalls": {"every": "1s", "count": 10, "length": "100ms"}}, "fill"),
        ({"connection_limit": -1}, "connection_limit"),
        ({"stalls": 3}, "no mapping"),
    ],
)
def test_a_wrong_profile_is_refused_with_words(given: dict[str, Any], words: str) -> None:
    """Each says what was wrong."""
    with pytest.raises(UsageError, match=words):
        custom_profile(given)


@pytest.mark.parametrize(("text", "words"), [("{", "not JSON"), ("[]", "no object"), (None, "No such file")])
def test_a_broken_file_is_named(tmp_path: Path, text: str | None, words: str) -> None:
    """With what is wrong with it."""
    path = tmp_path / "mine.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UsageError, match=words):
        load_profile(str(path))


def test_a_profile_is_laid_over_another_with_an_environment_of_kato(tmp_path: Path) -> None:
    """What it doesn't say stays; a value with which KATO would not start is refused."""
    (tmp_path / "mine.json").write_text('{"profile": "kato-1w", "env": {"SESSION_TTL": 60}}')
    mine = load_profile(str(tmp_path / "mine.json"))
    assert mine == replace(KATO_1W, name="custom", env={"SESSION_TTL": "60"})
    with pytest.raises(UsageError, match="KATO does not start with SESSION_TTL='5'"):
        custom_profile({"env": {"SESSION_TTL": 5}})
