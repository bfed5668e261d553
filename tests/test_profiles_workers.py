"""Workers of the embedded KATO: what they do with several requests, with too many connections and after an error."""

from __future__ import annotations

from pathlib import Path

import pytest
from profile_rig import ONE, service_ms
from standin_kato import StandInKato
from witness_rig import MS, Client, Rig

from harness.twin.http import Request
from harness.twin.kato.messages import Answer
from harness.twin.profiles import custom_profile

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


@pytest.mark.parametrize(
    ("ahead", "after", "body", "heard"), [(1, 0.5, b"x", 0), (2, 0.5, b"x", 0), (2, 1.5, b"x", 1), (1, 0.5, b"", 1)]
)
def test_who_leaves_before_a_busy_worker_looks_up_has_said_nothing(
    tmp_path: Path, ahead: int, after: float, body: bytes, heard: int
) -> None:
    """Measured: its body is gone with it, and what needs none (learn, clear-stm, DELETE) is carried out; so is what was
    read when the work was over that it met."""
    rig = Rig(tmp_path, ONE, StandInKato(delay=1.0))
    clients = [rig.client() for _ in range(ahead + 1)]
    for client in clients:
        client.observe(body=body if client is clients[-1] else b"first")
        rig.timers.advance(0.02)
    rig.timers.advance(after)
    clients[-1].connection.lost()
    rig.timers.advance(5)
    assert rig.kato.observed["s1"] == [b"first"] * ahead + [body] * heard
    assert [row["commit_seq"] > 0 for row in rig.arrivals()].count(True) == ahead + heard


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
