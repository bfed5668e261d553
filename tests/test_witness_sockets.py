"""The witness on real sockets: keep-alive, resets, refused connections, big bodies, many idle clients, its process."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from standin_kato import StandInKato
from witness_rig import read_spool, request_bytes

from harness.channel import Channel, pair
from harness.errors import UsageError
from harness.twin.serve import ServedWitness, serve_in_thread

pytestmark = pytest.mark.sockets


@pytest.fixture
def served(tmp_path: Path) -> Iterator[ServedWitness]:
    with serve_in_thread(kato=StandInKato(), spool=tmp_path / "witness.raw") as witness:
        yield witness


Connect = Callable[[int], http.client.HTTPConnection]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Client connections to a port, closed at the end."""
    with contextlib.ExitStack() as stack:

        def connection(port: int) -> http.client.HTTPConnection:
            client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            stack.callback(client.close)
            return client

        yield connection


def send(client: http.client.HTTPConnection, path: str, body: bytes = b"{}", **headers: str) -> int:
    client.request("POST", path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    response = client.getresponse()
    response.read()
    return response.status


def until(holds: Callable[[], bool], seconds: float = 5.0) -> bool:
    """True once `holds` does, False when it never did within `seconds`."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def test_one_connection_carries_many_requests_and_all_are_on_record(
    served: ServedWitness, tmp_path: Path, connect: Connect
) -> None:
    """Keep-alive holds; after the stop the spool has every row in order."""
    client = connect(served.port)
    assert send(client, "/sessions") == 200
    assert [send(client, "/sessions/s1/observe", x_kato_attempt=f"{n}.1") for n in range(1, 51)] == [200] * 50
    assert served.control({"do": "stats"})["accepted"] == 1
    served.stop()
    rows = read_spool(tmp_path / "witness.raw")["arrivals"]
    assert [row["call"] for row in rows] == list(range(51))
    assert [row["commit_seq"] for row in rows] == list(range(1, 52))
    assert all(row["arrive_ns"] <= row["reply_ns"] for row in rows)


def test_a_killed_kato_resets_and_refuses_until_it_is_restarted(served: ServedWitness, connect: Connect) -> None:
    """On the same port, with its sessions."""
    client = connect(served.port)
    send(client, "/sessions")
    assert served.control({"do": "kill"})["ok"]
    with pytest.raises(ConnectionResetError):
        send(client, "/sessions/s1/observe")
    with pytest.raises(ConnectionRefusedError):
        connect(served.port).connect()
    assert served.control({"do": "restart"})["ok"]
    assert send(connect(served.port), "/sessions/s1/observe") == 200


def test_open_connections_and_what_sessions_hold_are_told(served: ServedWitness, connect: Connect) -> None:
    """A shutdown in order waits for the ones, law D5 asks for the others."""
    client = connect(served.port)
    for path in ("/sessions", "/sessions/s1/observe", "/sessions/s1/observe"):
        send(client, path)
    assert served.control({"do": "stm"})["lengths"] == {"s1": 2}
    assert served.control({"do": "connections"})["open"] == 1
    assert served.control({"do": "connections", "instance": 7})["ok"] is False
    client.close()
    assert until(lambda: served.control({"do": "connections", "instance": 0})["open"] == 0)


@pytest.mark.parametrize(("how", "error"), [("close", http.client.RemoteDisconnected), ("reset", ConnectionResetError)])
def test_a_drop_is_a_clean_end_or_a_reset(
    served: ServedWitness, how: str, error: type[Exception], connect: Connect
) -> None:
    """As the rule says, on the wire."""
    rule = {"name": "lost", "kind": "commit_then_drop", "params": {"how": how}}
    assert served.control({"do": "add_rule", "rule": rule})["ok"]
    with pytest.raises(error):
        send(connect(served.port), "/sessions")
    assert served.control({"do": "stats"})["committed"] == 1


def test_a_client_that_went_away_is_on_record(served: ServedWitness, tmp_path: Path) -> None:
    """With the time at which it did."""
    served.control({"do": "pause"})
    with socket.create_connection(("127.0.0.1", served.port)) as client:
        client.sendall(request_bytes("POST", "/sessions"))
        assert until(lambda: served.control({"do": "stats"})["gated"] == 1)
    assert until(lambda: served.control({"do": "stats"})["connections"] == 0)
    served.control({"do": "resume"})
    served.stop()
    (row,) = read_spool(tmp_path / "witness.raw")["arrivals"]
    assert row["disconnect_ns"] > row["arrive_ns"]
    assert (row["reply_ns"], row["commit_seq"]) == (0, 1)


def test_a_body_of_100_mib_is_taken(served: ServedWitness, connect: Connect) -> None:
    """And its memory given back."""
    client = connect(served.port)
    send(client, "/sessions")
    assert send(client, "/sessions/s1/observe", bytes(100 << 20)) == 200
    assert served.control({"do": "stats"})["errors"] == 0


def test_a_huge_reply_reaches_a_slow_reader_whole(served: ServedWitness, connect: Connect) -> None:
    """The witness never holds more of it than one piece beyond the socket's buffers."""
    rule = {"name": "huge", "kind": "huge_body", "params": {"bytes": 30 << 20}}
    served.control({"do": "add_rule", "rule": rule})
    before = served.control({"do": "stats"})["rss"]
    client = connect(served.port)
    client.request("POST", "/sessions")
    assert until(lambda: served.control({"do": "stats"})["committed"] == 1)
    assert served.control({"do": "stats"})["rss"] - before < 10 << 20
    assert len(client.getresponse().read()) == 30 << 20


def test_idle_and_half_sent_connections_cost_little(served: ServedWitness, connect: Connect) -> None:
    """A thousand of them leave a working client unharmed."""
    crowd = []
    for number in range(1000):
        client = socket.create_connection(("127.0.0.1", served.port))
        if number % 2:
            client.sendall(b"POST /sessions HTTP/1.1\r\nhos")
        crowd.append(client)
    assert send(connect(served.port), "/sessions") == 200
    for client in crowd:
        client.close()
    assert until(lambda: served.control({"do": "stats"})["connections"] <= 1)
    assert served.control({"do": "stats"})["errors"] == 0


def test_service_time_is_kept_by_each_of_many_parallel_requests(tmp_path: Path, connect: Connect) -> None:
    """Twenty at once take about as long as one."""
    profile = {"service": "100ms", "workers": "parallel"}
    with serve_in_thread(profile, kato=StandInKato(), spool=tmp_path / "witness.raw") as witness:
        threads = [threading.Thread(target=send, args=(connect(witness.port), "/sessions")) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    rows = read_spool(tmp_path / "witness.raw")["arrivals"]
    assert all(0.1 <= (row["reply_ns"] - row["arrive_ns"]) / 1e9 < 0.3 for row in rows)
    assert max(row["reply_ns"] for row in rows) - min(row["arrive_ns"] for row in rows) < 1e9


def test_a_wrong_command_gets_words(served: ServedWitness) -> None:
    """It names what is wrong, and nothing happens."""
    for command in ({"do": "fly"}, {"do": "add_rule"}, {"do": "remove_rule", "name": "x"}, {}):
        reply = served.control(command)
        assert not reply["ok"]
        assert reply["error"]


def test_a_wrong_profile_is_refused() -> None:
    """Before anything is started."""
    with pytest.raises(UsageError, match="no profile is named 'fast'"):
        serve_in_thread("fast")


class Child:
    """The witness as the process that a run starts."""

    def __init__(self, spool: Path) -> None:
        self.channel: Channel
        self.channel, theirs = pair()
        command = [sys.executable, "-m", "harness.twin", "--control-fd", str(theirs.fileno()), "--spool", str(spool)]
        self.started = time.monotonic()
        self.process = subprocess.Popen(command, pass_fds=(theirs.fileno(),))
        theirs.close()
        self.ready = self.channel.receive(10) or {}

    def ask(self, command: dict[str, object]) -> dict[str, object]:
        self.channel.send(command)
        return self.channel.receive(10) or {}


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Child]:
    child = Child(tmp_path / "witness.raw")
    yield child
    child.channel.close()
    assert child.process.wait(10) == 0


def test_the_process_says_where_it_listens_and_obeys(child: Child) -> None:
    """ready, then one reply a command, with its id."""
    assert child.ready["event"] == "ready"
    assert child.ready["pid"] == child.process.pid
    stats = child.ask({"do": "stats", "id": 7})
    assert (stats["id"], stats["ok"], stats["arrived"]) == (7, True, 0)


@pytest.mark.slow
def test_ten_thousand_idle_connections_cost_little(child: Child, connect: Connect) -> None:
    """Less than 8 KiB each, and a working client is served among them."""
    port = int(str(child.ready["port"]))
    before = int(str(child.ask({"do": "stats"})["rss"]))
    with contextlib.ExitStack() as stack:
        for _ in range(10_000):
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        assert until(lambda: child.ask({"do": "stats"})["connections"] == 10_000, 30)
        assert send(connect(port), "/sessions", b'{"node_id":"a"}') == 200
        assert int(str(child.ask({"do": "stats"})["rss"])) - before < 80 << 20
    assert until(lambda: int(str(child.ask({"do": "stats"})["connections"])) <= 1, 30)
    assert child.ask({"do": "stats"})["errors"] == 0


def test_the_process_flushes_while_it_runs_and_samples_itself(child: Child, tmp_path: Path, connect: Connect) -> None:
    """Rows are in the file within a second, so that a killed run is readable too."""
    client = connect(int(str(child.ready["port"])))
    assert send(client, "/sessions", b'{"node_id":"a"}') == 200
    path = tmp_path / "witness.raw"
    assert until(lambda: len(read_spool(path)["arrivals"]) == 1)
    assert until(lambda: len(read_spool(path)["samples"]) == 1)
    (sample,) = read_spool(path)["samples"][:1]
    assert (sample["process"], sample["cpu"] < 1.5, sample["rss"] > 1 << 20) == ("witness", True, True)


def test_the_process_ends_with_its_parent(child: Child) -> None:
    """End of file on the control channel is the end."""
    child.channel.close()
    assert child.process.wait(10) == 0


@pytest.mark.parametrize("how", ["stop", "signal"])
def test_the_process_ends_in_order(child: Child, how: str) -> None:
    """On `stop`, which is answered, and on SIGTERM."""
    if how == "stop":
        assert child.ask({"do": "stop", "id": 1}) == {"id": 1, "ok": True}
    else:
        os.kill(child.process.pid, signal.SIGTERM)
    assert child.process.wait(10) == 0


def test_the_process_imports_nothing_heavy() -> None:
    """Neither the judging side's libraries nor a client's."""
    code = "import sys, harness.twin.__main__, harness.twin.embedded, harness.twin.kato; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numpy", "pandas", "pyarrow", "httpx", "gevent", "locust", "requests"} & set(done.stdout.split())


def test_a_port_in_use_is_named_with_the_cure(served: ServedWitness) -> None:
    """No traceback."""
    command = [sys.executable, "-m", "harness.twin", "--port", str(served.port)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    assert done.returncode == 7
    assert f"127.0.0.1:{served.port}" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_spool_that_exists_is_not_overwritten(tmp_path: Path) -> None:
    """Evidence of an earlier run is safe."""
    path = tmp_path / "witness.raw"
    path.write_text("old")
    with pytest.raises(UsageError, match="File exists"):
        serve_in_thread(kato=StandInKato(), spool=path)
    assert path.read_text() == "old"


def test_a_reset_by_the_client_is_a_disconnect_like_any(served: ServedWitness) -> None:
    """No error of ours."""
    client = socket.create_connection(("127.0.0.1", served.port))
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    served.control({"do": "pause"})
    client.sendall(request_bytes("POST", "/sessions"))
    assert until(lambda: served.control({"do": "stats"})["gated"] == 1)
    client.close()
    served.control({"do": "resume"})
    assert until(lambda: served.control({"do": "stats"})["connections"] == 0)
    assert served.control({"do": "stats"})["errors"] == 0
