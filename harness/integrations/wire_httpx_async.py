"""One shared httpx.AsyncClient for all users of a process, with a deadline that holds for the whole answer.

The deadline cuts the waits on the socket rather than cancelling the task: cancellations can leak slots of httpcore's
pool (httpcore#1093), and a read that timed out says more than one that was cancelled.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import httpcore
import httpx

from harness.integrations.deadline import cut
from harness.integrations.kato import checked
from harness.integrations.wire_httpx import KEEPALIVE_S, MAX_CONNECTIONS, cut_or_raise


class AsyncHttpxWire:
    """`HttpxWire` with `async def` methods."""

    def __init__(
        self,
        base_url: str,
        timeout: Mapping[str, float],
        headers: Mapping[str, str] | None = None,
        transport: httpx.AsyncHTTPTransport | None = None,
    ) -> None:
        self._steps = {step: timeout.get(step) for step in ("connect", "read", "write", "pool")}
        self.client = httpx.AsyncClient(
            base_url=base_url,
            timeout=httpx.Timeout(**self._steps),
            headers=dict(headers or {}),
            transport=transport or DeadlineTransport(),
        )

    async def send(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """The object that KATO answered; HTTPStatusError for a status but 2xx, BadAnswerError for what is no answer."""
        timeout = httpx.Timeout(**self._steps | {"pool": cut(self._steps["pool"])})
        response = await self.client.request(method, path, json=body, timeout=timeout)
        response.raise_for_status()
        try:
            return checked(path, response.json())
        except json.JSONDecodeError as error:
            raise httpx.DecodingError(str(error), request=response.request) from error

    async def close(self) -> None:
        """Close every connection."""
        await self.client.aclose()


class DeadlineTransport(httpx.AsyncHTTPTransport):
    """httpx's transport over connections whose every wait is cut to the call's deadline."""

    def __init__(self) -> None:
        super().__init__(trust_env=False)
        self._pool = httpcore.AsyncConnectionPool(
            max_connections=MAX_CONNECTIONS,
            max_keepalive_connections=MAX_CONNECTIONS,
            keepalive_expiry=KEEPALIVE_S,
            network_backend=_DeadlineBackend(),
        )


class _DeadlineBackend(httpcore.AnyIOBackend):
    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        limit = cut_or_raise(timeout, httpcore.ConnectTimeout)
        return _DeadlineStream(await super().connect_tcp(host, port, limit, local_address, socket_options))


class _DeadlineStream(httpcore.AsyncNetworkStream):
    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return await self._stream.read(max_bytes, cut_or_raise(timeout, httpcore.ReadTimeout))

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._stream.write(buffer, cut_or_raise(timeout, httpcore.WriteTimeout))

    async def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        limit = cut_or_raise(timeout, httpcore.ConnectTimeout)
        return _DeadlineStream(await self._stream.start_tls(ssl_context, server_hostname, limit))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    async def aclose(self) -> None:
        await self._stream.aclose()
