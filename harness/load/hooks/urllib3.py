"""urllib3 2 (and so requests): one attempt a `_make_request`, urllib3's own re-sends and redirects included.

It begins when its pool is asked for a connection, as elsewhere: a pool that blocks may be full. It ends when the
response gives its connection back, is closed, or fails while its body is read. Where urllib3 reads the body itself
(`preload_content`; requests doesn't), the headers' time is that of the body's end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from types import ModuleType, TracebackType
from typing import Any

from harness.load.hooks.attempt import WATCH, Attempt
from harness.load.hooks.patch import replace
from harness.model import TRACE_HEADER

_ATTEMPT = "_kato_harness_attempt"
_PORT = "_kato_harness_port"
_ASKED = "_kato_harness_asked_ns"


def install(urllib3: ModuleType) -> tuple[str, ...]:
    """Hook the loaded urllib3; version 1 has other seams and stays unhooked."""
    if not hasattr(urllib3.response, "BaseHTTPResponse"):
        return ()
    response = urllib3.response.HTTPResponse
    pool = urllib3.connectionpool.HTTPConnectionPool
    replace(pool, "_get_conn", partial(_get_conn, full=urllib3.exceptions.EmptyPoolError))
    replace(pool, "_make_request", _make_request)
    replace(response, "_error_catcher", _error_catcher)
    replace(response, "release_conn", _then_end)
    replace(response, "close", _then_end)
    return ("urllib3",)


def _get_conn(original: Any, full: type[Exception]) -> Any:
    def hooked(self: Any, *args: Any, **kwargs: Any) -> Any:
        if WATCH.elsewhere and (self.host, self.port) in WATCH.elsewhere:
            return original(self, *args, **kwargs)
        asked_ns = WATCH.clock_ns()
        try:
            conn = original(self, *args, **kwargs)
        except full as error:
            Attempt("urllib3", asked_ns).fail(error)
            raise
        setattr(conn, _ASKED, asked_ns)
        return conn

    return hooked


def _make_request(original: Any) -> Any:
    def hooked(self: Any, conn: Any, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        if WATCH.elsewhere and (self.host, self.port) in WATCH.elsewhere:
            return original(self, conn, method, url, *args, **kwargs)
        attempt = Attempt("urllib3", vars(conn).pop(_ASKED, None))
        kwargs["headers"], attempt.trace = _with_headers(kwargs.get("headers"), attempt.headers)
        timeout = kwargs.get("timeout", self.timeout)
        if not hasattr(timeout, "total"):
            timeout = self._get_timeout(timeout)
        _bounds(attempt, timeout)
        attempt.retried(kwargs.get("retries"))
        attempt.reused = conn.sock is not None
        try:
            response = original(self, conn, method, url, *args, **kwargs)
        except BaseException as error:
            attempt.connection = _port(conn, attempt.reused)
            attempt.fail(error)
            raise
        attempt.connection = _port(conn, attempt.reused)
        attempt.answered(response.status)
        if _is_read(response):
            attempt.end()
        else:
            setattr(response, _ATTEMPT, attempt)
        return response

    return hooked


def _with_headers(headers: Any, added: Mapping[str, str]) -> tuple[Any, str]:
    """The headers with those added, which are lower case and stand in for equal ones; and their traceparent."""
    fields = _fields(headers) if headers else ()
    trace = ""
    copied: Any = {}
    for lower, (name, value) in fields:
        if lower == TRACE_HEADER:
            trace = value
        if lower not in added:
            copied[name] = value
    if not added:
        return headers, trace
    if hasattr(headers, "getlist"):  # urllib3's own mapping, whose fields may be repeated
        copied = headers.copy()
    for name, value in added.items():
        copied[name] = value
    return copied, trace


def _fields(headers: Any) -> Iterable[tuple[str, tuple[str, str]]]:
    """Name in lower case, name and value of each header: as requests keeps them, for its views and copies of them cost
    as much as the rest of a recording."""
    if type(headers).__module__ == "requests.structures":
        kept: dict[str, tuple[str, str]] = headers._store
        return kept.items()
    return [(name.lower(), (name, value)) for name, value in headers.items()]


_LATEST: list[Any] = [None]
"""Where and for which operation the latest time-out was noted: the next one's is nearly always the same."""


def _bounds(attempt: Attempt, timeout: Any) -> None:
    """Note the time-outs that a request carries, which is urllib3's Timeout."""
    told = WATCH.carried, attempt.op, timeout._connect, timeout._read, timeout.total
    if told != _LATEST[0]:
        attempt.bounded(connect=_bound(timeout, timeout._connect), read=_bound(timeout, timeout._read))
        _LATEST[0] = told


def _bound(timeout: Any, limit: Any) -> Any:
    """A step of urllib3's Timeout; its total bounds connect + one read, so it is a bound of each."""
    total = timeout.total
    if not isinstance(limit, (int, float)):
        return total
    return min(limit, total) if isinstance(total, (int, float)) else limit


def _port(conn: Any, reused: bool) -> int:
    """The connection's local port, which stays for as long as it is used."""
    port: int = getattr(conn, _PORT, 0) if reused else 0
    if not port:
        try:
            port = int(conn.sock.getsockname()[1])
        except (AttributeError, OSError, IndexError, TypeError):
            return 0
        setattr(conn, _PORT, port)
    return port


def _is_read(response: Any) -> bool:
    inner = response._original_response
    return inner is None or bool(inner.isclosed())


class _Reading:
    """urllib3's own guard around each read, and what it tells of the attempt."""

    __slots__ = ("_attempt", "_guard", "_response")

    def __init__(self, guard: Any, response: Any, attempt: Attempt) -> None:
        self._guard = guard
        self._response = response
        self._attempt = attempt

    def __enter__(self) -> None:
        self._guard.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Any:
        # before urllib3's guard, which gives the connection back while the error is on its way
        if error is not None and not isinstance(error, GeneratorExit):
            self._attempt.fail(error)
        handled = self._guard.__exit__(kind, error, trace)
        if _is_read(self._response):
            self._attempt.end()
        return handled


def _error_catcher(original: Any) -> Any:
    def hooked(self: Any) -> Any:
        attempt = getattr(self, _ATTEMPT, None)
        guard = original(self)
        return guard if attempt is None or attempt.done else _Reading(guard, self, attempt)

    return hooked


def _then_end(original: Any) -> Any:
    def hooked(self: Any) -> None:
        original(self)
        attempt = getattr(self, _ATTEMPT, None)
        if attempt is not None and not attempt.done:
            attempt.end()

    return hooked
