"""The witness on asyncio: sockets and timers of the running loop, which is uvloop's (TCP_NODELAY comes with it)."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Callable
from typing import cast

from harness.errors import PartMissing
from harness.twin.connection import Connection
from harness.twin.steps import Timer
from harness.twin.witness import Witness

BACKLOG = 2048
ACCEPTED_AT_ONCE = 64
"""More in one turn of the loop would make everybody else wait in a storm of connections."""

_LINGER_0 = struct.pack("ii", 1, 0)


class LoopTimers:
    """Timers of an asyncio loop, whose clock is CLOCK_MONOTONIC in seconds."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.now_ns = time.monotonic_ns

    def call_at(self, due_ns: int, callback: Callable[[], None]) -> Timer:
        # The loop counts in whole milliseconds and rounds to the nearest: half of one more, and it is never early.
        return self._loop.call_at(due_ns / 1e9 + 0.0005, callback)


class SocketWire(asyncio.Protocol):
    """One accepted socket. `send` and `close` are the transport's own, bound when it is there."""

    send: Callable[[bytes], None]
    close: Callable[[], None]

    def __init__(self, witness: Witness) -> None:
        self._witness = witness

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.send = self._transport.write
        self.close = self._transport.close
        self._connection: Connection = self._witness.connect(self)

    def data_received(self, data: bytes) -> None:
        self._connection.receive(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connection.lost()

    def pause_writing(self) -> None:
        self._connection.writable(False)

    def resume_writing(self) -> None:
        self._connection.writable(True)

    def reset(self) -> None:
        """Close so that the peer sees RST."""
        sock = self._transport.get_extra_info("socket")
        if not self._transport.is_closing():
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_0)
        self._transport.abort()

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()


class Listener:
    """Accepts for one witness; can be closed and opened again on the same port.

    Raises PartMissing where host and port can't be had.
    """

    def __init__(self, witness: Witness, host: str, port: int) -> None:
        self._witness = witness
        self._server: asyncio.Server | None = None
        self._reserve = _bound(host, port)
        self.host, self.port = self._reserve.getsockname()[:2]

    async def open(self) -> None:
        """Listen; does nothing when it does already."""
        if self._server is None:
            loop = asyncio.get_running_loop()
            sock = _bound(self.host, self.port)
            # asyncio accepts as many in one turn as its backlog says; the kernel's queue is set apart from that.
            self._server = await loop.create_server(self._accepted, sock=sock, backlog=ACCEPTED_AT_ONCE)
            sock.listen(BACKLOG)

    def _accepted(self) -> SocketWire:
        return SocketWire(self._witness)

    def close(self) -> None:
        """Refuse new connections; the port stays ours."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def release(self) -> None:
        """Close for good."""
        self.close()
        self._reserve.close()


def _bound(host: str, port: int) -> socket.socket:
    # A socket that is bound but doesn't listen keeps the port from others while connections are refused.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except (OSError, OverflowError) as error:
        sock.close()
        raise PartMissing(f"cannot listen on {host}:{port}: {error}", "name a free port of this host") from None
    return sock
