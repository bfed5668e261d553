"""Exchanges that the hub carries: the answer's callback checks it and goes on, and no greenlet is switched to.

What isn't answered at once, whole and as usual a greenlet finishes like any other exchange.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from typing import Any

from gevent import get_hub
from msgspec import DecodeError

from harness.integrations.fast_wait import LATE
from harness.integrations.fast_wire import RECEIVE_BYTES, Connection
from harness.load.native import native

_END = b"\r\n\r\n"
ONCE = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET
"""An answer is told once: who reads it, or leaves it to a greenlet, needn't say that he doesn't want to be told."""
MOST_TOGETHER = 32
"""So many answers are worked on before their next requests are sent: a fifth of a millisecond."""


class HubConnection(Connection):
    """A connection whose answers the hub may hear.

    Of the latest exchange: its `request`, and `start_ns`: when it was sent; `decode` checks the body of its answer, and
    `turn` is told in the hub when that was done (ns), or 0 where the answer was no usual one.

    `head`, `body_at`, `whole`: how the latest answer that the parser saw began, and how long that says it is.
    """

    __slots__ = ("body_at", "decode", "head", "heard", "request", "start_ns", "turn", "whole")

    def __init__(self, address: tuple[str, int], timeout: float) -> None:
        super().__init__(address, timeout)
        self.head, self.body_at, self.whole = b"", 0, -1
        self.request, self.start_ns = b"", 0
        self.heard = False
        self.decode: Callable[[bytes], Any] = bytes
        self.turn: Callable[[int], object] = bool

    def check(self, data: bytes) -> bool:
        """Whether this is a whole 200 after which the connection stays open; raises DecodeError for a wrong one."""
        self.hear(data)
        if not (self.done and self.kept_alive and self.status == 200):
            return False
        body = b"".join(self.content)
        head = data[: data.find(_END) + len(_END)]
        if data == head + body:  # so the head alone says how long the body is
            self.head, self.body_at, self.whole = head, len(head), len(data)
        self.decode(body)
        return True

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
    """The exchanges that are in the hub's hands, of all connections.

    Requests are sent together, once no answer is there to be read: a server that has nothing to do sleeps, and whoever
    wakes it pays. Sent one by one between two answers' work, each request did, and the hub spent more on waking than on
    sending. Answers are looked for together as well, by an epoll of its own: the loop's way from one answer to its
    callback costs more than a glance at all of them.
    """

    def __init__(self, within_s: float, idle: list[Any]) -> None:
        """Each answer has so many seconds; `idle` takes connections back after a usual one."""
        self._within_ns = round(within_s * 1e9)
        self._idle = idle
        self._requested: list[HubConnection] = []
        self._awaited: dict[int, HubConnection] = {}  # by descriptor, in the order of their requests
        self.put = self._requested.append
        """Have a connection's request sent before the hub waits again."""
        self._loop = get_hub().loop
        self._epoll = native("select", "epoll")()
        self._answers = self._loop.io(self._epoll.fileno(), 1)
        self._answers.start(self._hear)
        # the loop runs what greenlets have to do before it waits, and they may have requests, too
        self._last = self._loop.prepare(ref=False, priority=-2)
        self._last.start(self._send)
        self._timer: Any = None

    def _send(self) -> None:
        """Send what was requested."""
        requested, awaited, write, now_ns = self._requested, self._awaited, os.write, time.monotonic_ns
        for connection in requested:
            if connection.size:
                connection.clear()
            connection.started_ns = 0
            connection.start_ns = now_ns()
            try:
                connection.sent = write(connection.descriptor, connection.request)
            except BlockingIOError:
                connection.sent = 0
            except OSError as error:
                connection.failed, connection.sent = error, 0
            if connection.sent == len(connection.request):
                awaited[connection.descriptor] = connection
                if not connection.heard:
                    connection.heard = True
                    self._epoll.register(connection.descriptor, ONCE)
            else:
                connection.turn(0)
        requested.clear()
        if awaited and self._timer is None:
            self._watch()

    def _hear(self) -> None:
        """Check the answers that are there; each is told to who asked."""
        requested, awaited, poll, free = self._requested, self._awaited, self._epoll.poll, self._idle.append
        read, now_ns, alone = os.read, time.monotonic_ns, select.EPOLLIN
        while len(requested) < MOST_TOGETHER and (found := poll(0, MOST_TOGETHER)):
            for descriptor, what in found:
                connection = awaited.pop(descriptor, None)
                if connection is None:
                    self._unasked(descriptor)
                    continue
                end_ns = 0
                try:
                    data = read(descriptor, RECEIVE_BYTES)
                    if what != alone:
                        connection.last(data)
                    elif len(data) == connection.whole and data.startswith(connection.head):
                        connection.decode(data[connection.body_at :])
                        connection.started_ns = end_ns = now_ns()
                        free(connection)
                    elif connection.check(data):
                        end_ns = now_ns()
                        free(connection)
                except DecodeError:
                    connection.reject(data)
                except Exception as error:  # noqa: BLE001 - whatever it is, `finish` raises it
                    connection.failed = error
                connection.turn(end_ns)

    def _unasked(self, descriptor: int) -> None:
        """An idle connection was closed, or speaks out of turn; what a greenlet has in hand it hears itself."""
        for connection in self._idle:
            if connection.descriptor == descriptor:
                self._idle.remove(connection)
                connection.close()
                return

    def _watch(self) -> None:
        """Look when the time of the request that waits longest is over.

        The timer stays as it was set while answers come: setting one a call costs as much as the call's system calls.
        """
        first = next(iter(self._awaited.values()))
        left_ns = first.start_ns + self._within_ns - time.monotonic_ns()
        self._timer = self._loop.timer(max(left_ns, 0) * 1e-9, ref=False)
        self._timer.start(self._look)

    def _look(self) -> None:
        self._timer.close()
        self._timer = None
        late_ns = time.monotonic_ns() - self._within_ns
        late = [connection for connection in self._awaited.values() if connection.start_ns <= late_ns]
        for connection in late:
            del self._awaited[connection.descriptor]
            connection.failed = TimeoutError(LATE)
            connection.turn(0)
        if self._awaited:
            self._watch()
