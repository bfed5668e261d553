"""A gevent loop on virtual time: a timer fires only when no socket is ready, and then the clock jumps to it.

The libev loop underneath still does all I/O. Its idle watcher runs when nothing else is pending (libev manual,
"ev_idle"): there the earliest timer is due. The resolver is the blocking one: threads have a clock of their own.
"""

from __future__ import annotations

import heapq
import itertools
import traceback
from collections.abc import Callable
from typing import Any

import gevent
from gevent.libev.corecext import loop as LibevLoop  # noqa: N812 - gevent's own name is a plain `loop`

from harness.simulate import chance, clocks, ending
from harness.simulate.loopback import Loopback


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
        self.virtual_s = clocks.START_S
        self._heap: list[list[Any]] = []
        self._order = itertools.count()
        self._idle = super().idle()
        self._running = False
        self._turn = 0
        self._loopback = Loopback()

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
        """Nothing else is pending: the earliest timer is due, and the clock goes there in the second quiet turn."""
        heap = self._heap
        while heap and heap[0][2].entry is not heap[0]:
            heapq.heappop(heap)
        if not heap:
            self._running = False
            self._idle.stop()
            return
        due = heap[0][0]
        if due > self.virtual_s:
            turn, self._turn = self._turn, self.iteration
            if self._turn != turn + 1:
                self._loopback.settle()
                return
            self.virtual_s = due
        _, _, timer = heapq.heappop(heap)
        callback, args = timer.callback, timer.args
        if timer.repeat:
            timer.after = timer.repeat
            self.schedule(timer)
        else:
            timer.active, timer.entry = False, None
        callback(*args)


def patch() -> None:
    """Patch the standard library; the hub, when somebody asks for it, will run on virtual time."""
    from gevent import monkey

    gevent.config.loop = VirtualLoop
    gevent.config.resolver = "block"
    monkey.patch_all()
    clocks.install()
    chance.install()


def begin() -> VirtualLoop:
    """Make the hub, and let the clocks follow it."""
    hub = gevent.get_hub()
    hub.handle_error = _failed
    loop: VirtualLoop = hub.loop
    clocks.follow(loop.now)
    return loop


def install() -> VirtualLoop:
    """Put this process on virtual time; call it before anything of the client is imported."""
    patch()
    return begin()


def _failed(context: object, kind: type[BaseException], error: BaseException, trace: Any) -> None:
    """An error of a greenlet is the client's own; one in a callback of the loop is ours, and ends the run."""
    if issubclass(kind, gevent.GreenletExit):
        return
    if isinstance(context, gevent.Greenlet):
        traceback.print_exception(kind, error, trace)
    else:
        ending.crash(error, trace)
