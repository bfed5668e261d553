"""aiohttp: one attempt a connection asked of the connector, so redirects and its own re-sends are seen.

Begun in `BaseConnector.connect`, answered in `ClientResponse.start`, ended when the payload is whole, the response is
closed or released, or reading it fails.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from harness.load.hooks.attempt import WATCH, Attempt
from harness.load.hooks.patch import replace
from harness.model import TRACE_HEADER

_ATTEMPT = "_kato_harness_attempt"
_USED = "_kato_harness_used"


def install(aiohttp: ModuleType) -> tuple[str, ...]:
    """Hook the loaded aiohttp."""
    request, response = aiohttp.client_reqrep.ClientRequest, aiohttp.client_reqrep.ClientResponse
    replace(aiohttp.connector.BaseConnector, "connect", _connect)
    replace(request, "send", _send)
    replace(response, "start", _start)
    replace(response, "read", _read)
    replace(response, "_response_eof", _eof)
    replace(response, "close", _close)
    replace(response, "release", _close)
    return ("aiohttp",)


def _connect(original: Any) -> Any:
    async def hooked(self: Any, req: Any, *args: Any, **kwargs: Any) -> Any:
        if (req.url.host, req.url.port) in WATCH.elsewhere:
            return await original(self, req, *args, **kwargs)
        attempt = Attempt("aiohttp")
        setattr(req, _ATTEMPT, attempt)
        attempt.trace = req.headers.get(TRACE_HEADER, "")
        timeout = kwargs.get("timeout") or args[-1]
        connect = timeout.connect if timeout.sock_connect is None else timeout.sock_connect
        attempt.bounded(connect=connect, read=timeout.sock_read, pool=timeout.connect, total=timeout.total)
        for name, value in attempt.headers.items():
            req.headers[name] = value
        try:
            connection = await original(self, req, *args, **kwargs)
        except TimeoutError as error:
            attempt.fail(error, "connect_timeout")
            raise
        except BaseException as error:
            attempt.fail(error)
            raise
        _connected(attempt, connection)
        return connection

    return hooked


def _connected(attempt: Attempt, connection: Any) -> None:
    protocol = connection.protocol
    attempt.reused = getattr(protocol, _USED, False)
    setattr(protocol, _USED, True)
    address = connection.transport.get_extra_info("sockname")
    attempt.connection = int(address[1]) if isinstance(address, tuple) else 0


def _send(original: Any) -> Any:
    async def hooked(self: Any, conn: Any) -> Any:
        attempt: Attempt | None = getattr(self, _ATTEMPT, None)
        try:
            response = await original(self, conn)
        except BaseException as error:
            if attempt is not None:
                attempt.fail(error)
            raise
        setattr(response, _ATTEMPT, attempt)
        return response

    return hooked


def _start(original: Any) -> Any:
    async def hooked(self: Any, connection: Any) -> Any:
        attempt: Attempt | None = getattr(self, _ATTEMPT, None)
        try:
            response = await original(self, connection)
        except BaseException as error:
            if attempt is not None:
                attempt.fail(error)
            raise
        if attempt is not None:
            attempt.answered(self.status)
            if self.content.is_eof():
                attempt.end()
        return response

    return hooked


def _read(original: Any) -> Any:
    async def hooked(self: Any) -> Any:
        attempt: Attempt | None = getattr(self, _ATTEMPT, None)
        # taken away meanwhile: on an error aiohttp closes the response before anybody sees the exception
        setattr(self, _ATTEMPT, None)
        try:
            body = await original(self)
        except BaseException as error:
            if attempt is not None:
                attempt.fail(error)
            raise
        if attempt is not None:
            attempt.end()
        return body

    return hooked


def _eof(original: Any) -> Any:
    def hooked(self: Any) -> None:
        original(self)
        attempt: Attempt | None = getattr(self, _ATTEMPT, None)
        if attempt is not None and attempt.status:
            attempt.end()

    return hooked


def _close(original: Any) -> Any:
    def hooked(self: Any) -> Any:
        attempt: Attempt | None = getattr(self, _ATTEMPT, None)
        error = self.content.exception() if self.content is not None else None
        if attempt is not None and attempt.status:
            attempt.end() if error is None else attempt.fail(error)
        return original(self)

    return hooked
