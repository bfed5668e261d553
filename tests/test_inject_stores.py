"""Store faults on a KATO that we didn't start: the network before the store, proved by its own ping, and all undone."""

from __future__ import annotations

import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from loopback_rig import Rig, toxiproxy_rig

from harness.errors import PartMissing, UsageError
from harness.faults import KINDS
from harness.inject.lease import outstanding
from harness.inject.stores import StorePlane, ping
from harness.inject.watchdog import undo_all
from harness.model import Fault
from harness.stack.ports import free_port

pytestmark = pytest.mark.sockets

STORE = KINDS["store"]
MODES = [{"mode": "refused"}, {"mode": "hung"}, {"mode": "slow", "slow": 0.2}, {"mode": "error"}]


class Redis(socketserver.StreamRequestHandler):
    """Answers PING as Redis does."""

    def handle(self) -> None:
        while self.rfile.readline():
            self.wfile.write(b"+PONG\r\n")


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False


@contextmanager
def redis() -> Iterator[str]:
    with Server(("127.0.0.1", 0), Redis) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with toxiproxy_rig(tmp_path) as rig:
        yield rig


@pytest.fixture
def plane(rig: Rig) -> StorePlane:
    return StorePlane(rig.api, rig.plane.leases, "kh-test")


def fault(**params: Any) -> Fault:
    return Fault("redis", "store", 0, 1_000_000_000, {"store": "redis", **params})


def proved(plane: StorePlane, planned: Fault) -> bool:
    return STORE.effective(STORE.complete(planned.params), [plane.look(planned, time.monotonic_ns)])


@pytest.mark.parametrize("params", MODES, ids=lambda params: str(params["mode"]))
def test_each_mode_is_proved_through_an_adopted_proxy_and_leaves_it_as_it_was(
    rig: Rig, plane: StorePlane, params: dict[str, Any]
) -> None:
    """Somebody's own proxy before Redis: found by what it is called, used for the fault, never deleted."""
    with redis() as upstream:
        rig.api.create("kato-redis", f"127.0.0.1:{free_port()}", upstream)
        before = rig.api.proxy("kato-redis")
        plane.adopt("redis")
        planned = fault(**params)
        assert not proved(plane, planned)
        plane.apply(planned)
        assert proved(plane, planned)
        plane.clear(planned)
        assert not proved(plane, planned)
        assert plane.close() == ()
        assert rig.api.proxy("kato-redis") == before


def test_a_proxy_of_the_runs_own_is_gone_afterwards(rig: Rig, plane: StorePlane) -> None:
    """listen and upstream: the proxy is made for the run."""
    with redis() as upstream:
        listen = f"127.0.0.1:{free_port()}"
        plane.listen("redis", listen, upstream)
        host, _, port = listen.rpartition(":")
        assert ping((host, int(port)), "redis", 2.0, time.monotonic_ns).outcome == ""
        assert plane.close() == ()
        assert "kh-test-redis" not in rig.api.proxies()


def test_what_a_dead_run_left_on_somebodys_proxy_is_taken_off(rig: Rig, plane: StorePlane, tmp_path: Path) -> None:
    """The watchdog enables the proxy and removes our toxics; another's toxic stays."""
    with redis() as upstream:
        rig.api.create("redis", f"127.0.0.1:{free_port()}", upstream)
        rig.api.add("redis", "theirs", STORE_SLOW)
        plane.adopt("redis")
        plane.apply(fault(mode="hung"))
        plane.apply(fault(mode="refused"))
        journal = tmp_path / "leases.jsonl"
        assert [lease["undo"] for lease in outstanding(journal)].count("toxics") == 2
        undo_all(journal)
        left = rig.api.proxy("redis")
        assert (left["enabled"], [toxic["name"] for toxic in left["toxics"]]) == (True, ["theirs"])


STORE_SLOW = next(iter(STORE.toxics({"mode": "slow", "slow": 0.01}) or ()))


def test_a_store_without_a_proxy_before_it_is_a_missing_part(rig: Rig, plane: StorePlane) -> None:
    """No proxy, or one that is disabled already: the words say what there is and how to have one."""
    with pytest.raises(PartMissing, match="no proxy before redis"):
        plane.adopt("redis")
    rig.api.create("clickhouse", f"127.0.0.1:{free_port()}", "127.0.0.1:9")
    rig.api.enable("clickhouse", False)
    with pytest.raises(PartMissing, match="disabled"):
        plane.adopt("clickhouse")
    with pytest.raises(PartMissing, match=r"listens at 127\.0\.0\.1:1"):
        plane.adopt("redis", "127.0.0.1:1")


def test_a_proxy_is_found_by_where_it_listens_or_leads(rig: Rig, plane: StorePlane) -> None:
    """By host and port; by the store's own port; Qdrant's two proxies are both found."""
    ports = [free_port() for _ in range(4)]
    rig.api.create("one", f"127.0.0.1:{ports[0]}", "127.0.0.1:6379")
    rig.api.create("two", f"127.0.0.1:{ports[1]}", "10.0.0.9:7777")
    rig.api.create("three", f"127.0.0.1:{ports[2]}", "10.0.0.9:6333")
    rig.api.create("four", f"127.0.0.1:{ports[3]}", "qdrant:7334")
    plane.adopt("redis")
    plane.adopt("clickhouse", f"localhost:{ports[1]}")
    plane.adopt("qdrant")
    found = sorted((proxy.store, proxy.name) for proxy in plane.proxies)
    assert found == [("clickhouse", "two"), ("qdrant", "four"), ("qdrant", "three"), ("redis", "one")]


def test_a_store_can_not_be_emptied_by_its_network(rig: Rig, plane: StorePlane) -> None:
    """restarted_empty is the embedded KATO's."""
    rig.api.create("redis", f"127.0.0.1:{free_port()}", "127.0.0.1:9")
    plane.adopt("redis")
    planned = fault(mode="restarted_empty")
    with pytest.raises(UsageError, match="restarted_empty"):
        plane.apply(planned)
    plane.clear(planned)
    assert rig.api.proxy("redis")["enabled"]
