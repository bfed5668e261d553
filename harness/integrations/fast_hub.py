"""Exchanges that the hub carries: the answer's callback checks it and goes on, and no greenlet is switched to.

What isn't answered at once, whole and as usual a greenlet finishes like any other exchange.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from gevent import get_hub
from msgspec import DecodeError

from harness.integrations.fast_wait import LATE, HubWait
from harness.integrations.fast_wire import RECEIVE_BYTES, Connection

_END = b"\r\n\r\n"
MOST_TOGETHER = 32
"""So many answers are worked on before their next requests are sent: a fifth of a millisecond."""


class HubConnection(Connection):
    """A connection whose answers the hub may hear; `free` takes it back after a usual one.

    Of the latest exchange: its `request`, and `start_ns`: when it was sent; `decode` checks the body of its answer, and
    `turn` is told in the hub whether the answer was a usual one.
    """

    __slots__ = ("_body_at", "_free", "_head", "_hearing", "_hub", "_whole", "decode", "request", "start_ns", "turn")

    def __init__(self, address: tuple[str, int], timeout: float, free: Callable[[HubConnection], None]) -> None:
        super().__init__(address, timeout)
        assert isinstance(self.wait, HubWait)
        self._hub = self.wait
        self._hearing = self._heard
        self._free = free
        self._head, self._body_at, self._whole = b"", 0, -1
        self.request, self.start_ns = b"", 0
        self.decode: Callable[[bytes], Any] = bytes
        self.turn: Callable[[bool], object] = bool

    def send(self, within_s: float) -> None:
        """In the hub: send the request, whose answer has so many seconds."""
        if self.size:
            self.clear()
        self.started_ns = 0
        start_ns = self.start_ns = time.monotonic_ns()
        try:
            self.sent = os.write(self.descriptor, self.request)
        except BlockingIOError:
            self.sent = 0
        except OSError as error:
            self.failed = error
        if self.failed is None and self.sent == len(self.request):
            self._hub.call(start_ns * 1e-9 + within_s, self._hearing)
        else:
            self.turn(False)

    def _heard(self, readable: bool) -> None:
        hub = self._hub
        if not hub.due:  # closed while idle, or something that nobody asked for: the next who takes it looks
            hub.over()
            return
        hub.due = 0.0
        try:
            if not readable:
                raise TimeoutError(LATE)
            data = os.read(self.descriptor, RECEIVE_BYTES)
            if len(data) == self._whole and data.startswith(self._head):
                self.started_ns = time.monotonic_ns()
                body: bytes | None = data[self._body_at :]
            else:
                body = self._parsed(data)
        except Exception as error:  # noqa: BLE001 - whatever it is, `finish` raises it
            self.failed, body = error, None
        if body is None:
            self.turn(False)
            return
        try:
            self.decode(body)
        except DecodeError:
            if not self.done:  # the parser hasn't seen it
                self.content[:] = (body,)
                self.status, self.done, self.kept_alive, self.size = 200, True, True, self._whole
            self.turn(False)
            return
        self._free(self)
        self.turn(True)

    def _parsed(self, data: bytes) -> bytes | None:
        """The body, if this is a whole 200 after which the connection stays open."""
        self.hear(data)
        if not (self.done and self.kept_alive and self.status == 200):
            return None
        body = b"".join(self.content)
        head = data[: data.find(_END) + len(_END)]
        if data == head + body:  # so the head alone says how long the body is
            self._head, self._body_at, self._whole = head, len(head), len(data)
        return body


class Outbox:
    """Requests that are sent together, once no answer is there to be read.

    A server that has nothing to do sleeps, and whoever wakes it pays: sent one by one between two answers' work, each
    request did, and the hub spent more on waking than on sending.
    """

    def __init__(self, within_s: float) -> None:
        self._within_s = within_s
        self._waiting: list[HubConnection] = []
        self._idle = get_hub().loop.idle()

    def put(self, connection: HubConnection) -> None:
        """Send a connection's request, soon; not later than after MOST_TOGETHER others."""
        if len(self._waiting) == MOST_TOGETHER:
            self._send()
        if not self._waiting:
            self._idle.start(self._send)
        self._waiting.append(connection)

    def _send(self) -> None:
        self._idle.stop()
        waiting, self._waiting = self._waiting, []
        for connection in waiting:
            connection.send(self._within_s)
