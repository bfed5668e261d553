"""Rows of section 7 of the contract in real time, over sockets: what a client gets and how long it waits."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import time
from collections.abc import Iterator

import pytest

from harness.twin.serve import ServedWitness, serve_in_thread

pytestmark = pytest.mark.sockets
FORGOTTEN = b"SESSION_NOT_FOUND"


class Client:
    """One warm session that has learnt a b, on a new connection for each request."""

    def __init__(self, served: ServedWitness) -> None:
        self._served = served
        self.session = self.opened("n")
        self.observe("a")
        self.observe("b")
        self.learn()
        self.observe("a")
        self.observe("b")

    def ask(self, method: str, path: str, body: object = None, timeout_s: float = 30.0) -> tuple[int, bytes]:
        client = http.client.HTTPConnection("127.0.0.1", self._served.port, timeout=timeout_s)
        with contextlib.closing(client):
            client.request(method, path, None if body is None else json.dumps(body))
            response = client.getresponse()
            return response.status, response.read()

    def opened(self, node: str) -> str:
        return str(json.loads(self.ask("POST", "/sessions", {"node_id": node})[1])["session_id"])

    def observe(self, symbol: str, timeout_s: float = 30.0, session: str = "") -> tuple[int, bytes]:
        path = f"/sessions/{session or self.session}/observe"
        return self.ask("POST", path, {"strings": [symbol]}, timeout_s)

    def predict(self) -> tuple[int, bytes]:
        return self.ask("GET", f"/sessions/{self.session}/predictions")

    def learn(self) -> tuple[int, bytes]:
        return self.ask("POST", f"/sessions/{self.session}/learn")

    def store(self, store: str, mode: str, slow: float = 0.0) -> None:
        assert self._served.control({"do": "store", "store": store, "mode": mode, "slow": slow})["ok"]


@pytest.fixture
def client() -> Iterator[Client]:
    with serve_in_thread() as served:
        yield Client(served)


def test_redis_refused(client: Client) -> None:
    """Row "Redis refused": 404 for observe, predictions and learn, 500 for create, health 200."""
    client.store("redis", "refused")
    for status, body in (client.observe("c"), client.predict(), client.learn()):
        assert status == 404
        assert FORGOTTEN in body
    assert client.ask("POST", "/sessions", {"node_id": "m"})[0] == 500
    assert client.ask("GET", "/health")[0] == 200


def test_redis_paused(client: Client) -> None:
    """Row "Redis paused 1.5 s": 200, and committed, as soon as Redis goes on (here after 0.4 s)."""
    client.store("redis", "hung")
    threading.Timer(0.4, client.store, ("redis", "up")).start()
    started = time.monotonic()
    assert client.observe("c")[0] == 200
    assert time.monotonic() - started >= 0.4
    assert json.loads(client.ask("GET", f"/sessions/{client.session}/stm")[1])["length"] == 3


def test_redis_hung(client: Client) -> None:
    """Row "Redis hung": the client gives up, while GET / answers; nothing was committed."""
    client.store("redis", "hung")
    with pytest.raises(TimeoutError):
        client.observe("c", timeout_s=0.3)
    assert client.ask("GET", "/")[0] == 200
    client.store("redis", "up")
    assert json.loads(client.ask("GET", f"/sessions/{client.session}/stm")[1])["stm"] == [["a"], ["b"]]


@pytest.mark.parametrize(("store", "body"), [("redis", {"strings": ["c"]}), ("qdrant", {"vectors": [[1.0, 2.0]]})])
def test_a_late_store(client: Client, store: str, body: object) -> None:
    """Row "Qdrant +1.5 s", and the same of Redis: 200, not before that time (here 0.4 s)."""
    client.store(store, "slow", 0.4)
    started = time.monotonic()
    assert client.ask("POST", f"/sessions/{client.session}/observe", body)[0] == 200
    assert time.monotonic() - started >= 0.4


def test_redis_restarted_empty(client: Client) -> None:
    """Row "Redis restarted empty": old sessions 404, create 200."""
    client.store("redis", "restarted_empty")
    assert client.observe("c")[0] == 404
    assert client.ask("POST", "/sessions", {"node_id": "m"})[0] == 200


def test_clickhouse_refused(client: Client) -> None:
    """Rows "ClickHouse refused/500, warm node" and "node's first use in that worker"."""
    client.store("clickhouse", "refused")
    assert client.observe("c")[0] == 200
    status, body = client.predict()
    assert (status, json.loads(body)["predictions"]) == (200, [])
    assert [client.learn()[0], client.learn()[0]] == [500, 200]
    assert client.ask("GET", "/health")[0] == 200
    assert client.observe("a", session=client.opened("new"))[0] == 500


def test_clickhouse_late(client: Client) -> None:
    """Row "ClickHouse +2 s per request": observe waits once, learn twice (here 0.3 s)."""
    client.store("clickhouse", "slow", 0.3)
    for ask, least in ((lambda: client.observe("c"), 0.3), (client.learn, 0.6)):
        started = time.monotonic()
        assert ask()[0] == 200
        assert time.monotonic() - started >= least


def test_qdrant_refused(client: Client) -> None:
    """Row "Qdrant refused/500": a vector observed and learnt with 200."""
    client.store("qdrant", "refused")
    assert client.ask("POST", f"/sessions/{client.session}/observe", {"vectors": [[1.0, 2.0]]})[0] == 200
    assert client.learn()[0] == 200
