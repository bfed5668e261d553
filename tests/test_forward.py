"""The forwarding witness: what the target and the client see, what is on record, and which commits are proven."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import forward_rig
import pytest
from forward_rig import Front, ask
from raw_server import RawServer, ok, read_request, reset
from standin_kato import StandInKato
from witness_rig import read_spool, request_bytes

from harness.errors import UsageError
from harness.model import OPERATIONS
from harness.spool import MOST_FUTURES
from harness.twin.forward.foretold import futures_in
from harness.twin.forward.target import parse_target
from harness.twin.serve import serve_in_thread

pytestmark = pytest.mark.sockets
front = forward_rig.front


def until(holds: Callable[[], bool], seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def test_the_target_sees_the_request_without_what_is_ours(front: Front) -> None:
    """Target, order and case of headers and the body pass; the attempt header and hop-by-hop headers don't."""
    seen: list[bytes] = []

    def handle(sock: socket.socket) -> None:
        seen.append(read_request(sock))
        sock.sendall(ok())

    client = front.server(handle)
    headers = {"X-Trace-ID": "t1", "x-kato-attempt": "4.1", "Connection": "keep-alive", "TE": "trailers"}
    client.request("POST", "/sessions/a%20b/observe?x=1", b'{"strings":[]}', headers)
    assert client.getresponse().read() == b"{}"
    head, _, body = seen[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /sessions/a%20b/observe?x=1 HTTP/1.1\r\n")
    assert b"X-Trace-ID: t1" in head
    assert body == b'{"strings":[]}'
    assert not any(name in head.lower() for name in (b"x-kato-attempt", b"keep-alive", b"te: "))
    assert front.arrivals()[0]["call"] == 4


def test_the_client_sees_the_targets_headers_and_no_others(front: Front) -> None:
    """Repeated ones too, and the target's own date and server."""
    headers = b"Server: kato\r\nDate: never\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nKeep-Alive: timeout=5\r\n"

    def handle(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(ok(b"{}", headers))

    client = front.server(handle)
    client.request("GET", "/")
    response = client.getresponse()
    response.read()
    assert response.headers.get_all("set-cookie") == ["a=1", "b=2"]
    assert (response.headers.get_all("server"), response.headers.get_all("date")) == (["kato"], ["never"])
    assert "keep-alive" not in response.headers


def test_each_client_connection_has_its_own_to_the_target(front: Front) -> None:
    """Three requests on one are one there, so that the target's limits and keep-alive mean what they mean."""

    def handle(sock: socket.socket) -> None:
        while read_request(sock):
            sock.sendall(ok())

    with RawServer(handle) as server:
        clients = [front.before(server.url), front.client()]
        for client in clients:
            for _ in range(3):
                ask(client, "GET", "/")
        assert server.accepted == 2


def test_a_connection_that_the_target_closes_is_closed_to_the_client(front: Front) -> None:
    """As after KATO's keep-alive time or its 500."""

    def handle(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(ok())

    client = front.server(handle)
    assert ask(client, "GET", "/") == b"{}"
    assert client.sock.recv(1) == b""


def test_in_a_black_hole_nobody_hears_that_the_target_closes(front: Front) -> None:
    """The client's connection stays, and its next request finds a new one to the target."""
    closed = threading.Event()

    def handle(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(ok())
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(1) == b""
        closed.set()

    client = front.server(handle)
    front.witness.control({"do": "keep_idle", "on": True})
    ask(client, "GET", "/")
    sock = client.sock
    assert closed.wait(5)
    assert ask(client, "GET", "/") == b"{}"
    assert client.sock is sock


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_target_that_goes_away_cuts_the_client_alike(front: Front, how: str) -> None:
    """A clean end stays one, a reset stays one, and no reply is on record."""

    def handle(sock: socket.socket) -> None:
        read_request(sock)
        if how == "reset":
            reset(sock)

    client = front.server(handle)
    with pytest.raises(ConnectionResetError if how == "reset" else http.client.RemoteDisconnected):
        ask(client, "GET", "/health")
    (row,) = front.arrivals()
    assert (row["status"], row["reply_ns"], row["commit_seq"], row["fault"]) == (0, 0, 0, "")


def test_nobody_at_the_target_is_a_reset(front: Front) -> None:
    """The client's connection was accepted, so refusing it is no longer possible."""
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    client = front.before(f"http://127.0.0.1:{port}")
    with pytest.raises(ConnectionResetError):
        ask(client, "GET", "/")


def test_faults_are_those_of_the_embedded_kato(front: Front) -> None:
    """The same rules: lost before and after the commit, rewritten, delayed."""
    with serve_in_thread(kato=StandInKato()) as kato:
        client = front.before(kato.url)
        ask(client, "POST", "/sessions")
        rule = {"name": "lost", "kind": "sequence", "params": {"steps": ["drop", "cut", "status:503", "ok"]}}
        assert front.witness.control({"do": "add_rule", "rule": rule})["ok"]
        for _ in range(2):
            with pytest.raises(http.client.RemoteDisconnected):
                ask(front.client(), "POST", "/sessions/s1/observe")
        assert ask(client, "POST", "/sessions/s1/observe") == b"Service Unavailable"
        assert json.loads(ask(client, "POST", "/sessions/s1/observe"))["stm_length"] == 2
    rows = front.arrivals()
    assert [row["commit_seq"] for row in rows] == [1, 2, 0, 0, 3]
    assert [row["fault"] for row in rows] == ["", "lost", "lost", "lost", ""]


def test_a_client_that_leaves_takes_its_request_with_it(front: Front) -> None:
    """The target sees the end of the connection, as it would without a witness."""
    ended: list[bool] = []

    def handle(sock: socket.socket) -> None:
        read_request(sock)
        try:
            ended.append(sock.recv(1) == b"")
        except ConnectionResetError:
            ended.append(True)

    front.server(handle)
    with socket.create_connection(("127.0.0.1", front.witness.port)) as client:
        client.sendall(request_bytes("GET", "/health"))
        assert until(lambda: front.witness.control({"do": "stats"})["connections"] >= 1)
        time.sleep(0.05)
    assert until(lambda: ended == [True])
    (row,) = front.arrivals()
    assert row["disconnect_ns"] > row["arrive_ns"]


def test_what_forwarding_adds_is_measured(front: Front) -> None:
    """Median and 99th percentile in milliseconds."""
    with serve_in_thread(kato=StandInKato()) as kato:
        client = front.before(kato.url)
        for _ in range(50):
            ask(client, "GET", "/")
        added = front.witness.control({"do": "stats"})["added_ms"]
    assert 0 < added["p50"] <= added["p99"] < 100


@pytest.mark.parametrize(
    "url", ["", "kato:8000", "ftp://kato", "http://", "http://kato:99999", "http://ana:pw@kato", "http://kato/?x=1"]
)
def test_a_wrong_target_is_refused_with_words(url: str) -> None:
    """Before anything listens."""
    with pytest.raises(UsageError, match="target"):
        parse_target(url)


def test_a_target_may_have_a_path_and_a_scheme() -> None:
    """The path is put before every request's own."""
    target = parse_target("http://kato.staging:8080/v1/")
    assert (target.host, target.port, target.prefix, target.tls) == ("kato.staging", 8080, b"/v1", None)
    assert parse_target("https://kato").port == 443


def test_sessions_are_read_back_and_deleted_when_the_run_is_over(front: Front) -> None:
    """Those that were opened through the witness and are still there; with the headers of who opened them."""
    with serve_in_thread() as kato:
        client = front.before(kato.url)
        opened = [
            json.loads(ask(client, "POST", "/sessions", b'{"node_id":"n%d"}' % n))["session_id"] for n in range(3)
        ]
        ask(client, "POST", f"/sessions/{opened[0]}/observe", b'{"strings":["a"]}')
        ask(client, "DELETE", f"/sessions/{opened[2]}")
        assert front.witness.control({"do": "stm"})["lengths"] == {opened[0]: 1, opened[1]: 0}
        done = front.witness.control({"do": "clear_up"})
        assert (done["deleted"], done["left"]) == (2, 0)
        alone = http.client.HTTPConnection("127.0.0.1", kato.port, timeout=10)
        assert b"SESSION_NOT_FOUND" in ask(alone, "GET", f"/sessions/{opened[0]}/stm")
        alone.close()


def test_sessions_that_nobody_can_delete_are_counted(front: Front) -> None:
    """KATO is gone."""
    with serve_in_thread() as kato:
        ask(front.before(kato.url), "POST", "/sessions", b'{"node_id":"n"}')
    done = front.witness.control({"do": "clear_up"})
    assert (done["deleted"], done["left"], len(done["names"])) == (0, 1, 1)


def test_what_kato_foretold_is_counted_alike_on_both_sides(front: Front, tmp_path: Path) -> None:
    """By the witness that hosts the embedded KATO, and by one before it: no prediction, ended ones, and open ones."""
    with serve_in_thread(spool=tmp_path / "behind.raw") as behind:
        client = front.before(f"http://127.0.0.1:{behind.port}")
        session = json.loads(ask(client, "POST", "/sessions", b'{"node_id":"n"}'))["session_id"]
        for strings in (["a"], ["b"], ["c"]):
            ask(client, "POST", f"/sessions/{session}/observe", json.dumps({"strings": strings}).encode())
        ask(client, "GET", f"/sessions/{session}/predictions")
        ask(client, "POST", f"/sessions/{session}/learn")
        for strings in (["a"], ["b"], ["c"]):
            ask(client, "POST", f"/sessions/{session}/observe", json.dumps({"strings": strings}).encode())
            ask(client, "GET", f"/sessions/{session}/predictions")
        told = [row["futures"] for row in front.arrivals() if OPERATIONS[row["op"]] == "predict"]
    rows = [row["futures"] for row in read_spool(tmp_path / "behind.raw")["arrivals"] if row["futures"]]
    assert told == rows == [1, 2, 2, 1]


@pytest.mark.parametrize("body", [b"", b"[]", b'{"predictions": [{"future": ["a"]}', b'{"predictions": null}', b"\xff"])
def test_what_no_answer_of_predictions_foretells_is_unknown(body: bytes) -> None:
    """Which is not the same as nothing."""
    assert futures_in(body) == 0
    assert futures_in(b'{"predictions": [{}, {"future": null}, {"future": []}]}') == 1
    many = json.dumps({"predictions": [{"future": [["a"]], "name": "p"}] * 300}).encode()
    assert futures_in(many) == MOST_FUTURES
