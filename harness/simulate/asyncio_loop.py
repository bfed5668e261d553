"""An asyncio loop on virtual time: the selector never waits; with nothing ready the clock jumps to the next timer."""

from __future__ import annotations

import asyncio
import os
import selectors
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from harness.errors import EXIT_INTERNAL
from harness.simulate import time_patch

DEADLOCK_POLLS = 100
POLL_S = 0.05


class VirtualSelector(selectors.DefaultSelector):
    """Polls without waiting and tells the loop how far it may jump."""

    loop: VirtualEventLoop

    def __init__(self) -> None:
        super().__init__()
        self._stuck = 0

    def select(self, timeout: float | None = None) -> Any:
        """Ready sockets; with none ready, time has passed to the next timer."""
        ready = super().select(0)
        if ready or timeout == 0:
            self._stuck = 0
            return ready
        if timeout is None:
            self._stuck += 1
            if self._stuck > DEADLOCK_POLLS:
                raise RuntimeError("virtual time stands still: nothing is ready and no timer is set")
            return super().select(POLL_S)
        again = super().select(0)
        if not again:
            self.loop.virtual_s += timeout
        return again


class VirtualEventLoop(asyncio.SelectorEventLoop):
    """The event loop of a simulated process; its `time` is the only clock there."""

    def __init__(self) -> None:
        self.virtual_s = 1000.0
        selector = VirtualSelector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.virtual_s

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:  # type: ignore[override]
        """Run it here and now: a thread would have a clock of its own."""
        done: Future[Any] = Future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - handed to whoever awaits it
            done.set_exception(error)
        return asyncio.wrap_future(done, loop=self)


def install() -> VirtualEventLoop:
    """Make a virtual loop this process's event loop and patch the clocks; call it first."""
    loop = VirtualEventLoop()
    asyncio.set_event_loop(loop)
    loop.set_exception_handler(_abort)
    time_patch.install(loop.time)
    return loop


def _abort(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """An error in a callback is ours, and what comes after it no evidence; a client's lost task error is its own."""
    if "handle" in context or "transport" in context:
        traceback.print_exception(context.get("exception"))
        os._exit(EXIT_INTERNAL)
