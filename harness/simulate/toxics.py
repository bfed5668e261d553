"""Toxiproxy's toxics as stages of a pipe, without I/O: what each does to bytes and to the end of the stream.

Modelled on Toxiproxy 2.12's toxics/*.go as described in docs/faults.md and held to the real program by
tests/test_simulate_toxics.py. A stage passes on with `out`, ends the stream with `end`, and is woken by timers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol

from harness.twin.steps import Timers

MS = 1_000_000
BANDWIDTH_SLICE_NS = 100 * MS


class Sink(Protocol):
    """Where a stage passes things on to."""

    def feed(self, data: bytes) -> None: ...

    def end(self) -> None: ...


class Stage:
    """Passes everything on at once; the base of all stages. `after` is the next one."""

    def __init__(self, attributes: Mapping[str, int], timers: Timers, draw: Callable[[], float]) -> None:
        self.attributes = attributes
        self.timers = timers
        self.draw = draw
        self.after: Sink
        self.removed = False

    def feed(self, data: bytes) -> None:
        self.after.feed(data)

    def end(self) -> None:
        self.after.end()

    def remove(self) -> None:
        """The toxic is taken off: pass on from now on."""
        self.removed = True

    def later(self, by_ns: int, action: Callable[[], None]) -> None:
        """Run `action` in `by_ns` ns."""
        self.timers.call_at(self.timers.now_ns() + by_ns, action)


class Latency(Stage):
    """Each chunk leaves latency ± jitter after it came, never before the one ahead of it."""

    _last_ns = 0

    def feed(self, data: bytes) -> None:
        if self.removed and self._last_ns <= self.timers.now_ns():
            self.after.feed(data)
            return
        self._when(self._delay_ns(), lambda: self.after.feed(data))

    def end(self) -> None:
        self._when(0, self.after.end)

    def _delay_ns(self) -> int:
        jitter = self.attributes["jitter"]
        spread = (self.draw() * 2 - 1) * jitter if jitter else 0.0
        return 0 if self.removed else round((self.attributes["latency"] + spread) * MS)

    def _when(self, delay_ns: int, action: Callable[[], None]) -> None:
        now_ns = self.timers.now_ns()
        self._last_ns = max(self._last_ns, now_ns + delay_ns)
        self.timers.call_at(self._last_ns, action)


class Timeout(Stage):
    """Drops everything; closes after `timeout` idle ms (0: never), and when it is taken off."""

    _pending = 0

    def start(self) -> None:
        """Begin to count idle time."""
        self._pending += 1
        number = self._pending
        if self.attributes["timeout"]:
            self.later(self.attributes["timeout"] * MS, lambda: self._idle(number))

    def feed(self, data: bytes) -> None:
        if self.removed:
            self.after.feed(data)
        else:
            self.start()

    def remove(self) -> None:
        self.removed = True
        self.after.end()

    def _idle(self, number: int) -> None:
        if number == self._pending and not self.removed:
            self.after.end()


class ResetPeer(Stage):
    """Drops the first chunk and closes `timeout` ms later, deaf to its own removal meanwhile."""

    def feed(self, data: bytes) -> None:
        if self.removed:
            self.after.feed(data)
        else:
            self.later(self.attributes["timeout"] * MS, self.after.end)


class Bandwidth(Stage):
    """Passes `rate` KB/s, in slices of a tenth of a second; rate 0 stalls."""

    _free_ns = 0

    def feed(self, data: bytes) -> None:
        rate = self.attributes["rate"]
        if self.removed:
            self.after.feed(data)
            return
        if rate <= 0:
            return
        slice_bytes = max(rate * 1000 // 10, 1)
        for at in range(0, len(data), slice_bytes):
            self._pass(data[at : at + slice_bytes], rate)

    def end(self) -> None:
        self.timers.call_at(max(self._free_ns, self.timers.now_ns()), self.after.end)

    def _pass(self, piece: bytes, rate: int) -> None:
        cost_ns = len(piece) * MS // rate
        self._free_ns = max(self._free_ns, self.timers.now_ns()) + cost_ns
        self.timers.call_at(self._free_ns, lambda: self.after.feed(piece))


class Slicer(Stage):
    """Cuts chunks into pieces of about `average_size` bytes, `delay` µs apart."""

    _free_ns = 0

    def feed(self, data: bytes) -> None:
        if self.removed:
            self.after.feed(data)
            return
        average, variation = max(self.attributes["average_size"], 1), self.attributes["size_variation"]
        self._free_ns = max(self._free_ns, self.timers.now_ns())
        while data:
            size = max(average + round((self.draw() * 2 - 1) * variation), 1)
            piece, data = data[:size], data[size:]
            self.timers.call_at(self._free_ns, partial(self._pass, piece))
            self._free_ns += self.attributes["delay"] * 1000

    def end(self) -> None:
        self.timers.call_at(max(self._free_ns, self.timers.now_ns()), self.after.end)

    def _pass(self, piece: bytes) -> None:
        self.after.feed(piece)


class LimitData(Stage):
    """Passes so many bytes of a connection, then closes it."""

    _passed = 0

    def feed(self, data: bytes) -> None:
        left = self.attributes["bytes"] - self._passed
        if self.removed or len(data) < left:
            self._passed += len(data)
            self.after.feed(data)
            return
        self._passed += max(left, 0)
        if left > 0:
            self.after.feed(data[:left])
        self.after.end()


class SlowClose(Stage):
    """Passes the end of the stream on `delay` ms late."""

    def end(self) -> None:
        self.later(0 if self.removed else self.attributes["delay"] * MS, self.after.end)


STAGES: Mapping[str, type[Stage]] = {
    "latency": Latency,
    "timeout": Timeout,
    "reset_peer": ResetPeer,
    "bandwidth": Bandwidth,
    "slicer": Slicer,
    "limit_data": LimitData,
    "slow_close": SlowClose,
}
