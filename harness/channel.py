"""The control channel between the parent and its children: JSON lines over a Unix socket (standard library only).

End of file means that the other side is gone; children stop at once when they see it.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Mapping
from typing import Any


class Channel:
    """One end. `send` may be called from several threads; `receive` from one."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._pending = b""
        self._sending = threading.Lock()

    def fileno(self) -> int:
        """The socket's descriptor, for select and asyncio."""
        return self._socket.fileno()

    def send(self, message: Mapping[str, Any]) -> None:
        """Write one message; raises OSError when the other side is gone."""
        line = json.dumps(message, separators=(",", ":")).encode() + b"\n"
        with self._sending:
            self._socket.sendall(line)

    def receive(self, timeout_s: float | None = None) -> dict[str, Any] | None:
        """The next message, or None at end of file; raises TimeoutError after `timeout_s` seconds without one."""
        self._socket.settimeout(timeout_s)
        while b"\n" not in self._pending:
            try:
                data = self._socket.recv(1 << 16)
            except ConnectionResetError:
                return None
            if not data:
                return None
            self._pending += data
        line, self._pending = self._pending.split(b"\n", 1)
        message: dict[str, Any] = json.loads(line)
        return message

    @property
    def buffered(self) -> bool:
        """Whether a whole message has been read already, so that select would not tell of it."""
        return b"\n" in self._pending

    def close(self) -> None:
        """Close this end; the other side sees end of file."""
        self._socket.close()


def pair() -> tuple[Channel, socket.socket]:
    """The parent's channel and the socket that a child inherits (`pass_fds`, `--control-fd`); close it after."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    return Channel(ours), theirs


def inherited(descriptor: int) -> Channel:
    """The child's end, from the descriptor that it inherited."""
    return Channel(socket.socket(fileno=descriptor))
