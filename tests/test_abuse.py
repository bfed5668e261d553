"""Bad input takes nothing from the evidence: idle crowds, huge and cut bodies, slow heads, malformed HTTP."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from witness_rig import read_spool

from harness.twin.serve import ServedWitness, serve_in_thread

pytestmark = pytest.mark.sockets

MALFORMED = (
    b"\x00\xff\x16\x03\x01\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"POST /sessions HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
    b"POST /sessions HTTP/1.1\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
    b"POST /sessions HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n{}\r\n",
    b"POST /sessions HTTP/1.1\r\nhost: a\r\nno colon\r\n\r\n",
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nhost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"b" * 300_000 + b"\r\n\r\n",
)
CROWD = 500
BODY = 24 << 20


@pytest.fixture(params=["twin", "forwarding"])
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ServedWitness]:
    """The embedded KATO, and a forwarding witness before another one."""
    with contextlib.ExitStack() as stack:
        target = stack.enter_context(serve_in_thread()).url if request.param == "forwarding" else ""
        yield stack.enter_context(serve_in_thread(target=target, spool=tmp_path / "witness.raw"))


class Worker:
    """A client that does nothing wrong, on one connection; `acknowledged` are the statuses that it got."""

    def __init__(self, port: int) -> None:
        self._client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.session = json.loads(self.post("/sessions", {"node_id": "n"})[1])["session_id"]
        self.acknowledged = 0

    def close(self) -> None:
        self._client.close()

    def post(self, path: str, body: dict[str, Any]) -> tuple[int, bytes]:
        self._client.request("POST", path, json.dumps(body), {"content-type": "application/json"})
        response = self._client.getresponse()
        return response.status, response.read()

    def observe(self) -> None:
        status, _ = self.post(f"/sessions/{self.session}/observe", {"strings": ["a"]})
        assert status == 200
        self.acknowledged += 1


def abuse(port: int, worker: Worker, crowd: contextlib.ExitStack) -> None:
    """Everything at once, with an observe after each piece."""

    def connection() -> socket.socket:
        return crowd.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))

    for number in range(CROWD):
        idle = connection()
        if number % 2:
            idle.sendall(b"POST /sessions HTTP/1.1\r\nhos")  # a head that is never ended
    worker.observe()
    for piece in MALFORMED:
        with contextlib.suppress(OSError):  # hanging up in the midst of it is a right answer
            connection().sendall(piece)
        worker.observe()
    head = f"POST /sessions/{worker.session}/observe HTTP/1.1\r\nhost: a\r\ncontent-length: {BODY}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", port), timeout=30) as cut, contextlib.suppress(OSError):
        cut.sendall(head + bytes(BODY // 2))  # and gone
    worker.observe()
    with socket.create_connection(("127.0.0.1", port), timeout=30) as whole, contextlib.suppress(OSError):
        whole.sendall(head + bytes(BODY))
        assert whole.recv(12) == b"HTTP/1.1 422"
    worker.observe()


def test_abuse_leaves_the_evidence_of_the_others_whole(served: ServedWitness, tmp_path: Path) -> None:
    """One row and one commit for each acknowledged observe, in order; nothing committed by what was no request."""
    with contextlib.closing(Worker(served.port)) as worker:
        with contextlib.ExitStack() as crowd:
            abuse(served.port, worker, crowd)
        worker.observe()
        assert served.control({"do": "stats"})["errors"] == 0
        served.stop()
    rows = read_spool(tmp_path / "witness.raw")["arrivals"]
    commits = [row["commit_seq"] for row in rows if row["commit_seq"]]
    assert sorted(commits) == list(range(1, worker.acknowledged + 2))  # the session's own, and each observe
    of_session = [row for row in rows if row["session"] == worker.session and row["commit_seq"]]
    assert [row["status"] for row in of_session].count(200) == worker.acknowledged + 1
    assert all(row["arrive_ns"] <= row["reply_ns"] for row in of_session)


def test_what_abuse_took_is_given_back(served: ServedWitness) -> None:
    """Three rounds of it: no connection stays, and what the parser holds does not grow."""
    with contextlib.closing(Worker(served.port)) as worker:
        for _ in range(3):
            with contextlib.ExitStack() as crowd:
                abuse(served.port, worker, crowd)
            worker.observe()
            assert until(lambda: served.control({"do": "stats"})["connections"] == 1)
        assert served.control({"do": "stats"})["errors"] == 0


def until(holds: Callable[[], bool], seconds: float = 20.0) -> bool:
    """True once `holds` does, False when it never did within `seconds`."""
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.01)
    return holds()
