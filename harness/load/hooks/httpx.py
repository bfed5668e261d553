"""httpx, sync and async: one attempt a `handle_request` of its network transports (redirects and auth included).

httpcore's trace extension tells which requests opened a connection, and shows the connects that the transport's
`retries` repeats by itself. Transports that reach no network (WSGI, ASGI, mock) are left alone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from types import ModuleType
from typing import Any

from harness.load.hooks.attempt import WATCH, Attempt
from harness.load.hooks.patch import replace
from harness.model import TRACE_HEADER


class _Trace:
    """Hears httpcore's events of one request, and passes them on to a trace that the client set itself."""

    __slots__ = ("attempt", "failed", "failed_ns", "inner", "opened")

    def __init__(self, attempt: Attempt, extensions: dict[str, Any]) -> None:
        inner: Any = extensions.get("trace")
        self.inner: Any = inner.inner if isinstance(inner, _Trace) else inner
        self.attempt = attempt
        self.failed: BaseException | None = None
        self.failed_ns = 0
        self.opened = False

    def hear(self, name: str, info: dict[str, Any]) -> None:
        if name == "connection.connect_tcp.started":
            if self.failed is not None:
                self.attempt.again(self.failed, self.failed_ns)
                self.failed = None
        elif name == "connection.connect_tcp.complete":
            self.opened = True
            self.attempt.connection = _port(info["return_value"])
        elif name == "connection.connect_tcp.failed":
            self.failed, self.failed_ns = info["exception"], WATCH.clock_ns()
        elif name.endswith("send_request_headers.started"):
            self.attempt.reused = not self.opened


class _SyncTrace(_Trace):
    __slots__ = ()

    def __call__(self, name: str, info: dict[str, Any]) -> None:
        self.hear(name, info)
        if self.inner is not None:
            self.inner(name, info)


class _AsyncTrace(_Trace):
    __slots__ = ()

    async def __call__(self, name: str, info: dict[str, Any]) -> None:
        self.hear(name, info)
        if self.inner is not None:
            await self.inner(name, info)


def _port(stream: Any) -> int:
    """The local port of a connection, 0 for a Unix socket or a closed one."""
    try:
        address = stream.get_extra_info("client_addr")
    except OSError:
        return 0
    return int(address[1]) if isinstance(address, tuple) else 0


def _elsewhere(request: Any) -> bool:
    return bool(WATCH.elsewhere) and (request.url.host, request.url.port) in WATCH.elsewhere


def _begin(via: str, request: Any, trace: type[_Trace]) -> Attempt:
    attempt = Attempt(via)
    for name, value in attempt.headers.items():
        request.headers[name] = value
    steps = request.extensions.get("timeout", {})
    attempt.bounded(**{step: steps.get(step) for step in ("connect", "read", "write", "pool")})
    request.extensions = {**request.extensions, "trace": trace(attempt, request.extensions)}
    return attempt


def _traced(attempt: Attempt, request: Any) -> None:
    """Take down the traceparent; an instrumentation that sits below our hook has put it there by now."""
    attempt.trace = request.headers.get(TRACE_HEADER, "")


def _answered(attempt: Attempt, response: Any, body: type) -> Any:
    attempt.answered(response.status_code)
    stream = response.extensions.get("network_stream")
    if not attempt.connection and stream is not None:
        attempt.connection = _port(stream)
    response.stream = body(response.stream, attempt)
    return response


def install(httpx: ModuleType) -> tuple[str, ...]:
    """Hook both transports of the loaded httpx."""
    replace(httpx.HTTPTransport, "handle_request", _sync_hook(_sync_body(httpx)))
    replace(httpx.AsyncHTTPTransport, "handle_async_request", _async_hook(_async_body(httpx)))
    return ("httpx", "httpx_async")


def _sync_hook(body: type) -> Any:
    def hook(original: Any) -> Any:
        def handle_request(self: Any, request: Any) -> Any:
            if _elsewhere(request):
                return original(self, request)
            attempt = _begin("httpx", request, _SyncTrace)
            try:
                response = original(self, request)
            except BaseException as error:
                _traced(attempt, request)
                attempt.fail(error)
                raise
            _traced(attempt, request)
            return _answered(attempt, response, body)

        return handle_request

    return hook


def _async_hook(body: type) -> Any:
    def hook(original: Any) -> Any:
        async def handle_async_request(self: Any, request: Any) -> Any:
            if _elsewhere(request):
                return await original(self, request)
            attempt = _begin("httpx_async", request, _AsyncTrace)
            try:
                response = await original(self, request)
            except BaseException as error:
                _traced(attempt, request)
                attempt.fail(error)
                raise
            _traced(attempt, request)
            return _answered(attempt, response, body)

        return handle_async_request

    return hook


def _sync_body(httpx: ModuleType) -> type:
    class Body(httpx.SyncByteStream):  # type: ignore[misc,name-defined]
        """The answer's body; its end is the attempt's end."""

        def __init__(self, stream: Any, attempt: Attempt) -> None:
            self._stream = stream
            self._attempt = attempt

        def __iter__(self) -> Iterator[bytes]:
            try:
                yield from self._stream
            except GeneratorExit:
                raise
            except BaseException as error:
                self._attempt.fail(error)
                raise
            self._attempt.end()

        def close(self) -> None:
            self._stream.close()
            self._attempt.end()

        def __del__(self) -> None:
            self._attempt.end()

    return Body


def _async_body(httpx: ModuleType) -> type:
    class AsyncBody(httpx.AsyncByteStream):  # type: ignore[misc,name-defined]
        """The answer's body; its end is the attempt's end."""

        def __init__(self, stream: Any, attempt: Attempt) -> None:
            self._stream = stream
            self._attempt = attempt

        async def __aiter__(self) -> AsyncIterator[bytes]:
            try:
                async for part in self._stream:
                    yield part
            except GeneratorExit:
                raise
            except BaseException as error:
                self._attempt.fail(error)
                raise
            self._attempt.end()

        async def aclose(self) -> None:
            await self._stream.aclose()
            self._attempt.end()

        def __del__(self) -> None:
            self._attempt.end()

    return AsyncBody
