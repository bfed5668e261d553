"""What goes out for one request, as plain steps that any driver can carry out, and the player that does."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

FILL_PIECE = b" " * (64 << 10)


@dataclass(frozen=True, slots=True)
class Send:
    """Write `data` at once."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Fill:
    """Write `count` bytes of JSON white space, no faster than the peer reads."""

    count: int


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing for `seconds`; with infinity: until the connection ends."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection in order (FIN) once everything is written."""


@dataclass(frozen=True, slots=True)
class Reset:
    """Abort the connection (SO_LINGER 0: the peer sees RST)."""


class Source(Protocol):
    """Bytes that come as somebody else sends them."""

    def open(self, push: Callable[[bytes], None], end: Callable[[bool], None]) -> None:
        """Begin: `push` each piece, then `end(True)`, or `end(False)` where the rest will never come."""
        ...

    def choke(self, flag: bool) -> None:
        """Pause or go on, because the reader can't or can keep up."""
        ...


@dataclass(frozen=True, slots=True)
class Pipe:
    """Write what `source` gives; where it breaks, reset the connection."""

    source: Source


Step = Send | Fill | Pipe | Wait | Close | Reset


class Timer(Protocol):
    """A pending call."""

    def cancel(self) -> None: ...


class Timers(Protocol):
    """The clock and the timers of a driver; `due_ns` is on CLOCK_MONOTONIC or whatever time the driver runs in."""

    def now_ns(self) -> int: ...

    def call_at(self, due_ns: int, callback: Callable[[], None]) -> Timer: ...


@dataclass(frozen=True, slots=True)
class Fate:
    """What the client gets: the status line's code (0: none begins), the steps, and whether the reply is whole."""

    status: int
    steps: tuple[Step, ...]
    whole: bool = True


class Outlet(Protocol):
    """Where a reply goes. None of the methods blocks; all are harmless once the peer is gone."""

    def send(self, data: bytes, /) -> None: ...

    def close(self) -> None: ...

    def reset(self) -> None: ...


class Wire(Outlet, Protocol):
    """One connection of a driver."""

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Player:
    """Carries out the steps of one reply and calls `done` once after the last one, unless it is cancelled.

    `done(False)` says that a pipe broke. Only Fill and Pipe heed whether the peer keeps up.
    """

    __slots__ = ("_choked", "_done", "_left", "_outlet", "_source", "_steps", "_timer", "_timers")

    def __init__(
        self,
        outlet: Outlet,
        timers: Timers,
        steps: Sequence[Step],
        done: Callable[[bool], None],
        choked: bool = False,
    ) -> None:
        self._outlet = outlet
        self._timers = timers
        self._steps: Iterator[Step] = iter(steps)
        self._done = done
        self._timer: Timer | None = None
        self._left = 0
        self._source: Source | None = None
        self._choked = choked

    def play(self) -> None:
        """Go on until the next wait or the end."""
        self._timer = None
        if self._left and not self._fill():
            return
        for step in self._steps:
            if isinstance(step, Send):
                self._outlet.send(step.data)
            elif isinstance(step, Wait):
                self._wait(step.seconds)
                return
            elif isinstance(step, Fill):
                self._left = step.count
                if not self._fill():
                    return
            elif isinstance(step, Pipe):
                self._open(step.source)
                return
            else:
                (self._outlet.close if isinstance(step, Close) else self._outlet.reset)()
                break
        self._done(True)

    def choke(self, flag: bool) -> None:
        """The peer stopped reading, or reads again."""
        self._choked = flag
        if self._source is not None:
            self._source.choke(flag)
        elif self._left and not flag:
            self.play()

    def cancel(self) -> None:
        """The connection is gone: forget the rest."""
        if self._timer is not None:
            self._timer.cancel()
        self._left = 0
        self._source = None
        self._steps = iter(())

    def _wait(self, seconds: float) -> None:
        if seconds < math.inf:
            self._timer = self._timers.call_at(self._timers.now_ns() + round(seconds * 1e9), self.play)

    def _open(self, source: Source) -> None:
        self._source = source
        source.choke(self._choked)
        source.open(self._outlet.send, self._piped)

    def _piped(self, whole: bool) -> None:
        if self._source is None:
            return
        self._source = None
        if whole:
            self.play()
        else:
            self._outlet.reset()
            self._done(False)

    def _fill(self) -> bool:
        while self._left and not self._choked:
            piece = FILL_PIECE[: self._left]
            self._left -= len(piece)
            self._outlet.send(piece)
        return not self._left
