"""The witness on gevent: sockets of the hub and timers of its loop, for runs in virtual time."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from typing import Any, Protocol

import gevent
from gevent.event import Event

from harness.twin.steps import Timer, Wire

BACKLOG = 2048
RECEIVE_BYTES = 65536
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
        return round(self._loop.now() * 1e9)

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
    """One accepted socket; sends never wait, what the kernel doesn't take is sent by a greenlet."""

    def __init__(self, sock: Any) -> None:
        self._socket = sock
        self._raw = sock._sock
        self._left = bytearray()
        self._closing = False
        self._readable = Event()
        self._readable.set()

    def serve(self, receiver: Receiver) -> None:
        """Pass on what the peer sends, until it is gone."""
        try:
            while data := self._socket.recv(RECEIVE_BYTES):
                receiver.receive(data)
                self._readable.wait()
        except OSError:
            pass  # a reset is an end like any other
        receiver.lost()
        self._socket.close()

    def send(self, data: bytes, /) -> None:
        """Write, or queue what doesn't fit."""
        if self._closing:
            return
        if not self._left:
            try:
                data = data[self._raw.send(data) :]
            except BlockingIOError:
                pass
            except OSError:
                return  # the peer is gone; `serve` sees it too
        if data:
            self._left += data
            if len(self._left) == len(data):
                gevent.spawn(self._drain)

    def close(self) -> None:
        """FIN after what is queued."""
        if not self._closing:
            self._closing = True
            if not self._left:
                self._shut()

    def reset(self) -> None:
        """Close so that the peer sees RST."""
        self._closing = True
        try:
            self._raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_0)
        except OSError:
            return  # closed already
        self._socket.close()
        self._raw.close()

    def pause_reading(self) -> None:
        """Take no more from the peer."""
        self._readable.clear()

    def resume_reading(self) -> None:
        """Go on reading."""
        self._readable.set()

    def _shut(self) -> None:
        try:
            self._raw.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # the peer was faster

    def _drain(self) -> None:
        while self._left:
            piece = bytes(self._left)
            try:
                sent = self._socket.send(piece)
            except OSError:
                self._left.clear()
                return
            del self._left[:sent]
        if self._closing:
            self._shut()


class HubListener:
    """Accepts on one port; closed, it keeps the port and refuses."""

    def __init__(self, connect: Callable[[Wire], Receiver], host: str = "127.0.0.1", port: int = 0) -> None:
        self._connect = connect
        self._reserve = _bound(host, port)
        self.host, self.port = self._reserve.getsockname()[:2]
        self._server: Any = None
        self._accepting: Any = None

    def listen(self, flag: bool) -> None:
        """Open or close the listener."""
        if flag and self._server is None:
            self._server = _bound(self.host, self.port)
            self._server.listen(BACKLOG)
            self._accepting = gevent.spawn(self._accept, self._server)
        elif not flag and self._server is not None:
            self._accepting.kill(block=False)
            self._server.close()
            self._server = None

    def _accept(self, server: Any) -> None:
        while True:
            sock, _ = server.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            wire = HubWire(sock)
            gevent.spawn(wire.serve, self._connect(wire))


def _bound(host: str, port: int) -> Any:
    from gevent import socket as hub_socket

    sock = hub_socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((host, port))
    return sock
