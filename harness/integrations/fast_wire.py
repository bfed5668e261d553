"""HTTP/1.1 over bare sockets with httptools: as little as a checked answer needs, for high rates on one core.

`socket` is looked up in the standard library, so under gevent's patch these are gevent's. What is sent and received
goes past them to the descriptor: gevent's own `recv` first tries, and an answer is never there at once.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import time
from http.client import IncompleteRead
from typing import Any

import httptools

from harness.integrations.fast_wait import waiting_on
from harness.load.native import native

IDLE_NS = 4_000_000_000
"""An idle connection older than this isn't used again: KATO closes its own after 5 s (contract, section 5)."""
PROBE_NS = 10_000_000
"""One that was idle longer than this is looked at first: has the server closed it meanwhile?"""
MOST_BYTES = 64 << 20
RECEIVE_BYTES = 1 << 16


class Connection:
    """One keep-alive connection; every wait is cut to the due time it is given (monotonic seconds).

    It collects one answer after another, as the callbacks of its parser: a parser an answer costs 3 µs.
    `started_ns` and `status`: when the latest answer's headers were complete, and what they said; 0 where none came.
    `row`: the recorder's.
    """

    __slots__ = ("content", "descriptor", "done", "failed", "kept_alive", "on_body", "parser", "port", "reused", "row",
                 "sent", "size", "sock", "started_ns", "status", "wait")  # fmt: skip

    def __init__(self, address: tuple[str, int], timeout: float) -> None:
        try:
            self.sock = socket.create_connection(address, timeout)
        except TimeoutError as error:
            raise TimeoutError(errno.ETIMEDOUT, "no connection within the connect time-out") from error
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setblocking(False)
        self.descriptor = self.sock.fileno()
        self.port: int = self.sock.getsockname()[1]
        self.wait = waiting_on(self.sock)
        self.reused = False
        self.row = b""
        self.content: list[bytes] = []
        self.on_body = self.content.append
        self.done = self.kept_alive = False
        self.started_ns = self.sent = self.size = self.status = 0
        self.failed: Exception | None = None
        self.parser = httptools.HttpResponseParser(self)

    def on_headers_complete(self) -> None:
        self.started_ns = time.monotonic_ns()
        self.status = self.parser.get_status_code()

    def on_message_complete(self) -> None:
        self.kept_alive = self.parser.should_keep_alive()
        self.done = True

    def begin(self, request: bytes) -> None:
        """Send of the request what can be sent at once; raises OSError."""
        self.clear()
        try:
            self.sent = os.write(self.descriptor, request)
        except BlockingIOError:
            self.sent = 0

    def clear(self) -> None:
        """Forget the latest answer."""
        self.content.clear()
        self.done = False
        self.started_ns = self.size = self.status = 0

    def finish(self, request: bytes, read: float, start: float, due: float) -> int:
        """What is left to do of an exchange that was begun at `start`, down to the whole answer; its status.

        Raises TimeoutError, OSError or IncompleteRead.
        """
        if self.failed is not None:
            raise self.failed
        if self.sent < len(request):
            self._send(request[self.sent :], due)
        if not self.size:
            self.wait.until(min(start + read, due))
            self.hear(os.read(self.descriptor, RECEIVE_BYTES))
        while not self.done:
            now = time.monotonic()
            if now >= due:
                raise TimeoutError("the call's deadline has passed")
            self.wait.until(min(now + read, due))
            self.hear(os.read(self.descriptor, RECEIVE_BYTES))
        return self.status

    def hear(self, data: bytes) -> None:
        """Take in a part of the answer."""
        self.size += len(data)
        if self.size > MOST_BYTES:
            raise ValueError(f"an answer of more than {MOST_BYTES} bytes")
        if not data and self.started_ns:
            raise IncompleteRead(b"".join(self.content))
        if not data:
            raise ConnectionResetError(errno.ECONNRESET, "closed by the server without an answer")
        self.parser.feed_data(data)

    def _send(self, rest: bytes, due: float) -> None:
        self.sock.settimeout(max(due - time.monotonic(), 0.0))
        self.sock.sendall(rest)
        self.sock.setblocking(False)

    def usable(self, now_ns: int) -> bool:
        """Whether it may be used again: not too old, and not closed by the server."""
        idle_ns = now_ns - self.started_ns
        return idle_ns < PROBE_NS or (idle_ns < IDLE_NS and not _readable(self.descriptor))

    def close(self) -> None:
        """Close the socket."""
        self.wait.close()
        self.sock.close()


class Pool:
    """Connections that nobody uses; the last used is the first that is used again."""

    def __init__(self) -> None:
        self._idle: list[Connection] = []
        self.put = self._idle.append
        """Take a connection back."""

    def take(self, now_ns: int) -> Any:
        """A connection that may be used again, or None."""
        while self._idle:
            connection = self._idle.pop()
            if connection.usable(now_ns):
                connection.reused = True
                return connection
            connection.close()
        return None

    def drop(self, connection: Connection) -> None:
        """Close a connection, if it is here."""
        if connection in self._idle:
            self._idle.remove(connection)
            connection.close()

    def close(self) -> None:
        """Close them all."""
        while self._idle:
            self._idle.pop().close()


def _readable(descriptor: int) -> bool:
    """An idle connection that has something to read has been closed, or speaks out of turn."""
    poll: Any = native("select", "poll")()  # it doesn't wait, so the hub has no part in it
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
