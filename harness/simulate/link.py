"""A modelled Toxiproxy between a driver's sockets and the witness: links, their pipes, and the plane of TCP faults.

As in Toxiproxy, a connection is two pipes; the end of a pipe closes the socket it leads to, and a closed socket ends
the other pipe. A server's reset becomes a plain close on the client's side, because a link passes on no RST of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from harness.faults import KINDS, Toxic
from harness.model import Fault
from harness.simulate.toxics import STAGES, Stage, Timeout
from harness.twin.connection import Connection
from harness.twin.steps import Timers, Wire
from harness.twin.witness import Witness


class Pipe:
    """One direction of a link: stages in order of their toxics, then the sink."""

    def __init__(self, feed: Callable[[bytes], None], end: Callable[[], None]) -> None:
        self._feed = feed
        self._end = end
        self._stages: list[tuple[str, Stage]] = []
        self._over = False

    def feed(self, data: bytes) -> None:
        (self._stages[0][1].feed if self._stages else self.out)(data)

    def finish(self) -> None:
        """The source has ended."""
        (self._stages[0][1].end if self._stages else self.end)()

    def out(self, data: bytes) -> None:
        """Bytes leave the pipe."""
        if not self._over:
            self._feed(data)

    def end(self) -> None:
        """The stream leaves the pipe: what it leads to is closed."""
        if not self._over:
            self._over = True
            self._end()

    def add(self, name: str, stage: Stage) -> None:
        """Put a stage at the end of the chain."""
        self._stages.append((name, stage))
        self._chain()
        if isinstance(stage, Timeout):
            stage.start()

    def remove(self, name: str) -> None:
        """Take a stage off; what it holds back still leaves through it."""
        for own, stage in self._stages:
            if own == name:
                stage.remove()
        self._stages = [entry for entry in self._stages if entry[0] != name]
        self._chain()

    def _chain(self) -> None:
        after: _Sink = _Exit(self)
        for _, stage in reversed(self._stages):
            stage.after = after
            after = stage


class _Sink(Protocol):
    def feed(self, data: bytes) -> None: ...

    def end(self) -> None: ...


class _Exit:
    def __init__(self, pipe: Pipe) -> None:
        self.feed = pipe.out
        self.end = pipe.end


class Link:
    """One client connection through the proxy. Towards the witness it is a Wire; towards the driver a receiver."""

    def __init__(self, proxy: ModelledProxy, wire: Wire) -> None:
        self._proxy = proxy
        self._wire = wire
        self.linger_zero = any(toxic.type == "reset_peer" for _, toxic in proxy.toxics)
        self._client_gone = self._server_gone = False
        self.connection: Connection = proxy.witness.connect(self)
        self.up = Pipe(self.connection.receive, self._end_server)
        self.down = Pipe(wire.send, self._end_client)
        for name, toxic in proxy.toxics:
            self.put(name, toxic)
        self.pause_reading = wire.pause_reading
        self.resume_reading = wire.resume_reading

    def put(self, name: str, toxic: Toxic) -> None:
        """A toxic begins to act on this connection."""
        pipe = self.down if toxic.stream == "downstream" else self.up
        pipe.add(name, STAGES[toxic.type](toxic.attributes, self._proxy.timers, self._proxy.draw))

    def receive(self, data: bytes) -> None:
        """Bytes from the client."""
        self.up.feed(data)

    def lost(self) -> None:
        """The client closed or reset its side."""
        self._client_gone = True
        self.up.finish()

    def writable(self, flag: bool) -> None:
        """Does the client keep up?"""
        self.connection.writable(flag)

    def send(self, data: bytes) -> None:
        """Bytes from the witness."""
        self.down.feed(data)

    def close(self) -> None:
        """The witness closes its side."""
        self._server_gone = True
        self.down.finish()

    reset = close

    def cut(self) -> None:
        """The proxy is disabled: both sides are closed at once."""
        self.down.end()
        self.up.end()

    def _end_client(self) -> None:
        if not self._client_gone:
            self._client_gone = True
            (self._wire.reset if self.linger_zero else self._wire.close)()
        self.up.finish()

    def _end_server(self) -> None:
        self._proxy.links.discard(self)
        if not self._server_gone:
            self._server_gone = True
        self.connection.lost()
        self.down.finish()


class Refused:
    """A connection that was accepted for a KATO that is dead."""

    def receive(self, data: bytes) -> None:
        """Nobody reads."""

    def lost(self) -> None:
        """Nobody minds."""

    def writable(self, flag: bool) -> None:
        """Nobody writes."""


class ModelledProxy:
    """The plane of TCP faults in a simulation: its listener's links and the toxics on them.

    `listening(flag)` opens and closes the driver's listener.
    """

    where = "modelled Toxiproxy (stand-in)"

    def __init__(self, witness: Witness, timers: Timers, draw: Callable[[], float]) -> None:
        self.witness = witness
        self.timers = timers
        self.draw = draw
        self.links: set[Link] = set()
        self.toxics: list[tuple[str, Toxic]] = []
        self.listening: Callable[[bool], None]
        self.upstream_alive = True
        self._refusing: list[Fault] = []

    def connect(self, wire: Wire) -> Link | Refused:
        """The driver accepted a connection; Toxiproxy accepts before it dials, so a dead KATO is accept and close."""
        if not self.upstream_alive:
            wire.close()
            return Refused()
        link = Link(self, wire)
        self.links.add(link)
        return link

    def apply(self, fault: Fault) -> None:
        """Make the fault act on all links, open and new ones."""
        toxics = self._toxics(fault)
        if not toxics:
            self._refusing.append(fault)
            self.listening(False)
            for link in tuple(self.links):
                link.cut()
        for toxic in toxics:
            name = _name(fault, toxic)
            self.toxics.append((name, toxic))
            for link in tuple(self.links):
                link.put(name, toxic)

    def clear(self, fault: Fault) -> None:
        """Undo one fault; others go on."""
        toxics = self._toxics(fault)
        if not toxics:
            self._refusing.remove(fault)
            if not self._refusing:
                self.listening(True)
        for toxic in toxics:
            name = _name(fault, toxic)
            self.toxics = [entry for entry in self.toxics if entry[0] != name]
            for link in tuple(self.links):
                (link.up if toxic.stream == "upstream" else link.down).remove(name)

    def _toxics(self, fault: Fault) -> tuple[Toxic, ...]:
        kind = KINDS[fault.kind]
        return kind.toxics(kind.complete(fault.params)) or ()


def _name(fault: Fault, toxic: Toxic) -> str:
    return f"{fault.name}@{fault.at_ns}-{toxic.stream}"
