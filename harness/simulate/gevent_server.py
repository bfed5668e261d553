"""The witness on gevent: sockets as watchers of the hub's loop and timers of it, for runs in virtual time.

No greenlet serves a connection: what arrives is handled in the hub at once, for neither link nor witness ever waits.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from typing import Any, Protocol

import gevent

from harness.simulate import native
from harness.twin.steps import Timer, Wire

BACKLOG = 2048
RECEIVE_BYTES = 65536
READ, WRITE = 1, 2
_LINGER_0 = struct.pack("ii", 1, 0)


class Receiver(Protocol):
    """What a connection's bytes go to: a witness's connection, or a link before it."""

    def receive(self, data: bytes) -> None: ...

    def lost(self) -> None: ...


class HubTimers:
    """Timers of the hub's loop; their callbacks run in the hub and must not wait."""

    def __init__(self) -> None:
        self._loop: Any = gevent.get_hub().loop

    def now_ns(self) -> int:
        """The loop's time (ns)."""
        now_ns: int = round(self._loop.now() * 1e9)
        return now_ns

    def call_at(self, due_ns: int, callback: Callable[[], None]) -> Timer:
        """Run `callback` at `due_ns`."""
        timer = self._loop.timer(max(due_ns / 1e9 - self._loop.now(), 0.0))
        timer.start(callback)
        return _HubTimer(timer)


class _HubTimer:
    def __init__(self, timer: Any) -> None:
        self._timer = timer

    def cancel(self) -> None:
        self._timer.stop()


class HubWire:
    """One accepted socket. `receiver` is set right after construction, because each needs the other."""

    receiver: Receiver

    def __init__(self, sock: socket.socket, loop: Any) -> None:
        self._socket = sock
        self._loop = loop
        self._left = bytearray()
        self._closing = False
        self._reader = loop.io(sock.fileno(), READ)
        self._writer = loop.io(sock.fileno(), WRITE)
        self._reader.start(self._read)

    def send(self, data: bytes, /) -> None:
        """Write, or queue what doesn't fit."""
        if self._closing:
            return
        if self._left:
            self._left += data
            return
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            return  # the peer is gone; reading tells
        if sent < len(data):
            self._left += data[sent:]
            self._writer.start(self._write)

    def close(self) -> None:
        """FIN after what is queued."""
        if not self._closing:
            self._closing = True
            if not self._left:
                self._end()

    def reset(self) -> None:
        """Close so that the peer sees RST."""
        self._closing = True
        if self._socket.fileno() >= 0:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_0)
            self._end()

    def pause_reading(self) -> None:
        """Take no more from the peer."""
        self._reader.stop()

    def resume_reading(self) -> None:
        """Go on reading."""
        if self._socket.fileno() >= 0:
            self._reader.start(self._read)

    def _read(self) -> None:
        try:
            data = self._socket.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""  # a reset is an end like any other
        if data:
            self.receiver.receive(data)
        else:
            self._closing = True
            self._end()

    def _write(self) -> None:
        try:
            del self._left[: self._socket.send(self._left)]
        except BlockingIOError:
            return
        except OSError:
            self._left.clear()
        if not self._left:
            self._writer.stop()
            if self._closing:
                self._end()

    def _end(self) -> None:
        if self._socket.fileno() < 0:
            return
        for watcher in (self._reader, self._writer):
            watcher.stop()
            watcher.close()
        self._socket.close()
        # not from within: whoever closes is in the middle of something
        self._loop.run_callback(self._lost)

    def _lost(self) -> None:
        self.receiver.lost()


class HubListener:
    """Accepts on one port; closed, it keeps the port and refuses."""

    def __init__(self, connect: Callable[[Wire], Receiver], host: str = "127.0.0.1", port: int = 0) -> None:
        self._connect = connect
        self._loop: Any = gevent.get_hub().loop
        self._reserve = _bound(host, port)
        self.host, self.port = self._reserve.getsockname()[:2]
        self._server: socket.socket | None = None
        self._watcher: Any = None

    def listen(self, flag: bool) -> None:
        """Open or close the listener."""
        if flag and self._server is None:
            self._server = _bound(self.host, self.port)
            self._server.listen(BACKLOG)
            self._watcher = self._loop.io(self._server.fileno(), READ)
            self._watcher.start(self._accept, self._server)
        elif not flag and self._server is not None:
            self._watcher.stop()
            self._watcher.close()
            self._server.close()
            self._server = None

    def _accept(self, server: socket.socket) -> None:
        while True:
            try:
                descriptor, _ = server._accept()  # type: ignore[attr-defined] # `accept` makes a patched socket
            except BlockingIOError:
                return
            sock = native.SOCKET(fileno=descriptor)
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            wire = HubWire(sock, self._loop)
            wire.receiver = self._connect(wire)


def _bound(host: str, port: int) -> socket.socket:
    """A plain socket that never blocks: the patched one would wait in a greenlet."""
    sock = native.SOCKET(socket.AF_INET, socket.SOCK_STREAM)
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((host, port))
    return sock
