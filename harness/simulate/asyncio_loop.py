"""An asyncio loop on virtual time: the selector never waits; with nothing ready the clock jumps to the next timer."""

from __future__ import annotations

import asyncio
import selectors
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, SupportsIndex

from harness.simulate import chance, clocks, ending
from harness.simulate.clocks import REAL_TIME
from harness.simulate.loopback import Loopback

DEADLOCK_POLLS = 100
POLL_S = 0.05


class VirtualSelector(selectors.DefaultSelector):
    """Polls without waiting and tells the loop how far it may jump."""

    loop: VirtualEventLoop

    def __init__(self) -> None:
        super().__init__()
        self._stuck = 0
        self.turns = 0
        self._loopback = Loopback()

    def select(self, timeout: float | None = None) -> Any:
        """Ready sockets; with none ready, time has passed to the next timer."""
        self.turns += 1
        ready = super().select(0)
        if ready or timeout == 0:
            self._stuck = 0
            return ready
        if timeout is None:
            self._stuck += 1
            if self._stuck > DEADLOCK_POLLS:
                raise RuntimeError("virtual time stands still: nothing is ready and no timer is set")
            return super().select(POLL_S)
        self._loopback.settle()
        again = super().select(0)
        if not again:
            self.loop.virtual_s += timeout
        return again


class VirtualEventLoop(asyncio.SelectorEventLoop):
    """The event loop of a simulated process; its `time` is the only clock there."""

    def __init__(self) -> None:
        self.virtual_s = clocks.START_S
        self.stalled: Callable[[float], None] = lambda seconds: None
        """Told of each stall (s)."""
        self._polls = VirtualSelector()
        self._polls.loop = self
        super().__init__(self._polls)

    @property
    def turns(self) -> int:
        """How often the loop has looked for work."""
        return self._polls.turns

    def time(self) -> float:
        return self.virtual_s

    def stall(self, seconds: SupportsIndex | float, /) -> None:
        """Time passes and the loop doesn't turn."""
        self.virtual_s += float(seconds)
        self.stalled(float(seconds))

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:  # type: ignore[override]
        """Run it here and now: a thread would have a clock of its own."""
        done: Future[Any] = Future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - handed to whoever awaits it
            done.set_exception(error)
        return asyncio.wrap_future(done, loop=self)


def patch() -> None:
    """Patch what would wait or tell the time outside of the loop."""
    clocks.install()
    chance.install()
    threading.Thread.start = _refuse_thread  # type: ignore[method-assign]
    for name in ("connect", "connect_ex"):
        setattr(socket.socket, name, _nonblocking_only(getattr(socket.socket, name)))


def begin() -> VirtualEventLoop:
    """Make a virtual loop this process's event loop, and let the clocks follow it."""
    loop = VirtualEventLoop()
    asyncio.set_event_loop(loop)
    loop.set_exception_handler(_failed)
    clocks.follow(loop.time)
    time.sleep = loop.stall  # a client that sleeps in its loop stalls everything in it
    return loop


def install() -> VirtualEventLoop:
    """Put this process on virtual time; call it before anything of the client is imported."""
    patch()
    return begin()


def _refuse_thread(self: threading.Thread) -> None:
    ending.refuse(f"the client starts a thread ({self.name}) beside its event loop, with a clock of its own", REAL_TIME)


def _nonblocking_only(connect: Callable[..., Any]) -> Callable[..., Any]:
    """A blocking socket in the event loop would wait for a server that runs in the same loop."""

    def checked(self: socket.socket, address: Any, /) -> Any:
        network = self.family != socket.AF_UNIX and self.type == socket.SOCK_STREAM
        if network and self.gettimeout() != 0.0:
            ending.refuse("the client blocks its event loop with a plain socket", REAL_TIME)
        return connect(self, address)

    return checked


def _failed(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """An error in a callback is ours, and what comes after it no evidence; a client's lost task error is its own."""
    error = context.get("exception")
    if error is not None and ("handle" in context or "transport" in context):
        ending.crash(error)
