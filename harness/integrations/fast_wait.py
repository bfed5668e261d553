"""How the lean client waits for an answer: one watcher a connection for life, where gevent's sockets make several.

Under gevent's patch a greenlet waits in the hub; without it a thread waits in poll(2).
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable
from typing import Any, Protocol

from gevent import get_hub, getcurrent

LATE = "no answer within the read time-out"


class Wait(Protocol):
    """Waits on one descriptor."""

    def until(self, due: float) -> None:
        """Return when there is something to read; raises TimeoutError at `due` (monotonic seconds)."""
        ...

    def close(self) -> None:
        """Before the descriptor is closed."""
        ...


def in_hub() -> bool:
    """Whether sockets are gevent's, so that a hub is there to call back."""
    return hasattr(socket.socket, "hub")


def waiting_on(sock: socket.socket) -> Wait:
    """The wait that fits a socket: gevent's know their hub."""
    hub = getattr(sock, "hub", None)
    return PollWait(sock.fileno()) if hub is None else HubWait(hub, sock.fileno())


def call_later(due_ns: int, then: Callable[[], object]) -> None:
    """Have the hub call `then`, not before a time (monotonic ns)."""
    timer = get_hub().loop.timer(max(due_ns - time.monotonic_ns(), 0) * 1e-9, ref=False)

    def fired() -> None:
        timer.close()
        if time.monotonic_ns() < due_ns:  # the loop's clock is a little behind
            call_later(due_ns, then)
        else:
            then()

    timer.start(fired)


class PollWait:
    """A thread of its own."""

    def __init__(self, descriptor: int) -> None:
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)

    def until(self, due: float) -> None:
        if not self._poll.poll(max(due - time.monotonic(), 0.0) * 1e3):
            raise TimeoutError(LATE)

    def close(self) -> None:
        """Nothing is held."""


class HubWait:
    """A greenlet of a hub.

    The timer stays as it was set while answers come, and looks when it fires whether anybody waits too long: setting
    one a call cost as much as the call's system calls.
    """

    def __init__(self, hub: Any, descriptor: int) -> None:
        self._loop = hub.loop
        self._watcher = hub.loop.io(descriptor, 1)
        self._start, self._stop, self._switch = self._watcher.start, self._watcher.stop, hub.switch
        self._timer: Any = None
        self._fires = self._due = 0.0
        self._then: Callable[[bool], object] | None = None

    def until(self, due: float) -> None:
        self._due = due
        if self._timer is None or due < self._fires:
            self._set(due)
        self._then = getcurrent().switch
        self._start(self._then, True)
        try:
            if self._switch() is not True:
                raise TimeoutError(LATE)
        finally:
            self._then = None
            self._stop()

    def _set(self, due: float) -> None:
        if self._timer is not None:
            self._timer.close()
        self._fires = due
        self._timer = self._loop.timer(max(due - time.monotonic(), 0.0), ref=False)
        self._timer.start(self._look)

    def _look(self) -> None:
        self._timer.close()
        self._timer = None
        if self._then is None:
            return
        if self._due > time.monotonic():
            self._set(self._due)
        else:
            self._then(False)

    def close(self) -> None:
        self._watcher.close()
        if self._timer is not None:
            self._timer.close()
            self._timer = None
