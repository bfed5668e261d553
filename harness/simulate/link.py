"""A modelled Toxiproxy connection between a driver's socket and the witness: two pipes with toxics on them.

As in Toxiproxy, the end of a pipe closes the socket it leads to, and a closed socket ends the other pipe. A server's
reset becomes a plain close on the client's side, because a link passes on no RST of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from harness.faults import Toxic
from harness.simulate.stub import Chunk, Sink, Stub
from harness.simulate.toxics import STUBS
from harness.twin.connection import Connection
from harness.twin.steps import Timers, Wire
from harness.twin.witness import Witness

READ_BYTES = 32 << 10
"""Go's io.Copy reads so much at once."""


class Pipe:
    """One direction of a link: stubs in order of their toxics, then the way out."""

    def __init__(self, now_ns: Callable[[], int], send: Callable[[bytes], None], end: Callable[[], None]) -> None:
        self._now_ns = now_ns
        self._send = send
        self._end = end
        self._stubs: list[tuple[str, Stub]] = []
        self._finished = self._over = False

    def push(self, data: bytes) -> None:
        """Bytes come from the source."""
        if not self._stubs:
            self.feed(Chunk(data, 0))
            return
        stamp_ns = self._now_ns()
        for at in range(0, len(data), READ_BYTES):
            self._stubs[0][1].feed(Chunk(data[at : at + READ_BYTES], stamp_ns))

    def finish(self) -> None:
        """The source has ended."""
        self._finished = True
        (self._stubs[0][1] if self._stubs else self).feed(None)

    def feed(self, chunk: Chunk | None) -> None:
        """What leaves the last stub leaves the pipe."""
        if self._over:
            return
        if chunk is None:
            self.cut()
        elif chunk.data:
            self._send(chunk.data)

    def cut(self) -> None:
        """The stream is over: what it leads to is closed."""
        if not self._over:
            self._over = True
            self._end()

    def add(self, name: str, stub: Stub) -> None:
        """Put a stub at the end of the chain; the one before it is interrupted. Nothing where the stream has ended."""
        last = self._stubs[-1][1] if self._stubs else None
        if self._finished if last is None else not last.interrupt():
            return
        self._stubs.append((name, stub))
        self._chain()
        stub.start()
        if last is not None:
            last.start()

    def update(self, name: str, attributes: Mapping[str, int]) -> None:
        """Give a toxic other attributes."""
        for own, stub in self._stubs:
            if own == name:
                stub.update(attributes)

    def remove(self, name: str) -> None:
        """Take a toxic off; the one before it is interrupted."""
        for at, (own, stub) in enumerate(self._stubs):
            if own == name and stub.remove():
                before = self._stubs[at - 1][1] if at else None
                runs = before is not None and before.interrupt()
                del self._stubs[at]
                self._chain()
                if before is not None and runs:
                    before.start()
                return

    def _chain(self) -> None:
        after: Sink = self
        for _, stub in reversed(self._stubs):
            stub.after = after
            after = stub


class Owner(Protocol):
    """What a link asks of its proxy."""

    witness: Witness
    timers: Timers
    links: dict[Link, None]

    def draw(self) -> float:
        """A uniform number in [0, 1)."""
        ...


class Link:
    """One client connection through the proxy. Towards the witness it is a Wire; towards the driver a receiver."""

    def __init__(self, owner: Owner, wire: Wire, linger_zero: bool) -> None:
        """`linger_zero`: it was opened under a reset_peer, and its client sees RST instead of FIN."""
        self._owner = owner
        self._wire = wire
        self._linger_zero = linger_zero
        self._client_gone = False
        self.connection: Connection = owner.witness.connect(self)
        self.up = Pipe(owner.timers.now_ns, self.connection.receive, self._end_server)
        self.down = Pipe(owner.timers.now_ns, wire.send, self._end_client)
        self.pause_reading = wire.pause_reading
        self.resume_reading = wire.resume_reading

    def pipe(self, toxic: Toxic) -> Pipe:
        """The direction that a toxic acts on."""
        return self.up if toxic.stream == "upstream" else self.down

    def put(self, name: str, toxic: Toxic, attributes: Mapping[str, int]) -> None:
        """A toxic begins to act on this connection."""
        self.pipe(toxic).add(name, STUBS[toxic.type](attributes, self._owner.timers, self._owner.draw))

    def receive(self, data: bytes) -> None:
        """Bytes from the client."""
        self.up.push(data)

    def lost(self) -> None:
        """The client closed or reset its side."""
        self._client_gone = True
        self.up.finish()

    def writable(self, flag: bool) -> None:
        """Does the client keep up?"""
        self.connection.writable(flag)

    def send(self, data: bytes) -> None:
        """Bytes from the witness."""
        self.down.push(data)

    def close(self) -> None:
        """The witness closes its side."""
        self.down.finish()

    reset = close

    def cut(self) -> None:
        """The proxy is disabled or deleted: both sides are closed at once."""
        self.down.cut()
        self.up.cut()

    def _end_client(self) -> None:
        if not self._client_gone:
            self._client_gone = True
            (self._wire.reset if self._linger_zero else self._wire.close)()
        self.up.finish()

    def _end_server(self) -> None:
        self._owner.links.pop(self, None)
        self.connection.lost()
        self.down.finish()


class Dead:
    """A connection that was accepted for a KATO that is dead."""

    def receive(self, data: bytes) -> None:
        """Nobody reads."""

    def lost(self) -> None:
        """Nobody minds."""

    def writable(self, flag: bool) -> None:
        """Nobody writes."""
