"""Workers of the embedded KATO whose stores hang, refuse or are slow: who waits with them, and who is answered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from profile_rig import ONE
from witness_rig import MS, Rig

from harness.twin.profiles import custom_profile

PROFILES: list[dict[str, Any]] = [{}, {"service": "10ms"}, {"service": "10ms", "workers": 1}]


@pytest.mark.parametrize("given", PROFILES)
def test_a_frozen_worker_answers_nobody_until_its_store_is_back(tmp_path: Path, given: dict[str, Any]) -> None:
    """Everybody behind waits, whatever he asks for; then all are answered in order."""
    rig = Rig(tmp_path, custom_profile(given))
    first, second = rig.client(), rig.client()
    rig.witness.set_store("clickhouse", "hung")
    first.observe(body=b"1")
    rig.timers.advance(0.001)
    second.post("/sessions")
    rig.timers.advance(30)
    assert first.taken() == second.taken() == b""
    rig.witness.set_store("qdrant", "refused")
    rig.timers.advance(1)
    assert first.taken() == b""
    rig.witness.set_store("clickhouse", "up")
    rig.timers.advance(1)
    assert (first.statuses(), second.statuses()) == ([200], [200])
    assert rig.kato.observed["s1"] == [b"1"]


@pytest.mark.parametrize("given", PROFILES)
def test_who_leaves_a_frozen_worker_has_said_nothing_but_the_one_that_froze_it(
    tmp_path: Path, given: dict[str, Any]
) -> None:
    """As measured with ClickHouse refused and one symbol: that observe was committed when ClickHouse was back."""
    rig = Rig(tmp_path, custom_profile(given))
    first, second = rig.client(), rig.client()
    rig.witness.set_store("clickhouse", "hung")
    for client in (first, second):
        client.observe(body=b"1")
        rig.timers.advance(0.05)
        client.connection.lost()
    rig.witness.set_store("clickhouse", "up")
    rig.timers.advance(1)
    assert rig.kato.observed["s1"] == [b"1"]
    assert sorted(row["commit_seq"] for row in rig.arrivals()) == [0, 2]


@pytest.mark.parametrize("given", PROFILES)
def test_who_waits_for_redis_waits_alone(tmp_path: Path, given: dict[str, Any]) -> None:
    """The worker serves others; when Redis is back the waiting request is handled."""
    rig = Rig(tmp_path, custom_profile(given))
    first, second = rig.client(), rig.client()
    rig.witness.set_store("redis", "hung")
    first.observe(body=b"1")
    second.post("/sessions")
    rig.timers.advance(30)
    assert (first.statuses(), second.statuses()) == ([], [200])
    rig.witness.set_store("redis", "up")
    rig.timers.advance(1)
    assert first.statuses() == [200]


def test_who_gives_up_waiting_for_redis_is_never_handled(tmp_path: Path) -> None:
    """As recorded: the abandoned observe was cancelled and not committed."""
    rig = Rig(tmp_path)
    client = rig.client()
    rig.witness.set_store("redis", "hung")
    client.observe()
    rig.timers.advance(1)
    client.connection.lost()
    rig.witness.set_store("redis", "up")
    rig.timers.advance(1)
    assert rig.kato.observed["s1"] == []
    (row,) = rig.arrivals()
    assert (row["commit_seq"], row["status"]) == (0, 0)
    assert row["disconnect_ns"] - row["arrive_ns"] == 1000 * MS


@pytest.mark.parametrize("gone", [False, True])
def test_a_slow_redis_delays_and_a_client_that_leaves_meanwhile_is_dropped(tmp_path: Path, gone: bool) -> None:
    """1.5 s of Redis are 1.5 s of the observe, and nobody else's."""
    rig = Rig(tmp_path, ONE)
    client = rig.client()
    rig.witness.set_store("redis", "slow", 1.5)
    client.observe()
    rig.timers.advance(1)
    if gone:
        client.connection.lost()
    rig.timers.advance(1)
    assert len(rig.kato.observed["s1"]) == (0 if gone else 1)
    (row,) = rig.arrivals()
    assert gone or row["reply_ns"] - row["arrive_ns"] == 1510 * MS


def test_a_queued_request_that_redis_catches_waits_alone_too(tmp_path: Path) -> None:
    """Redis failed while it was in the worker's queue."""
    rig = Rig(tmp_path, ONE)
    first, second = rig.client(), rig.client()
    first.observe()
    second.post("/sessions")
    rig.witness.set_store("redis", "hung")
    rig.timers.advance(1)
    assert (first.statuses(), second.statuses()) == ([], [200])


def test_a_kill_forgets_frozen_and_waiting_requests(tmp_path: Path) -> None:
    """Each is on record once, also where its client left long ago."""
    rig = Rig(tmp_path, ONE)
    frozen, waiting, left = rig.client(), rig.client(), rig.client()
    rig.witness.set_store("clickhouse", "hung")
    frozen.observe()
    left.observe()
    left.connection.lost()
    rig.timers.advance(1)
    rig.witness.set_store("redis", "hung")
    waiting.observe()
    rig.witness.kill()
    assert rig.witness.backend.stats()["hung"] == 0
    assert [row["disconnect_ns"] > 0 for row in rig.arrivals()].count(True) == 1
    assert len(rig.arrivals()) == 3


@pytest.mark.parametrize(("mode", "slow", "after", "status"), [("refused", 0, 0, 503), ("slow", 2.0, 2.0, 200)])
def test_a_canary_feels_the_store_whose_fault_it_names(
    tmp_path: Path, mode: str, slow: float, after: float, status: int
) -> None:
    """That proves the fault; a plain probe is answered, as late as anybody."""
    rig = Rig(tmp_path)
    rig.witness.set_store("redis", mode, slow)
    named, probe = rig.client(), rig.client()
    named.get("/", x_kato_canary="lost_redis")
    probe.get("/", x_kato_canary="probe")
    rig.timers.advance(after)
    assert (named.statuses(), probe.statuses()) == ([status], [200])
    rig.witness.set_store("redis", "up")
    named.get("/", x_kato_canary="lost_redis")
    assert named.statuses() == [200]
