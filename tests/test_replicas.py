"""Several instances: who gets a request, what one that is down answers, and what a shutdown in order must not cut."""

from __future__ import annotations

import http.client
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loopback import Server

from harness.inject.replica import ReplicaPlane
from harness.model import Fault
from harness.run.parts import start_part
from harness.twin.balancer import POLICIES, Chooser

NEVER_S = 30.0


class Witness:
    """A witness whose instances have connections in progress; what it does is in `done`."""

    where = "witness"

    def __init__(self, done: list[str], in_progress: int = 0) -> None:
        self.done = done
        self.in_progress = in_progress

    def apply(self, fault: Fault) -> None:
        self.done.append(f"{fault.kind} {fault.only['instance']}")

    def clear(self, fault: Fault) -> None:
        self.done.append(f"up {fault.only['instance']}")

    def connections(self, fault: Fault) -> int:
        now, self.in_progress = self.in_progress, max(0, self.in_progress - 1)
        self.done.append(f"{now} open")
        return now


class Proxies:
    """Our proxies on Toxiproxy."""

    def __init__(self, done: list[str]) -> None:
        self.done = done
        self.active: list[Fault] = []

    def apply(self, fault: Fault) -> None:
        self.active.append(fault)
        self.done.append(f"{fault.kind} at {fault.only['instance']}")

    def clear(self, fault: Fault) -> None:
        self.active.remove(fault)
        self.done.append(f"open at {fault.only['instance']}")


def plane(done: list[str], in_progress: int = 0) -> ReplicaPlane:
    return ReplicaPlane(Witness(done, in_progress), Proxies(done), lambda _: None)  # type: ignore[arg-type]


def fault(kind: str, **params: float) -> Fault:
    return Fault("f", kind, 0, 10**9, params, {"instance": 1})


def test_a_killed_instance_is_refused_until_it_listens_again() -> None:
    done: list[str] = []
    carried = plane(done)
    carried.apply(fault("kill"))
    carried.clear(fault("kill"))
    assert done == ["kill 1", "refuse at 1", "up 1", "open at 1"]


def test_a_shutdown_in_order_is_refused_after_what_is_in_progress_was_answered() -> None:
    done: list[str] = []
    plane(done, in_progress=2).apply(fault("restart"))
    assert done == ["restart 1", "2 open", "1 open", "0 open", "refuse at 1"]


def test_what_takes_too_long_is_not_cut() -> None:
    """Its proxy stays open; the shutdown's own limit ends it."""
    done: list[str] = []
    carried = plane(done, in_progress=10**6)
    carried.apply(fault("restart", drain=0.05))
    carried.clear(fault("restart", drain=0.05))
    assert (done[0], done[-1]) == ("restart 1", "up 1")
    assert "refuse at 1" not in done


def test_a_frozen_instance_still_accepts() -> None:
    done: list[str] = []
    carried = plane(done)
    carried.apply(fault("pause"))
    carried.clear(fault("pause"))
    assert done == ["pause 1", "up 1"]


PATHS = st.sampled_from(["/sessions", "/sessions/a/observe", "/sessions/b/predictions", "/health", "/"])


@given(st.sampled_from(POLICIES), st.integers(1, 9), st.lists(PATHS, max_size=40))
def test_every_policy_names_an_instance_that_there_is(policy: str, count: int, paths: list[str]) -> None:
    chooser = Chooser(policy, count)
    assert all(0 <= chooser.choose(path) < count for path in paths)


@given(st.integers(1, 9), st.lists(PATHS, min_size=1, max_size=40))
def test_round_robin_gives_to_each_in_turn(count: int, paths: list[str]) -> None:
    chooser = Chooser("round_robin", count)
    got = Counter(chooser.choose(path) for path in paths)
    assert max(got.values()) - min(got.get(number, 0) for number in range(count)) <= 1


@given(st.integers(1, 9), st.uuids().map(str))
def test_a_session_sticks_to_its_instance(count: int, session: str) -> None:
    chooser = Chooser("session_hash", count)
    chosen = {
        chooser.choose(f"/sessions/{session}{rest}") for rest in ("/observe", "/predictions", "/learn") for _ in "123"
    }
    assert len(chosen) == 1


def test_the_least_busy_one_is_chosen() -> None:
    chooser = Chooser("least_pending", 3)
    chooser.pending[:] = [4, 1, 2]
    assert {chooser.choose("/sessions/a/observe") for _ in range(6)} == {1}


@contextmanager
def balanced(folder: Path, policy: str, *ports: int) -> Iterator[http.client.HTTPConnection]:
    """A connection to a balancer before those ports."""
    told = ["--policy", policy, *(word for port in ports for word in ("--to", f"127.0.0.1:{port}"))]
    part = start_part("the balancer", "harness.twin.balancer", told, folder / "balancer.log", flag="--control-fd")
    try:
        connection = http.client.HTTPConnection("127.0.0.1", part.expect("ready")["port"], timeout=NEVER_S)
        yield connection
        connection.close()
    finally:
        part.stop()


def status(connection: http.client.HTTPConnection, path: str = "/sessions/a/predictions") -> int:
    connection.request("GET", path)
    reply = connection.getresponse()
    reply.read()
    return reply.status


@pytest.mark.sockets
class TestBalancer:
    """Before real instances."""

    def test_each_gets_its_turn_on_one_connection_of_the_client(self, tmp_path: Path) -> None:
        with (
            Server() as one,
            Server() as two,
            balanced(tmp_path, "round_robin", one.port, two.port) as connection,
        ):
            assert {status(connection) for _ in range(6)} == {200}
            assert (len(one.seen), len(two.seen)) == (3, 3)

    def test_one_that_accepts_no_connection_is_passed_over(self, tmp_path: Path) -> None:
        """Of a replica that is gone nobody notices anything; of all of them the client gets 503."""
        with Server() as one:
            closed = int(one.closed_url.rsplit(":", 1)[1])
            with balanced(tmp_path, "round_robin", closed, one.port) as connection:
                assert {status(connection) for _ in range(6)} == {200}
                assert len(one.seen) == 6
            with balanced(tmp_path, "first", closed, closed) as connection:
                assert status(connection) == 503

    def test_what_an_instance_does_to_its_reply_happens_to_the_client(self, tmp_path: Path) -> None:
        """Also a lost one: it may have been done, so nobody is asked instead."""
        with (
            Server() as one,
            Server() as two,
            balanced(tmp_path, "session_hash", one.port, two.port) as connection,
        ):
            for kato in (one, two):
                kato.next("503", "drop")
            assert status(connection) == 503
            with pytest.raises((http.client.HTTPException, OSError)):
                status(connection)
            assert sorted((len(one.seen), len(two.seen))) == [0, 2]

    def test_a_restarted_instance_gets_its_turn_again(self, tmp_path: Path) -> None:
        with Server() as one, Server() as two:
            with balanced(tmp_path, "round_robin", one.port, two.port) as connection:
                assert status(connection) == status(connection) == 200
                for kato in (one, two):
                    kato.next("drop")
                for _ in range(2):
                    with suppress(http.client.HTTPException, OSError):
                        status(connection)
                deadline = time.monotonic() + NEVER_S
                while {status(connection) for _ in range(2)} != {200}:
                    assert time.monotonic() < deadline
            assert min(len(one.seen), len(two.seen)) >= 3
