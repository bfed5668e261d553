"""HTTP/1.1 over bare sockets with httptools: as little as a checked answer needs, for high rates on one core.

`socket` is looked up in the standard library, so under gevent's patch these are gevent's.
"""

from __future__ import annotations

import errno
import select
import socket
import time
from http.client import IncompleteRead
from typing import Any

import httptools

IDLE_S = 4.0
"""An idle connection older than this isn't used again: KATO closes its own after 5 s (contract, section 5)."""
PROBE_S = 0.01
"""One that was idle longer than this is looked at first: has the server closed it meanwhile?"""
MOST_BYTES = 64 << 20
RECEIVE_BYTES = 1 << 16


class Connection:
    """One keep-alive connection; every wait is cut to the due time it is given (monotonic seconds).

    It collects one answer after another, as the callbacks of its parser: a parser an answer costs 3 µs.
    """

    __slots__ = (
        "content",
        "done",
        "idle_since",
        "kept_alive",
        "parser",
        "port",
        "reused",
        "size",
        "sock",
        "started_ns",
    )

    def __init__(self, address: tuple[str, int], timeout: float) -> None:
        try:
            self.sock = socket.create_connection(address, timeout)
        except TimeoutError as error:
            raise TimeoutError(errno.ETIMEDOUT, "no connection within the connect time-out") from error
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port: int = self.sock.getsockname()[1]
        self.idle_since = 0.0
        self.reused = False
        self.content: list[bytes] = []
        self.size = 0
        self.done = self.kept_alive = False
        self.started_ns = 0
        self.parser = httptools.HttpResponseParser(self)

    def on_headers_complete(self) -> None:
        self.started_ns = time.monotonic_ns()

    def on_body(self, part: bytes) -> None:
        self.content.append(part)
        self.size += len(part)
        if self.size > MOST_BYTES:
            raise ValueError(f"an answer of more than {MOST_BYTES} bytes")

    def on_message_complete(self) -> None:
        self.kept_alive = self.parser.should_keep_alive()
        self.done = True

    def exchange(self, request: bytes, read: float, due: float) -> int:
        """Send the request and receive its answer; the status. Raises TimeoutError, OSError or IncompleteRead."""
        self.content = []
        self.size = 0
        self.done = self.kept_alive = False
        self.started_ns = 0
        sock, feed = self.sock, self.parser.feed_data
        sock.settimeout(_wait(read, due))
        sent = sock.send(request)  # gevent's sendall asks for the buffer's size first: two system calls more
        if sent < len(request):
            sock.sendall(request[sent:])
        while not self.done:
            data = sock.recv(RECEIVE_BYTES)
            if not data and self.started_ns:
                raise IncompleteRead(b"".join(self.content))
            if not data:
                raise ConnectionResetError(errno.ECONNRESET, "closed by the server without an answer")
            feed(data)
            if not self.done:
                sock.settimeout(_wait(read, due))
        return self.parser.get_status_code()

    def usable(self, now: float) -> bool:
        """Whether it may be used again: not too old, and not closed by the server."""
        idle = now - self.idle_since
        if idle < PROBE_S:
            return True
        return idle < IDLE_S and not _readable(self.sock)

    def close(self) -> None:
        """Close the socket."""
        self.sock.close()


def _wait(read: float, due: float) -> float:
    left = due - time.monotonic()
    if left <= 0.0:
        raise TimeoutError("the call's deadline has passed")
    return min(read, left)


def _readable(sock: Any) -> bool:
    """An idle connection that has something to read has been closed, or speaks out of turn."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))
