"""Toxiproxy 2.12 does what the TCP plane relies on, and the plane handles its traps; all against a real one."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from loopback_rig import Pooled, Rig, toxiproxy_rig

from harness.errors import PartMissing
from harness.faults import KINDS, Ask, Probe, Toxic
from harness.inject.ask import look
from harness.inject.toxiproxy import Api, ToxiproxyError
from harness.model import Fault

pytestmark = pytest.mark.sockets

S = 1_000_000_000


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with toxiproxy_rig(tmp_path) as rig:
        yield rig


def fault(kind: str, name: str = "f", at_ns: int = 0, **params: Any) -> Fault:
    return Fault(name, kind, at_ns, S, params)


def ask(rig: Rig, wait_s: float = 1.0, **more: Any) -> Probe:
    return look(rig.address, Ask(wait_s=wait_s, **more), "probe", time.monotonic_ns)


CARRIED = [
    fault("latency", latency=0.08, jitter=0.02),
    fault("latency", latency=0.04, direction="upstream"),
    fault("latency", latency=0.04, direction="both"),
    fault("bandwidth", rate_kbps=10),
    fault("bandwidth", rate_kbps=10, direction="upstream"),
    fault("slow_close", delay=0.08),
    fault("timeout"),
    fault("timeout", timeout=0.05),
    fault("timeout", direction="upstream"),
    fault("timeout", direction="both"),
    fault("reset_peer"),
    fault("reset_peer", direction="upstream"),
    fault("reset_peer", timeout=0.05),
    fault("slicer", delay=0.005),
    fault("slicer", average_size=4, size_variation=2, delay=0.01, direction="upstream"),
    fault("limit_data", bytes=100),
    fault("limit_data", bytes=40, direction="upstream"),
    fault("refuse"),
]


@pytest.mark.parametrize("planned", CARRIED, ids=lambda planned: f"{planned.kind}-{planned.params}")
def test_each_kind_is_proved_while_it_acts_and_never_before_or_after(rig: Rig, planned: Fault) -> None:
    kind = KINDS[planned.kind]
    params = kind.complete(planned.params)

    def proved() -> bool:
        return kind.effective(params, [look(rig.address, kind.ask(params), "probe", time.monotonic_ns)])

    assert not proved()
    rig.plane.apply(planned)
    assert proved()
    rig.plane.clear(planned)
    assert not proved()


def test_a_lost_reply_reached_the_server_and_a_lost_request_did_not(rig: Rig) -> None:
    for kind in ("timeout", "reset_peer"):
        for direction, arrivals in (("downstream", 1), ("upstream", 0)):
            rig.server.paths.clear()
            planned = fault(kind, direction=direction)
            rig.plane.apply(planned)
            assert ask(rig, 0.2).outcome in ("read_timeout", "reset")
            assert len(rig.server.paths) == arrivals, (kind, direction)
            rig.plane.clear(planned)


def test_reset_peer_ends_connections_opened_before_it_cleanly(rig: Rig) -> None:
    pooled = Pooled(rig.address)
    rig.plane.apply(fault("reset_peer"))
    assert pooled.ask() == b""
    assert ask(rig).outcome == "reset"
    pooled.close()


def test_the_end_of_a_black_hole_closes_the_connections_that_it_held(rig: Rig) -> None:
    planned = fault("timeout")
    pooled = Pooled(rig.address)
    rig.plane.apply(planned)
    pooled.sock.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    rig.plane.clear(planned)
    assert pooled.sock.recv(1) == b""
    pooled.close()


def test_latency_reaches_open_connections_when_it_comes_and_when_it_goes(rig: Rig) -> None:
    planned = fault("latency", latency=0.1)
    pooled = Pooled(rig.address)
    rig.plane.apply(planned)
    assert took(pooled) >= 0.095
    rig.plane.clear(planned)
    assert took(pooled) < 0.095
    pooled.close()


def took(pooled: Pooled) -> float:
    begin = time.monotonic()
    pooled.ask()
    return time.monotonic() - begin


def test_limit_data_counts_over_all_requests_of_a_connection(rig: Rig) -> None:
    rig.plane.apply(fault("limit_data", bytes=1_000))
    pooled = Pooled(rig.address)
    assert [len(pooled.ask(100)) > 100 for _ in range(2)] == [True, True]
    with pytest.raises(OSError):
        for _ in range(9):
            pooled.ask(100) or pooled.sock.recv(1)
    pooled.close()


def test_a_dead_upstream_is_accepted_and_then_closed(rig: Rig) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        rig.plane.listen("dead", "127.0.0.1:0", f"127.0.0.1:{taken.getsockname()[1]}")
        listen = rig.api.proxy("test-dead")["listen"]
        probe = look(("127.0.0.1", int(listen.split(":")[1])), Ask(), "probe", time.monotonic_ns)
    assert probe.connected_ns
    assert probe.outcome in ("protocol_error", "reset")


def test_a_sleeping_reset_peer_is_cleared_at_once_and_other_faults_go_on(rig: Rig) -> None:
    slow, sleeping = fault("latency", "slow", latency=0.05), fault("reset_peer", "reset", timeout=20.0)
    rig.plane.apply(slow)
    rig.plane.apply(sleeping)
    assert ask(rig, 0.1).outcome == "read_timeout"
    begin = time.monotonic()
    rig.plane.clear(sleeping)
    assert time.monotonic() - begin < 2
    assert ask(rig).took_s >= 0.045


def test_overlapping_refusals_end_with_the_last_one_and_keep_toxics(rig: Rig) -> None:
    first, second = fault("refuse", "first"), fault("refuse", "second", at_ns=S)
    slow = fault("latency", "slow", latency=0.05)
    for planned in (slow, first, second):
        rig.plane.apply(planned)
    rig.plane.clear(first)
    assert ask(rig).outcome == "connect_error"
    rig.plane.clear(second)
    probe = ask(rig)
    assert probe.outcome == ""
    assert probe.took_s >= 0.045


def test_a_repeated_fault_may_follow_itself(rig: Rig) -> None:
    for turn in range(3):
        planned = fault("latency", "flap", turn * S, latency=0.02)
        rig.plane.apply(planned)
        rig.plane.clear(planned)
    (calm,) = rig.api.proxy("test-kato")["toxics"]
    assert calm["attributes"] == {"latency": 0, "jitter": 0}


def test_a_fault_is_cleared_at_once_though_clients_gave_up_in_the_middle_of_replies(rig: Rig) -> None:
    """Deleting the toxic would flush 5 s a piece here and lock out new connections meanwhile."""
    for planned in (fault("slicer", delay=0.02), fault("bandwidth", rate_kbps=1), fault("latency", latency=0.3)):
        rig.plane.apply(planned)
        for _ in range(5):
            assert ask(rig, 0.05, down_bytes=5_000).outcome == "read_timeout"
        begin = time.monotonic()
        rig.plane.clear(planned)
        assert time.monotonic() - begin < 4
        assert ask(rig).took_s < 0.25


def test_a_stuck_server_of_our_own_is_started_anew_with_the_faults_that_are_left(rig: Rig) -> None:
    slow, gone = fault("latency", "slow", latency=0.05), fault("bandwidth", "gone", rate_kbps=1)
    rig.plane.apply(slow)
    rig.plane.apply(gone)
    assert rig.running.child is not None
    os.kill(rig.running.child.process.pid, signal.SIGSTOP)
    rig.plane.clear(gone)
    assert 0.045 <= ask(rig, down_bytes=2_000).took_s < 1
    rig.plane.clear(slow)
    assert ask(rig).took_s < 0.045
    assert rig.plane.restarts == 1


def test_a_stuck_server_of_somebody_else_is_an_error(rig: Rig) -> None:
    planned = fault("latency", latency=0.05)
    rig.plane.apply(planned)
    assert rig.running.child is not None
    os.kill(rig.running.child.process.pid, signal.SIGSTOP)
    rig.plane.restart = None
    with pytest.raises(PartMissing, match="does not answer"):
        rig.plane.clear(planned)
    assert rig.plane.close() == ("test-kato",)
    os.kill(rig.running.child.process.pid, signal.SIGCONT)


def test_nothing_is_left_on_a_server_that_is_gone(rig: Rig) -> None:
    rig.plane.apply(fault("latency", latency=0.05))
    rig.running.stop()
    assert rig.plane.close() == ()


def test_two_black_holes_may_overlap_and_come_back(rig: Rig) -> None:
    first, second, third = fault("timeout", "a"), fault("timeout", "b", S), fault("timeout", "c", 2 * S)
    rig.plane.apply(first)
    rig.plane.apply(second)
    rig.plane.clear(first)
    rig.plane.apply(third)
    rig.plane.clear(second)
    assert ask(rig, 0.1).outcome == "read_timeout"
    rig.plane.clear(third)
    assert ask(rig).outcome == ""


def test_a_misspelt_attribute_that_toxiproxy_accepts_is_refused_here(rig: Rig) -> None:
    wrong = {"type": "latency", "stream": "downstream", "attributes": {"latencyy": 500}}
    assert httpx.post(f"{rig.api.url}/proxies/test-kato/toxics", json=wrong, trust_env=False).status_code == 200
    assert ask(rig).took_s < 0.4
    with pytest.raises(ToxiproxyError, match="jitter, latency"):
        rig.api.add("test-kato", "typo", Toxic("latency", "downstream", {"latencyy": 500}))


def test_an_update_that_does_not_arrive_is_an_error(rig: Rig) -> None:
    """Toxiproxy forgets nothing, but a proxy between us and it could: the read-back looks at what is there."""
    rig.api.add("test-kato", "slow", Toxic("latency", "downstream", {"latency": 5, "jitter": 0}))
    with pytest.raises(ToxiproxyError, match="reads back"):
        rig.api.update("test-kato", "slow", Toxic("latency", "upstream", {"latency": 5, "jitter": 0}))


def test_closing_deletes_our_proxies_and_nobody_elses(rig: Rig) -> None:
    rig.api.create("theirs", "127.0.0.1:0", "127.0.0.1:1")
    other = Api(rig.api.url)
    rig.plane.apply(fault("reset_peer", timeout=20.0))
    ask(rig, 0.05)
    begin = time.monotonic()
    assert rig.plane.close() == ()
    assert time.monotonic() - begin < 2
    assert list(other.proxies()) == ["theirs"]
    other.close()


def test_two_servers_at_once_are_two_servers(rig: Rig, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with toxiproxy_rig(tmp_path / "other") as other:
        rig.plane.listen("only-here", "127.0.0.1:0", "127.0.0.1:1")
        assert "test-only-here" in rig.api.proxies()
        assert list(other.api.proxies()) == ["test-kato"]


def test_an_http_proxy_of_the_environment_is_not_asked(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    rig.api.enable("test-kato", False)
    assert rig.api.proxy("test-kato")["enabled"] is False


def test_a_name_that_is_taken_and_a_server_that_is_gone_are_told_apart(rig: Rig) -> None:
    with pytest.raises(ToxiproxyError, match="already exists"):
        rig.api.create("test-kato", "127.0.0.1:0", "127.0.0.1:1")
    gone = Api("http://127.0.0.1:9")
    with pytest.raises(PartMissing, match="does not answer"):
        gone.proxies()
    gone.close()
