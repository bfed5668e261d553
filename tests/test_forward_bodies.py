"""The forwarding witness and bodies: every framing, large ones, and those that are cut."""

from __future__ import annotations

import contextlib
import http.client
import socket
import time
from zlib import crc32

import forward_rig
import pytest
from forward_rig import Front, ask
from raw_server import ok, read_request

pytestmark = pytest.mark.sockets
front = forward_rig.front


def test_a_reply_cut_in_the_middle_is_cut_in_the_middle(front: Front) -> None:
    """What came of it reaches the client under the length that was announced."""

    def handle(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(ok(b"0123456789")[:-4])

    client = front.server(handle)
    with pytest.raises(http.client.IncompleteRead) as caught:
        ask(client, "GET", "/")
    assert caught.value.partial == b"012345"


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nabcde",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabcde",
    ],
    ids=["chunked", "until close", "interim"],
)
def test_every_framing_of_a_reply_is_understood(front: Front, reply: bytes) -> None:
    """Chunks, the end of the connection, and interim replies."""

    def handle(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(reply)

    assert ask(front.server(handle), "GET", "/") == b"abcde"


def test_a_reply_to_head_has_a_length_and_no_body(front: Front) -> None:
    """And the connection goes on."""

    def handle(sock: socket.socket) -> None:
        while request := read_request(sock):
            sock.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n" if request[:1] == b"H" else ok())

    client = front.server(handle)
    client.request("HEAD", "/health")
    response = client.getresponse()
    assert (response.read(), response.headers["content-length"]) == (b"", "9")
    assert ask(client, "GET", "/") == b"{}"


def test_large_bodies_pass_both_ways_without_being_held(front: Front) -> None:
    """40 MiB up and down, read slowly at each end, cost less than 10 MiB of memory; the CRC-32 is that of the whole."""
    piece, count = bytes(1 << 18), 160
    size = len(piece) * count

    def handle(sock: socket.socket) -> None:
        head, left = b"", size
        while b"\r\n\r\n" not in head:
            head += sock.recv(1 << 16)
        left -= len(head.partition(b"\r\n\r\n")[2])
        while left > 0:
            left -= len(sock.recv(1 << 16))
        sock.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        with contextlib.suppress(ConnectionError):
            for _ in range(count):
                sock.sendall(piece)

    def resident() -> int:
        return int(front.witness.control({"do": "stats"})["rss"])

    client = front.server(handle)
    before = resident()
    client.request("POST", "/sessions/a/observe", (piece for _ in range(count)), {"content-length": str(size)})
    response = client.getresponse()
    assert resident() - before < 10 << 20
    time.sleep(0.05)
    received = sum(len(response.read(len(piece))) for _ in range(count))
    assert resident() - before < 10 << 20
    assert received == size
    assert front.arrivals()[0]["payload"] == crc32(bytes(size)) & 0xFFFF


@pytest.mark.parametrize("framing", [b"content-length: 2000000\r\n", b""], ids=["length", "until close"])
def test_a_large_reply_ends_a_connection_that_was_to_end(front: Front, framing: bytes) -> None:
    """The client asked for the end, and gets the whole before it."""

    def handle(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n" + b"y" * 2_000_000)

    client = front.server(handle)
    client.request("GET", "/", headers={"connection": "close"})
    assert client.getresponse().read() == b"y" * 2_000_000
    assert front.arrivals()[0]["reply_ns"] > 0


def test_a_chunked_large_body_stays_chunked(front: Front) -> None:
    """Its length is nowhere announced."""
    got: list[bytes] = []

    def handle(sock: socket.socket) -> None:
        data = b""
        while not data.endswith(b"0\r\n\r\n"):
            data += sock.recv(1 << 16)
        got.append(data)
        sock.sendall(ok())

    client = front.server(handle)
    client.request("POST", "/x", (b"y" * 100_000 for _ in range(20)), encode_chunked=True)
    assert client.getresponse().read() == b"{}"
    head, _, body = got[0].partition(b"\r\n\r\n")
    assert b"transfer-encoding: chunked" in head.lower()
    assert body.count(b"y") == 2_000_000
