"""Time profiles of the embedded KATO: what a worker does with several requests, and the measured service times."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standin_kato import StandInKato
from witness_rig import MS, Client, Rig

from harness.errors import UsageError
from harness.rng import Stream
from harness.twin.http import Request
from harness.twin.kato.messages import Answer
from harness.twin.profiles import KATO_1W, KATO_4W, STALLS, custom_profile, load_profile
from harness.twin.service import KINDS, MEASURED, Cost, Curve, Service

ONE = custom_profile({"service": "10ms", "workers": 1})
TWO = custom_profile({"service": "10ms", "workers": 2})


def clients_of(rig: Rig, worker: int, count: int) -> list[Client]:
    """Connections that the kernel gave to that worker."""
    found: list[Client] = []
    while len(found) < count:
        client = rig.client()
        if client.connection.worker == worker:
            found.append(client)
        else:
            client.connection.lost()
    return found


def service_ms(rig: Rig) -> list[float]:
    return [(row["reply_ns"] - row["arrive_ns"]) / MS for row in rig.arrivals()]


def test_a_worker_is_a_serial_server(tmp_path: Path) -> None:
    """Eight at once wait for each other, in the order in which they came."""
    rig = Rig(tmp_path, ONE)
    for number in range(8):
        rig.client().observe(body=b"%d" % number)
    rig.timers.advance(1)
    assert service_ms(rig) == [10 * (number + 1) for number in range(8)]
    assert rig.kato.observed["s1"] == [b"%d" % number for number in range(8)]


def test_a_worker_rests_when_nobody_comes(tmp_path: Path) -> None:
    """The queue's end is no credit for later."""
    rig = Rig(tmp_path, ONE)
    for _ in range(3):
        rig.client().observe()
        rig.timers.advance(0.5)
    assert service_ms(rig) == [10, 10, 10]


def test_late_timers_do_not_slow_a_worker_down(tmp_path: Path) -> None:
    """The next piece of work starts when the last one ended, not when that was noticed."""
    rig = Rig(tmp_path, ONE)
    late = rig.timers.call_at
    rig.timers.call_at = lambda due_ns, callback: late(due_ns + 3 * MS, callback)  # type: ignore[method-assign]
    for _ in range(100):
        rig.client().observe()
    rig.timers.advance(2)
    assert 1000 <= service_ms(rig)[-1] <= 1010


def test_workers_share_nothing_but_the_stores(tmp_path: Path) -> None:
    """Two workers do twice the work in the same time."""
    rig = Rig(tmp_path, TWO)
    for worker in (0, 1):
        for client in clients_of(rig, worker, 4):
            client.observe()
    rig.timers.advance(1)
    assert sorted(service_ms(rig)) == [10, 10, 20, 20, 30, 30, 40, 40]


def test_two_workers_lose_updates_of_one_session(tmp_path: Path) -> None:
    """Each loads the session, works, and writes back what it loaded and its own: all 200, not all kept."""
    rig = Rig(tmp_path, TWO)
    for worker in (0, 1):
        for client in clients_of(rig, worker, 4):
            client.observe()
    rig.timers.advance(1)
    assert [row["status"] for row in rig.arrivals()] == [200] * 8
    assert len(rig.kato.observed["s1"]) == 4


def test_one_worker_loses_none(tmp_path: Path) -> None:
    """Its lock holds."""
    rig = Rig(tmp_path, ONE)
    for _ in range(8):
        rig.client().observe()
    rig.timers.advance(1)
    assert len(rig.kato.observed["s1"]) == 8


def test_two_workers_one_after_the_other_lose_none(tmp_path: Path) -> None:
    """Only what overlaps is lost."""
    rig = Rig(tmp_path, TWO)
    for worker in (0, 1, 0, 1):
        clients_of(rig, worker, 1)[0].observe()
        rig.timers.advance(0.1)
    assert len(rig.kato.observed["s1"]) == 4


def test_a_kill_drops_the_queue_and_the_work_at_hand(tmp_path: Path) -> None:
    """After a restart the worker is free at once."""
    rig = Rig(tmp_path, ONE)
    for _ in range(5):
        rig.client().observe()
    rig.timers.advance(0.015)
    rig.witness.kill()
    rig.client().observe()
    rig.timers.advance(1)
    assert len(rig.kato.observed["s1"]) == 2
    assert [row["commit_seq"] for row in rig.arrivals()] == [2, 0, 0, 0, 0, 3]
    assert service_ms(rig)[-1] == 10


def test_time_that_a_store_took_blocks_the_worker(tmp_path: Path) -> None:
    """The reply is late by it, and so is everybody behind."""
    rig = Rig(tmp_path, ONE, StandInKato(delay=1.0))
    first, second = rig.client(), rig.client()
    first.observe()
    second.observe()
    rig.timers.advance(5)
    assert service_ms(rig) == [1010, 2020]


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


def test_too_many_connections_get_a_bare_503_in_their_turn(tmp_path: Path) -> None:
    """Idle ones count; the refusal waits behind the work that is there, and that connection is closed."""
    rig = Rig(tmp_path, custom_profile({"service": "10ms", "workers": 1, "connection_limit": 3}))
    first, _idle = rig.client(), rig.client()
    first.observe()
    third = rig.client()
    third.observe()
    assert third.taken() == b""
    rig.timers.advance(1)
    reply = third.taken()
    assert reply.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert reply.endswith(b"content-type: text/plain; charset=utf-8\r\nconnection: close\r\n\r\nService Unavailable")
    assert (first.statuses(), third.wire.ended) == ([200], "close")
    third.connection.lost()
    first.observe()
    rig.timers.advance(1)
    assert first.statuses() == [200]


class BrokenKato(StandInKato):
    """Answers 500 to everything but the first session."""

    def handle(self, request: Request) -> Answer:
        if request.path == "/sessions":
            return super().handle(request)
        return Answer(500, b"Internal Server Error", {"content-type": "text/plain; charset=utf-8"})


def test_the_connection_ends_after_a_500_and_does_not_say_so(tmp_path: Path) -> None:
    """A pooled client meets a closed connection on its next request."""
    rig = Rig(tmp_path, custom_profile({"workers": 1, "hangs_up": True}), BrokenKato())
    client = rig.client()
    client.observe()
    rig.timers.advance(1)
    reply = client.taken()
    assert reply.startswith(b"HTTP/1.1 500")
    assert b"connection" not in reply
    assert client.wire.ended == "close"
    assert rig.arrivals()[0]["reply_ns"] > 0


def test_the_loop_stalls_twice_in_ten_seconds(tmp_path: Path) -> None:
    """A hundred milliseconds each: two of a thousand requests in ten seconds wait for them."""
    rig = Rig(tmp_path, custom_profile({"workers": 1, "stalls": {"every": "10s", "count": 2, "length": "100ms"}}))
    client = rig.client()
    for _ in range(1000):
        client.observe()
        rig.timers.advance(0.010)
    slow = [ms for ms in service_ms(rig) if ms > 0]
    assert max(slow) == pytest.approx(100, abs=10)
    assert sum(1 for ms in slow if ms > 95) == 2


@given(st.integers(0, 10**11), st.integers(0, 10**10))
def test_work_is_never_done_during_a_stall(start_ns: int, work_ns: int) -> None:
    """It takes its own time and that of each stall that it meets, never less, and never ends inside one."""
    end_ns = STALLS.finish_ns(start_ns, work_ns)
    gap = STALLS.every_ns // STALLS.count
    begins = range(start_ns // gap * gap, end_ns, gap)
    stalls = sum(1 for at in begins if at + STALLS.length_ns > start_ns)
    assert work_ns <= end_ns - start_ns <= work_ns + stalls * STALLS.length_ns
    if work_ns:
        assert (end_ns - 1) % gap >= STALLS.length_ns


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind in MEASURED])
def test_draws_have_the_measured_median_and_spread(kind: str) -> None:
    """Lognormal: half of them below the median, 95 % below median × exp(1.645 sigma)."""
    draws = Stream(3, "service")
    curve = MEASURED[kind]
    times = sorted(Service(MEASURED).draw_s(Cost(kind), draws, number) for number in range(4000))
    assert median(times) == pytest.approx(curve.median_s(0), rel=0.04)
    assert times[3800] == pytest.approx(curve.median_s(0) * math.exp(1.645 * curve.sigma), rel=0.08)


@pytest.mark.parametrize(("patterns", "ms"), [(0, 8.0), (10, 10.7), (20, 13.4), (60, 17.1), (100, 20.8), (180, 28.2)])
def test_medians_lie_on_the_line_through_the_measured_points(patterns: int, ms: float) -> None:
    """Between them and beyond the last."""
    assert MEASURED["predict"].median_s(patterns) * 1000 == pytest.approx(ms)


def test_equal_seeds_take_equal_times() -> None:
    """The n-th request's time depends on seed, n and cost alone."""
    service = Service(MEASURED)
    one = [service.draw_s(Cost("observe"), Stream(5, "service"), number) for number in range(50)]
    other = [service.draw_s(Cost("observe"), Stream(5, "service"), number) for number in reversed(range(50))]
    assert one == other[::-1]
    assert len(set(one)) == 50


class LearningKato(StandInKato):
    """Also learns a new pattern each time, and opens sessions on one node without predictions where asked to."""

    learnt = 0

    def handle(self, request: Request) -> Answer:
        if not request.path.endswith("/learn"):
            answer = super().handle(request)
            body = answer.body
            if b"false" in request.body:
                body = body.replace(b"}", b', "process_predictions":false}')
            return Answer(answer.status, body, session_id=answer.session_id, node_id="n1", committed=True)
        self.learnt += 1
        body = b'{"pattern_name":"PTRN|%040x"}' % self.learnt
        return Answer(200, body, session_id="s1", node_id="n1", committed=True)


EXACT = Service({kind: Curve(curve.points, 0.0) for kind, curve in MEASURED.items()})


def test_a_request_costs_what_its_node_and_session_make_it_cost(tmp_path: Path) -> None:
    """First use of a node, patterns learnt since, predictions switched off: the rows of the measurement."""
    rig = Rig(tmp_path, replace(ONE, service=EXACT), LearningKato())
    client = rig.client()

    def took(path: str, body: bytes = b"{}") -> float:
        client.post(path, body)
        rig.timers.advance(1)
        return service_ms(rig)[-1]

    assert took("/sessions/s1/observe") == pytest.approx(19.5)
    assert took("/sessions/s1/observe") == pytest.approx(10.2)
    for _ in range(20):
        assert took("/sessions/s1/learn") == pytest.approx(19.6)
    assert took("/sessions/s1/observe") == pytest.approx(17.6)
    assert took("/sessions/s1/observe-sequence", b'{"observations":[{},{},{}]}') == pytest.approx(3 * 17.6)
    client.get("/sessions/s1/predictions")
    rig.timers.advance(1)
    assert service_ms(rig)[-1] == pytest.approx(13.4)
    assert took("/sessions", b'{"config":{"process_predictions":false}}') == pytest.approx(4.4)
    assert took("/sessions/s2/observe") == pytest.approx(6.9)


def test_sessions_that_share_a_node_are_warned_of_once(tmp_path: Path) -> None:
    """With the reason: a real worker can freeze."""
    rig = Rig(tmp_path, kato=LearningKato())
    client = rig.client()
    assert rig.warnings == []
    for _ in range(3):
        client.post("/sessions")
    (warning,) = rig.warnings
    assert "'n1'" in warning
    assert "freezes" in warning
    assert rig.witness.backend.stats()["shared_nodes"] == 1


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
