"""A gevent loop on virtual time: a timer fires only when no socket is ready, and then the clock jumps to it.

The libev loop underneath still does all I/O. Its idle watcher runs when nothing else is pending (libev manual,
"ev_idle"): there the earliest timer is due. The resolver is the blocking one: threads have a clock of their own.
"""

from __future__ import annotations

import heapq
import itertools
import os
import traceback
from collections.abc import Callable
from typing import Any

import gevent
from gevent.libev.corecext import loop as LibevLoop  # noqa: N812 - gevent's own name is a plain `loop`

from harness.errors import EXIT_INTERNAL

QUIET_POLLS = 2
"""Polls without an event before the clock jumps: the kernel may still be passing a packet on."""


class VirtualTimer:
    """gevent's timer watcher on the loop's heap."""

    active = False
    pending = False
    callback: Callable[..., Any] | None = None
    args: tuple[Any, ...] = ()

    def __init__(self, loop: VirtualLoop, after: float, repeat: float, ref: bool) -> None:
        self.loop = loop
        self.after = after
        self.repeat = repeat
        self.ref = ref
        self.entry: list[Any] | None = None

    def start(self, callback: Callable[..., Any], *args: Any, update: bool | None = None, **_: Any) -> None:
        self.callback, self.args, self.active = callback, args, True
        self.loop.schedule(self)

    def again(self, callback: Callable[..., Any], *args: Any, **_: Any) -> None:
        self.after = self.repeat or self.after
        self.start(callback, *args)

    def stop(self) -> None:
        self.active, self.callback, self.args, self.entry = False, None, (), None

    close = stop

    def __enter__(self) -> VirtualTimer:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class VirtualLoop(LibevLoop):  # type: ignore[misc]
    """The hub's loop. `virtual_s` is the time; it only moves in `_advance`."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.virtual_s = 1000.0
        self._heap: list[list[Any]] = []
        self._order = itertools.count()
        self._idle = super().idle()
        self._running = False
        self._quiet = 0

    def timer(self, after: float, repeat: float = 0.0, ref: bool = True, priority: int | None = None) -> VirtualTimer:
        return VirtualTimer(self, after, repeat, ref)

    def schedule(self, timer: VirtualTimer) -> None:
        """Put a started timer on the heap; equal times fire in order of their start."""
        timer.entry = [self.virtual_s + max(timer.after, 0.0), next(self._order), timer]
        heapq.heappush(self._heap, timer.entry)
        if not self._running:
            self._running = True
            self._idle.start(self._advance)

    def now(self) -> float:
        return self.virtual_s

    def update_now(self) -> None:
        """Nothing to update: this clock stands while anybody works."""

    def _advance(self) -> None:
        heap = self._heap
        while heap and heap[0][2].entry is not heap[0]:
            heapq.heappop(heap)
        if not heap:
            self._running = False
            self._idle.stop()
            return
        self._quiet += 1
        if self._quiet < QUIET_POLLS:
            return
        self._quiet = 0
        due, _, timer = heapq.heappop(heap)
        self.virtual_s = max(self.virtual_s, due)
        callback, args = timer.callback, timer.args
        if timer.repeat:
            timer.after = timer.repeat
            self.schedule(timer)
        else:
            timer.active, timer.entry = False, None
        callback(*args)


def install() -> VirtualLoop:
    """Make this process's hub run on virtual time and patch the standard library and the clocks; call it first."""
    from gevent import monkey

    from harness.simulate import time_patch

    gevent.config.loop = VirtualLoop
    gevent.config.resolver = "block"
    monkey.patch_all()
    hub = gevent.get_hub()
    hub.handle_error = _abort
    loop: VirtualLoop = hub.loop
    time_patch.install(loop.now)
    return loop


def _abort(context: object, kind: type[BaseException], error: BaseException, trace: Any) -> None:
    """An error in the loop is ours, and what comes after it no evidence: end the process with its traceback."""
    if not issubclass(kind, gevent.GreenletExit):
        traceback.print_exception(kind, error, trace)
        os._exit(EXIT_INTERNAL)
