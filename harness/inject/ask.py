"""One canary request on a connection of its own, with all that the client side of a socket can see."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass, field

import httptools

from harness.faults import Ask, Probe
from harness.model import CANARY_HEADER

KEPT_BYTES = 4_096
ENOUGH_BYTES = 1 << 20
MOST_CHUNKS = 64
RECEIVE_BYTES = 1 << 16

Address = tuple[str, int]


@dataclass(slots=True)
class Sight:
    """What has been seen so far; also the callbacks of httptools."""

    now_ns: Callable[[], int]
    connected_ns: int = 0
    headers_ns: int = 0
    closed_ns: int = 0
    end_ns: int = 0
    complete: bool = False
    size: int = 0
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    chunks_ns: list[int] = field(default_factory=list)

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self.headers_ns = self.now_ns()

    def on_body(self, data: bytes) -> None:
        self.size += len(data)
        self.body = (self.body + data)[:KEPT_BYTES]
        if len(self.chunks_ns) < MOST_CHUNKS:
            self.chunks_ns.append(self.now_ns())

    def on_message_complete(self) -> None:
        self.complete = True
        self.end_ns = self.now_ns()


def look(address: Address, ask: Ask, rule: str, now_ns: Callable[[], int]) -> Probe:
    """Ask once through the listener at `address`, as the rule named `rule` would treat it ("probe": none).

    Never raises for what the network does: that is the outcome.
    """
    start_ns = now_ns()
    sight = Sight(now_ns)
    parser = httptools.HttpResponseParser(sight)
    try:
        outcome = _exchange(address, _request(address, ask, rule), ask, sight, parser, start_ns)
    except TimeoutError:
        outcome = "read_timeout" if sight.connected_ns else "connect_timeout"
    except httptools.HttpParserError:
        outcome = "protocol_error"
    except OSError:
        outcome = "reset" if sight.connected_ns else "connect_error"
    return _probe(sight, parser, start_ns, outcome)


def _request(address: Address, ask: Ask, rule: str) -> bytes:
    body = b"\0" * ask.up_bytes
    path = f"/?bytes={ask.down_bytes}" if ask.marked else ask.path
    lines = [f"{'POST' if body else 'GET'} {path} HTTP/1.1", f"host: {address[0]}:{address[1]}"]
    # The server must not close first otherwise: a black hole passes on the end of a connection.
    lines += ["connection: close"] if ask.until_close else []
    lines += [f"{CANARY_HEADER}: {rule}"] if ask.marked else []
    lines += [f"content-length: {len(body)}"] if body else []
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def _exchange(
    address: Address, request: bytes, ask: Ask, sight: Sight, parser: httptools.HttpResponseParser, start_ns: int
) -> str:
    """Send, and read until there is enough; the outcome of what ended by itself, else an OSError or parser error."""
    deadline_ns = start_ns + round(ask.wait_s * 1e9)
    with socket.create_connection(address, timeout=ask.wait_s) as sock:
        sight.connected_ns = sight.now_ns()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(request)
        while sight.size < ENOUGH_BYTES and (ask.until_close or not sight.complete):
            left_ns = deadline_ns - sight.now_ns()
            if left_ns <= 0:
                raise TimeoutError
            sock.settimeout(left_ns / 1e9)
            data = sock.recv(RECEIVE_BYTES)
            if not data:
                return _at_end(sight)
            parser.feed_data(data)
    return ""


def _at_end(sight: Sight) -> str:
    """The peer closed: a whole reply, one whose end is the connection's, or one that was cut."""
    sight.closed_ns = sight.now_ns()
    unframed = sight.headers_ns and not {"content-length", "transfer-encoding"} & sight.headers.keys()
    return "" if sight.complete or unframed else "protocol_error"


def _probe(sight: Sight, parser: httptools.HttpResponseParser, start_ns: int, outcome: str) -> Probe:
    return Probe(
        start_ns=start_ns,
        end_ns=sight.end_ns or sight.now_ns(),
        outcome=outcome,
        connected_ns=sight.connected_ns,
        headers_ns=sight.headers_ns,
        closed_ns=sight.closed_ns,
        status=parser.get_status_code() if sight.headers_ns else 0,
        headers=sight.headers,
        body=sight.body,
        size=sight.size,
        length=int(sight.headers.get("content-length", -1)),
        chunks_ns=tuple(sight.chunks_ns),
    )
