"""A canary sees what a client would: each way in which a connection can fail has its word."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from harness.faults import Ask, Probe
from harness.inject.ask import Address, look
from harness.model import ERRORS

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n"


@contextmanager
def peer(behave: Callable[[socket.socket], None]) -> Iterator[Address]:
    """A server for one connection, which it treats as told after the request has come."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                behave(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listening.getsockname()
        finally:
            thread.join()


def asked(behave: Callable[[socket.socket], None], **more: object) -> Probe:
    with peer(behave) as address:
        return look(address, Ask(**{"wait_s": 0.2, **more}), "probe", time.monotonic_ns)  # type: ignore[arg-type]


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def silent(connection: socket.socket) -> None:
    connection.recv(1)


CASES: dict[str, tuple[Callable[[socket.socket], None], str]] = {
    "whole": (lambda c: c.sendall(HEAD + b"{        }"), ""),
    "no length, ends with the connection": (lambda c: c.sendall(b"HTTP/1.1 200 OK\r\n\r\nabc"), ""),
    "cut in the body": (lambda c: c.sendall(HEAD + b"{"), "protocol_error"),
    "cut in the head": (lambda c: c.sendall(HEAD[:20]), "protocol_error"),
    "closed without a byte": (lambda c: None, "protocol_error"),
    "reset": (reset, "reset"),
    "silence": (silent, "read_timeout"),
    "no HTTP": (lambda c: c.sendall(b"SSH-2.0-OpenSSH\r\n"), "protocol_error"),
}


@pytest.mark.parametrize("case", CASES)
def test_each_end_of_a_connection_has_its_word(case: str) -> None:
    behave, word = CASES[case]
    probe = asked(behave)
    assert probe.outcome == word
    assert word in ERRORS
    assert probe.connected_ns >= probe.start_ns > 0


def test_a_port_where_nobody_listens_is_a_connect_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        probe = look(taken.getsockname(), Ask(), "probe", time.monotonic_ns)
    assert (probe.outcome, probe.connected_ns, probe.status) == ("connect_error", 0, 0)


def test_a_full_backlog_is_a_connect_timeout() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(full.getsockname())
        probe = look(full.getsockname(), Ask(wait_s=0.1), "probe", time.monotonic_ns)
        for client in waiting:
            client.close()
    assert probe.outcome == "connect_timeout"


def test_status_headers_body_and_sizes_are_kept() -> None:
    probe = asked(lambda c: c.sendall(HEAD.replace(b"200 OK", b"503 Busy") + b'{"a": "b"}'))
    assert (probe.status, probe.headers["content-type"], probe.body) == (503, "application/json", b'{"a": "b"}')
    assert (probe.size, probe.length) == (10, 10)


def test_the_times_of_the_pieces_of_a_body_are_kept_where_the_reply_is_cut_off_too() -> None:
    def drip(connection: socket.socket) -> None:
        connection.sendall(HEAD)
        for _ in range(3):
            connection.sendall(b" ")
            connection.settimeout(0.03)
            with pytest.raises(TimeoutError):
                connection.recv(1)
        connection.settimeout(None)
        silent(connection)

    probe = asked(drip)
    assert probe.outcome == "read_timeout"
    assert len(probe.chunks_ns) == 3
    assert probe.chunks_ns[2] - probe.chunks_ns[0] >= 50_000_000


def test_the_end_after_the_reply_is_waited_for_where_it_is_asked_for() -> None:
    def late(connection: socket.socket) -> None:
        connection.sendall(HEAD + b"{        }")
        connection.settimeout(0.05)
        with pytest.raises(TimeoutError):
            connection.recv(1)

    probe = asked(late, until_close=True, wait_s=2.0)
    assert probe.outcome == ""
    assert probe.closed_ns - probe.end_ns >= 40_000_000


@pytest.mark.parametrize(
    ("ask", "line", "marked"),
    [
        (Ask(down_bytes=7), b"GET /?bytes=7 HTTP/1.1", True),
        (Ask(up_bytes=3), b"POST /?bytes=2 HTTP/1.1", True),
        (Ask(path="/health", marked=False), b"GET /health HTTP/1.1", False),
    ],
)
def test_the_request_says_what_is_asked_for_and_who_asks(ask: Ask, line: bytes, marked: bool) -> None:
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                heard.append(connection.recv(65536))

        thread = threading.Thread(target=serve)
        thread.start()
        look(listening.getsockname(), ask, "outage", time.monotonic_ns)
        thread.join()
    assert heard[0].startswith(line)
    assert (b"x-kato-canary: outage" in heard[0]) is marked
