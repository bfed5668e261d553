"""Exchanges that the hub carries: an answer's callback checks it and goes on, and no greenlet is switched to.

What isn't answered at once, whole and as usual a greenlet finishes like any other exchange.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Sequence
from typing import Any

from gevent import get_hub
from msgspec import DecodeError

from harness.integrations.fast_answers import DECODE
from harness.integrations.fast_wait import LATE, call_later
from harness.integrations.fast_wire import RECEIVE_BYTES, Connection, Pool
from harness.load.native import native

_END = b"\r\n\r\n"
ONCE = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET
"""An answer is told once: who reads it, or leaves it to a greenlet, needn't say that he doesn't want to be told."""
MOST_TOGETHER = 32
"""So many answers are worked on before their next requests are sent: a tenth of a millisecond."""


class HubConnection(Connection):
    """A connection whose answers the hub may hear.

    Of the latest exchange: its `request`; when that was sent, and when its answer was found right (`start_ns`,
    `end_ns`); `awaited` while the hub waits for the answer; `decode` checks its body. `job` and `owner` are the
    caller's.

    `answer`: the latest whole answer that `decode` found right; one that equals it is right, too. `head`, `body_at`,
    `whole`: how the latest that the parser saw began, and how long that says it is.
    """

    __slots__ = ("answer", "awaited", "body_at", "decode", "end_ns", "head", "heard", "job", "owner", "request",
                 "start_ns", "whole")  # fmt: skip

    def __init__(self, address: tuple[str, int], timeout: float) -> None:
        super().__init__(address, timeout)
        self.answer: bytes | None = None
        self.head = self.request = b""
        self.body_at, self.whole = 0, -1
        self.start_ns = self.end_ns = 0
        self.awaited = self.heard = False
        self.decode: Callable[[bytes], Any] = bytes
        self.job: Any = None
        self.owner: Any = None

    def check(self, data: bytes) -> bool:
        """Whether this is a whole 200 after which the connection stays open; raises DecodeError for a wrong one."""
        if len(data) == self.whole and data.startswith(self.head):
            self._right(data, data[self.body_at :])
            self.started_ns = time.monotonic_ns()
            return True
        self.hear(data)
        if not (self.done and self.kept_alive and self.status == 200):
            return False
        body = b"".join(self.content)
        head = data[: data.find(_END) + len(_END)]
        if data == head + body:  # so the head alone says how long the body is
            self.head, self.body_at, self.whole = head, len(head), len(data)
        self._right(data, body)
        return True

    def _right(self, data: bytes, body: bytes) -> None:
        self.decode(body)
        self.answer = data

    def last(self, data: bytes) -> None:
        """Take in what came before the server closed; a greenlet sees to the rest."""
        self.hear(data)
        self.kept_alive = False

    def reject(self, data: bytes) -> None:
        """Keep a whole answer that was found wrong, where the parser hasn't seen it, for the greenlet that says so."""
        if not self.done:
            self.content[:] = (data[self.body_at :],)
            self.status, self.done, self.kept_alive, self.size = 200, True, True, self.whole
            self.started_ns = time.monotonic_ns()


class Together:
    """The exchanges that are in the hub's hands, of all connections (exchange.Hub).

    Answers are looked for together, by an epoll of its own: the loop's way from one answer to its callback costs more
    than a glance at all of them. The requests that follow from what was found are sent together, too: a server that has
    nothing to do sleeps, and whoever wakes it pays. Sent one by one between two answers' work, each request did.
    """

    def __init__(
        self, within_s: float, pool: Pool, answered: Callable[[Sequence[Any]], object], unusual: Callable[[Any], object]
    ) -> None:
        """Each answer has so many seconds; `pool` gives connections. For the others see exchange.Direct."""
        self._within_ns = round(within_s * 1e9)
        self._pool = pool
        self._answered = answered
        self._unusual = unusual
        self._requested: list[HubConnection] = []
        self._heard: dict[int, HubConnection] = {}  # by descriptor
        self.put = self._requested.append
        """Have a connection's request sent before the hub waits again."""
        self.free = pool.put
        """Give a connection back that was answered as usual."""
        self.later = call_later
        self._loop = get_hub().loop
        self._epoll = native("select", "epoll")()
        self._answers = self._loop.io(self._epoll.fileno(), 1)
        self._answers.start(self._hear)
        # the loop runs what greenlets have to do before it waits, and they may have requests, too
        self._last = self._loop.prepare(ref=False, priority=-2)
        self._last.start(self._send)
        self._timer: Any = None

    def begin(self, op: str, now_ns: int) -> HubConnection | None:
        """Take a connection for a call; None where none is free that was used for such a call before."""
        connection: HubConnection | None = self._pool.take(now_ns)
        if connection is None:
            return None
        if not connection.row:
            self._pool.put(connection)
            return None
        if not connection.heard:
            connection.heard = True
            self._heard[connection.descriptor] = connection
            self._epoll.register(connection.descriptor, ONCE)
        self.becomes(connection, op)
        return connection

    def becomes(self, connection: HubConnection, op: str) -> None:
        """Have a connection's next call be one of another operation."""
        decode = DECODE[op]
        if decode is not connection.decode:
            connection.decode, connection.answer = decode, None

    def _send(self) -> None:
        """Send what was requested."""
        requested, write, now_ns = self._requested, os.write, time.monotonic_ns
        if not requested:
            return
        for connection in requested:
            if connection.size:
                connection.clear()
            request = connection.request
            connection.started_ns = 0
            connection.awaited = True
            connection.start_ns = now_ns()
            try:
                sent = write(connection.descriptor, request)
            except BlockingIOError:
                sent = 0
            except OSError as error:
                connection.failed, sent = error, 0
            connection.sent = sent
            if sent != len(request):
                connection.awaited = False
                self._unusual(connection)
        requested.clear()
        if self._timer is None:
            self._watch(self._within_ns)

    def _hear(self) -> None:
        """Check the answers that are there, and tell of them."""
        heard, read, now_ns, alone = self._heard, os.read, time.monotonic_ns, select.EPOLLIN
        right = []
        for descriptor, what in self._epoll.poll(0, MOST_TOGETHER):
            connection = heard[descriptor]
            if not connection.awaited:
                self._pool.drop(connection)  # was closed, or speaks out of turn; greenlets hear theirs themselves
                continue
            connection.awaited = False
            try:
                data = read(descriptor, RECEIVE_BYTES)
                # what was found right once, byte for byte, is right again
                if what == alone and data == connection.answer:
                    connection.started_ns = connection.end_ns = now_ns()
                    right.append(connection)
                    continue
                if what != alone:
                    connection.last(data)
                elif connection.check(data):
                    connection.end_ns = now_ns()
                    right.append(connection)
                    continue
            except DecodeError:
                connection.reject(data)
            except Exception as error:  # noqa: BLE001 - whatever it is, `finish` raises it
                connection.failed = error
            self._unusual(connection)
        if right:
            self._answered(right)

    def _watch(self, after_ns: int) -> None:
        """Look when the time of the request that waits longest is over.

        The timer stays as it was set while answers come: setting one a call costs as much as the call's system calls.
        """
        self._timer = self._loop.timer(after_ns * 1e-9, ref=False)
        self._timer.start(self._look)

    def _look(self) -> None:
        self._timer.close()
        self._timer = None
        now_ns = time.monotonic_ns()
        awaited = [connection for connection in self._heard.values() if connection.awaited]
        for connection in awaited:
            if connection.start_ns + self._within_ns <= now_ns:
                connection.awaited = False
                connection.failed = TimeoutError(LATE)
                self._unusual(connection)
        if left := [connection.start_ns for connection in awaited if connection.awaited]:
            self._watch(min(left) + self._within_ns - now_ns)
