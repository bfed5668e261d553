"""Toxiproxy's seven toxics, each as in its file toxics/*.go of version 2.12.

Held to the real program by tests/test_simulate_toxics.py. Attributes have Toxiproxy's names and units: ms, µs in a
slicer's delay, KB/s of 1,000 bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from harness.simulate.stub import LATE, TAKE, Chunk, Flow, Stub, Take, Wait

MS = 1_000_000
SLICE_MS = 100
"""A bandwidth toxic cuts what takes longer than this into pieces of that length."""
ENDLESS = 1 << 40


class Latency(Stub):
    """Each chunk leaves latency ± jitter after it was read, never before the one ahead of it."""

    calm: ClassVar[Mapping[str, int] | None] = {"latency": 0, "jitter": 0}

    def pipe(self) -> Flow:
        while (chunk := (yield TAKE)) is not None:
            wait_ns = self._delay_ns() - (self.timers.now_ns() - chunk.stamp_ns)
            interrupted = yield Wait(wait_ns)
            if not interrupted:
                chunk.stamp_ns += wait_ns
            self.after.feed(chunk)
            if interrupted:
                return
        self.close()

    def _delay_ns(self) -> int:
        jitter = self.attributes["jitter"]
        spread = int(self.draw() * 2 * jitter) - jitter if jitter else 0
        return (self.attributes["latency"] + spread) * MS


class Timeout(Stub):
    """Drops everything; closes after `timeout` ms without a chunk (0: never), and when it is taken off."""

    def pipe(self) -> Flow:
        while (chunk := (yield Take(self.attributes["timeout"] * MS))) is not None:
            if chunk is LATE:
                break
        self.close()

    def cleanup(self) -> None:
        self.close()


class ResetPeer(Stub):
    """Drops the first chunk and closes `timeout` ms later, deaf to its own removal meanwhile."""

    deaf = True

    def pipe(self) -> Flow:
        yield TAKE
        yield Wait(self.attributes["timeout"] * MS)
        self.close()


class Bandwidth(Stub):
    """Passes `rate` KB/s, in slices of a tenth of a second."""

    def pipe(self) -> Flow:
        rate = self.attributes["rate"]
        owed_ns = 0
        while (chunk := (yield TAKE)) is not None:
            data, stamp_ns = chunk.data, chunk.stamp_ns
            owed_ns += len(data) * MS // rate
            interrupted = False
            while len(data) > rate * SLICE_MS and not interrupted:
                interrupted = yield Wait(SLICE_MS * MS)
                if not interrupted:
                    self.after.feed(Chunk(data[: rate * SLICE_MS], stamp_ns))
                    data = data[rate * SLICE_MS :]
                    owed_ns -= SLICE_MS * MS
            if not interrupted:
                interrupted = yield Wait(owed_ns)
                owed_ns = min(owed_ns, 0)
            self.after.feed(Chunk(data, stamp_ns))
            if interrupted:
                return
        self.close()


class Slicer(Stub):
    """Cuts chunks in halves until a piece is about `average_size` bytes; `delay` µs after each piece."""

    calm: ClassVar[Mapping[str, int] | None] = {"average_size": ENDLESS, "delay": 0}

    def pipe(self) -> Flow:
        while (chunk := (yield TAKE)) is not None:
            for start, end in self._pieces(0, len(chunk.data)):
                self.after.feed(Chunk(chunk.data[start:end], chunk.stamp_ns))
                interrupted = yield Wait(self.attributes["delay"] * 1000)
                if interrupted:
                    self.after.feed(Chunk(chunk.data[end:], chunk.stamp_ns))
                    return
        self.close()

    def _pieces(self, start: int, end: int) -> list[tuple[int, int]]:
        variation = self.attributes["size_variation"]
        if end - start - self.attributes["average_size"] <= variation:
            return [(start, end)]
        middle = start + (end - start) // 2
        if variation:
            middle += int(self.draw() * 2 * variation) - variation
        return self._pieces(start, middle) + self._pieces(middle, end)


class LimitData(Stub):
    """Passes so many bytes of a connection, then closes it."""

    calm: ClassVar[Mapping[str, int] | None] = {"bytes": ENDLESS}
    passed = 0

    def pipe(self) -> Flow:
        while (chunk := (yield TAKE)) is not None:
            left = max(self.attributes["bytes"] - self.passed, 0)
            data = chunk.data[:left]
            if data:
                self.passed += len(data)
                self.after.feed(Chunk(data, chunk.stamp_ns))
            if self.passed >= self.attributes["bytes"]:
                break
        self.close()


class SlowClose(Stub):
    """Passes the end of the stream on `delay` ms late."""

    calm: ClassVar[Mapping[str, int] | None] = {"delay": 0}

    def pipe(self) -> Flow:
        while (chunk := (yield TAKE)) is not None:
            self.after.feed(chunk)
        interrupted = yield Wait(self.attributes["delay"] * MS)
        if not interrupted:
            self.close()


STUBS: Mapping[str, type[Stub]] = {
    "latency": Latency,
    "timeout": Timeout,
    "reset_peer": ResetPeer,
    "bandwidth": Bandwidth,
    "slicer": Slicer,
    "limit_data": LimitData,
    "slow_close": SlowClose,
}
