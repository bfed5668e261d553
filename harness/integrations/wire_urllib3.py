"""urllib3 connections whose every wait is cut to the call's deadline, for requests and for urllib3 alone.

Over TLS the socket is wrapped again by `ssl`, where the deadline holds between reads but not within one.
"""

from __future__ import annotations

import socket
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

from harness.integrations.deadline import cut


class DeadlineSocket(socket.socket):
    """A socket that waits no longer than its time-out, nor than what is left of the call."""

    _limit: float | None = None

    def settimeout(self, value: float | None) -> None:
        self._limit = value
        super().settimeout(value)

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        super().settimeout(cut(self._limit))
        return super().recv_into(*args, **kwargs)

    def sendall(self, *args: Any, **kwargs: Any) -> None:
        super().settimeout(cut(self._limit))
        super().sendall(*args, **kwargs)


class DeadlineConnection(HTTPConnection):
    """A plain HTTP connection on a DeadlineSocket, connected within the deadline too."""

    def _new_conn(self) -> socket.socket:
        limit = self.timeout
        self.timeout = cut(limit if isinstance(limit, (int, float)) else None)
        try:
            plain = super()._new_conn()
        finally:
            self.timeout = limit
        waits = DeadlineSocket(plain.family, plain.type, plain.proto, fileno=plain.detach())
        waits.settimeout(self.timeout if isinstance(self.timeout, (int, float)) else None)
        return waits


class DeadlinePool(HTTPConnectionPool):
    """A pool of DeadlineConnections to one host."""

    ConnectionCls = DeadlineConnection


def pool_classes() -> dict[str, type[HTTPConnectionPool]]:
    """The pools by URL scheme, for a PoolManager."""
    return {"http": DeadlinePool, "https": urllib3.HTTPSConnectionPool}
