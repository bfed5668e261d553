"""One toxic on one direction of a link: a flow that takes chunks, waits and passes on, driven by timers, without I/O.

The shape is Toxiproxy's (toxics/toxic.go, link.go): a chunk keeps the time at which it was read, adding or removing a
neighbour interrupts a toxic in its wait, and a closed stub ends the stream behind it. Channels here are unbounded.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from harness.twin.steps import Timer, Timers


@dataclass(slots=True)
class Chunk:
    """Bytes of one read from the source, and when that was (ns)."""

    data: bytes
    stamp_ns: int


@dataclass(frozen=True, slots=True)
class Take:
    """Give me the next chunk, None at the end of the stream; LATE when none comes within so many ns (0: wait)."""

    within_ns: int = 0


@dataclass(frozen=True, slots=True)
class Wait:
    """Wake me in so many ns with False, or with True when I am interrupted; I return then."""

    for_ns: int


TAKE = Take()
LATE = object()
Flow = Generator[Take | Wait, Any, None]


class Sink(Protocol):
    """What comes behind: the next stub, or the way out."""

    def feed(self, chunk: Chunk | None) -> None: ...


class Stub:
    """The base of all toxics: `pipe` is what each does.

    `calm`: attributes with which it lets everything pass, for a toxic that is never taken off; `deaf`: it can't be
    interrupted in its wait.
    """

    calm: ClassVar[Mapping[str, int] | None] = None
    deaf: ClassVar[bool] = False

    def __init__(self, attributes: Mapping[str, int], timers: Timers, draw: Callable[[], float]) -> None:
        self.attributes = attributes
        self.timers = timers
        self.draw = draw
        self.after: Sink
        self.closed = False
        self._queue: deque[Chunk | None] = deque()
        self._ended = False
        self._taking = False
        self._running = False
        self._timer: Timer | None = None
        self._flow: Flow

    def pipe(self) -> Flow:
        """What the toxic does from its start to an interruption or the end of the stream."""
        raise NotImplementedError

    def cleanup(self) -> None:
        """The toxic is being taken off."""

    def start(self) -> None:
        """Run the flow from its beginning."""
        self._flow = self.pipe()
        self._go(None)

    def feed(self, chunk: Chunk | None) -> None:
        """A chunk, or the end of the stream, comes in; a closed stub takes no more."""
        if self.closed:
            return
        self._queue.append(chunk)
        if self._taking and not self._running:
            self._go(self._next())

    def close(self) -> None:
        """End the stream behind this stub."""
        if not self.closed:
            self.closed = True
            self.after.feed(None)

    def interrupt(self) -> bool:
        """Stop the flow where it stands; False when it can't be run again."""
        if self.closed or (self.deaf and not self._taking):
            return False
        if self._taking:
            self._quiet()
            self._flow.close()
        else:
            self._go(True)
        return not self.closed

    def update(self, attributes: Mapping[str, int]) -> None:
        """Go on with other attributes."""
        self.attributes = attributes
        if self.interrupt():
            self.start()

    def remove(self) -> bool:
        """Take the toxic off: what it holds leaves; False when the stub has to stay as the end of the stream."""
        if not self.interrupt():
            return False
        self.cleanup()
        while self._queue and not self.closed:
            chunk = self._queue.popleft()
            if chunk is None:
                self.close()
            else:
                self.after.feed(chunk)
        if self._ended:
            self.close()
        return not self.closed

    def _go(self, value: Any) -> None:
        """Run the flow until it has to wait for something."""
        self._quiet()
        self._running = True
        try:
            while True:
                wish = self._flow.send(value)
                if isinstance(wish, Wait):
                    if wish.for_ns > 0:
                        self._wake_in(wish.for_ns, False)
                        return
                    value = False
                elif self._queue or self._ended:
                    value = self._next()
                else:
                    self._taking = True
                    if wish.within_ns:
                        self._wake_in(wish.within_ns, LATE)
                    return
        except StopIteration:
            return
        finally:
            self._running = False

    def _next(self) -> Chunk | None:
        chunk = self._queue.popleft() if self._queue else None
        self._ended = chunk is None
        return chunk

    def _wake_in(self, by_ns: int, value: Any) -> None:
        self._timer = self.timers.call_at(self.timers.now_ns() + by_ns, lambda: self._go(value))

    def _quiet(self) -> None:
        self._taking = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
