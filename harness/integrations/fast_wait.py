"""How the lean client waits for an answer: one watcher a connection for life, where gevent's sockets make several.

Under gevent's patch a greenlet waits in the hub; without it a thread waits in poll(2).
"""

from __future__ import annotations

import select
import socket
import time
from typing import Any, Protocol

from gevent import getcurrent


class Wait(Protocol):
    """Waits on one descriptor."""

    def until(self, due: float) -> None:
        """Return when there is something to read; raises TimeoutError at `due` (monotonic seconds)."""
        ...

    def close(self) -> None:
        """Before the descriptor is closed."""
        ...


def waiting_on(sock: socket.socket) -> Wait:
    """The wait that fits a socket: gevent's know their hub."""
    hub = getattr(sock, "hub", None)
    return PollWait(sock.fileno()) if hub is None else HubWait(hub, sock.fileno())


class PollWait:
    """A thread of its own."""

    def __init__(self, descriptor: int) -> None:
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)

    def until(self, due: float) -> None:
        if not self._poll.poll(max(due - time.monotonic(), 0.0) * 1e3):
            raise TimeoutError("no answer within the read time-out")

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
        self._fires = 0.0
        self._due = 0.0
        self._wake: Any = None

    def until(self, due: float) -> None:
        self._due = due
        if self._timer is None or due < self._fires:
            self._set(due)
        self._wake = wake = getcurrent().switch
        self._start(wake, self)
        try:
            if self._switch() is not self:
                raise TimeoutError("no answer within the read time-out")
        finally:
            self._due = 0.0
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
        if not self._due:
            return
        if self._due > time.monotonic():
            self._set(self._due)
        else:
            self._wake(None)

    def close(self) -> None:
        self._watcher.close()
        if self._timer is not None:
            self._timer.close()
            self._timer = None
