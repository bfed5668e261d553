"""One shared httpx.Client for all users of a process, with a deadline that holds for the whole answer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import httpcore
import httpx

from harness.integrations.deadline import DeadlineError, cut
from harness.integrations.kato import checked

MAX_CONNECTIONS = 200
"""More calls at once than this wait for a connection; httpcore's cost a call grows with it."""
KEEPALIVE_S = 4.0
"""Below the 5 s after which KATO closes an idle connection (contract, section 5)."""


class HttpxWire:
    """Sends one request and gives its checked answer; raises httpx's own errors.

    `timeout` is the policy's: connect, read, write and pool in seconds. The total is the caller's (`deadline.within`).
    """

    def __init__(self, base_url: str, timeout: Mapping[str, float], headers: Mapping[str, str] | None = None) -> None:
        self._steps = {step: timeout.get(step) for step in ("connect", "read", "write", "pool")}
        self.client = httpx.Client(
            base_url=base_url,
            timeout=httpx.Timeout(**self._steps),
            headers=dict(headers or {}),
            transport=_DeadlineTransport(),
        )

    def send(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """The object that KATO answered; HTTPStatusError for a status but 2xx, BadAnswerError for what is no answer."""
        timeout = httpx.Timeout(**self._steps | {"pool": cut(self._steps["pool"])})
        response = self.client.request(method, path, json=body, timeout=timeout)
        response.raise_for_status()
        try:
            return checked(path, response.json())
        except json.JSONDecodeError as error:
            raise httpx.DecodingError(str(error), request=response.request) from error

    def close(self) -> None:
        """Close every connection."""
        self.client.close()


class _DeadlineTransport(httpx.HTTPTransport):
    """httpx's transport over connections whose every wait is cut to the call's deadline."""

    def __init__(self) -> None:
        super().__init__(trust_env=False)
        self._pool = httpcore.ConnectionPool(
            max_connections=MAX_CONNECTIONS,
            max_keepalive_connections=MAX_CONNECTIONS,
            keepalive_expiry=KEEPALIVE_S,
            network_backend=_DeadlineBackend(),
        )


class _DeadlineBackend(httpcore.SyncBackend):
    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        limit = cut_or_raise(timeout, httpcore.ConnectTimeout)
        return _DeadlineStream(super().connect_tcp(host, port, limit, local_address, socket_options))


class _DeadlineStream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, cut_or_raise(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, cut_or_raise(timeout, httpcore.WriteTimeout))

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        limit = cut_or_raise(timeout, httpcore.ConnectTimeout)
        return _DeadlineStream(self._stream.start_tls(ssl_context, server_hostname, limit))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    def close(self) -> None:
        self._stream.close()


def cut_or_raise(timeout: float | None, exceeded: type[Exception]) -> float | None:
    """`deadline.cut` with httpcore's own time-out of that step."""
    try:
        return cut(timeout)
    except DeadlineError as error:
        raise exceeded(str(error)) from error
