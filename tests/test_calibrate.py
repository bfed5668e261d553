"""`calibrate`: service times of somebody's KATO become a profile; bounded, with sessions deleted at the end."""

from __future__ import annotations

import json
import math
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.conform.calibrate import NODES, PATTERNS, Calibration, calibrate, p95, sigma
from harness.errors import PartMissing, UsageError
from harness.twin.profiles import load_profile
from harness.twin.serve import serve_in_thread
from harness.twin.service import KINDS

times = st.lists(st.floats(1e-4, 10), min_size=5, max_size=50)


@given(times)
def test_a_profile_that_was_measured_can_be_read(values: list[float]) -> None:
    """Whatever the times: medians ascend by patterns, sigma is no less than 0."""
    found = Calibration("http://x", 5, {("observe", 0): values, ("observe", 20): values, ("other", 0): values})
    assert sigma(values) >= 0
    profile = found.profile(2)
    assert [point[0] for point in profile["service"]["observe"]["points"]] == [0, 20]


def test_sigma_is_that_of_the_lognormal() -> None:
    """p50 1 s and p95 e^1.645 s are a lognormal with sigma 1."""
    values = [1.0] * 11 + [math.exp(1.645)] * 9
    assert p95(values) == values[-1]
    assert math.isclose(sigma(values), 1.0)


@pytest.mark.parametrize("rounds", [0, 4, 1_001])
def test_the_number_of_requests_is_bounded(rounds: int) -> None:
    with pytest.raises(UsageError, match="rounds"):
        calibrate("http://127.0.0.1:9", rounds)


def test_nobody_there_is_a_missing_part() -> None:
    with pytest.raises(PartMissing, match="nobody listens"):
        calibrate("http://127.0.0.1:9", 5)


@pytest.mark.sockets
def test_a_twin_with_known_times_is_measured_and_left_clean(tmp_path: Path) -> None:
    """No time is shorter than the twin's 5 ms; the profile is read by `twin`; no session stays."""
    with serve_in_thread({"service": "5ms", "workers": 1}) as kato:
        found = calibrate(kato.url, 5)
        assert httpx.get(kato.url + "/status").json()["sessions"]["total_sessions"] == 0
        with pytest.raises(PartMissing):
            calibrate(kato.url + "/nothing", 5)
    assert min(min(values) for values in found.times.values()) >= 0.005
    assert {kind for kind, _ in found.times} == set(KINDS) - {"other"}
    assert len(found.times["observe_first", 0]) == NODES - 1
    assert ("predict", PATTERNS[1]) in found.times
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(found.profile(4)))
    profile = load_profile(str(path))
    assert (profile.workers, profile.connection_limit, profile.hangs_up) == (4, 100, True)
