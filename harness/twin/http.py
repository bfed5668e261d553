"""HTTP/1.1 of the server side without I/O: bytes in, whole requests out, answers to bytes.

Limits keep a hostile or broken client from growing the process: MAX_HEAD_BYTES for request line and headers,
MAX_BODY_BYTES for one body, MAX_BUFFERED_BYTES for the unfinished bodies of all connections together.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from email.utils import formatdate
from http import HTTPStatus
from urllib.parse import unquote
from zlib import crc32

import httptools

MAX_HEAD_BYTES = 64 << 10
MAX_BODY_BYTES = 128 << 20
MAX_BUFFERED_BYTES = 512 << 20

_INVALID = "Invalid HTTP request received."
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
PHRASES = {status.value: status.phrase for status in HTTPStatus}
_STATUS_LINES = {status: f"HTTP/1.1 {status} {phrase}\r\n" for status, phrase in PHRASES.items()}


class RefusedError(Exception):
    """This connection can't go on: answer with `status` and `text`, then close it."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class Request:
    """One whole request. `path` is decoded, `headers` have lower-case names, `body` is empty where none came."""

    __slots__ = ("body", "headers", "keep_alive", "method", "path", "query")

    def __init__(
        self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes, keep_alive: bool = True
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self.keep_alive = keep_alive

    def crc(self) -> int:
        """CRC-32 of the body as far as it arrived."""
        return crc32(self.body)

    def unread(self) -> bool:
        """Is more of the body to come?"""
        return False

    def discard(self) -> None:
        """Nobody needs what is still to come of the body."""


class BodyBudget:
    """Bytes of unfinished bodies that all connections of a listener hold together."""

    __slots__ = ("held",)

    def __init__(self) -> None:
        self.held = 0


class RequestParser:
    """The bytes of one connection in, whole requests out in `ready`; the methods `on_*` are httptools' callbacks.

    `started` is True while a request has begun and is not whole.
    """

    __slots__ = (
        "_body",
        "_budget",
        "_continue",
        "_head_bytes",
        "_headers",
        "_in_head",
        "_parser",
        "_size",
        "_url",
        "ready",
        "started",
    )

    def __init__(self, budget: BodyBudget, send_continue: Callable[[], None]) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._budget = budget
        self._continue = send_continue
        self._head_bytes = 0
        self._in_head = True
        self.ready: list[Request] = []
        self._url = b""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._size = 0
        self.started = False

    def feed(self, data: bytes) -> None:
        """Take bytes as they come; raises RefusedError when the client broke HTTP/1.1 or a limit."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._pass_over()
        except httptools.HttpParserCallbackError as error:
            if isinstance(error.__context__, RefusedError):
                raise error.__context__ from None
            raise
        except httptools.HttpParserError:
            raise RefusedError(400, _INVALID) from None
        self._bound_head(len(data))

    def abandon(self) -> None:
        """The connection is gone: give back what its unfinished body held."""
        self._budget.held -= self._size
        self._size = 0
        self._body = []

    def _pass_over(self) -> None:
        """As uvicorn: any other protocol but a WebSocket is not spoken, and what came behind the head is lost."""
        if self._headers.get("upgrade", "").lower() == "websocket":
            raise RefusedError(0, "the rest is another protocol")
        if self._parser.get_method() == b"CONNECT" and not self._url.startswith(b"/"):
            self.ready.pop()
            raise RefusedError(400, _INVALID)

    def _bound_head(self, received: int) -> None:
        # Where a request ended in these bytes, how many of them belong to the next one is unknown and at most a read.
        if self.ready or not (self.started and self._in_head):
            return
        self._head_bytes += received
        if self._head_bytes > MAX_HEAD_BYTES:
            raise RefusedError(431, "Request header fields too large.")

    def on_message_begin(self) -> None:
        self.started = True
        self._url = b""
        self._headers = {}
        self._body = []
        self._size = 0

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[_NAMES.get(name) or _header_name(name)] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._check_length()
        if self._headers.get("expect", "").lower() == "100-continue":
            self._continue()

    def _check_length(self) -> None:
        if int(self._headers.get("content-length", 0)) > MAX_BODY_BYTES:
            raise RefusedError(413, "Request body too large.")

    def on_body(self, chunk: bytes) -> None:
        self._body.append(chunk)
        self._size += len(chunk)
        self._budget.held += len(chunk)
        if self._size > MAX_BODY_BYTES or self._budget.held > MAX_BUFFERED_BYTES:
            raise RefusedError(413, "Request body too large.")

    def on_message_complete(self) -> None:
        body = self._body
        self._budget.held -= self._size
        self._size = 0
        self._in_head = True
        self._head_bytes = 0
        self.started = False
        self.ready.append(self._request(body[0] if len(body) == 1 else b"".join(body)))

    def _request(self, body: bytes) -> Request:
        path, _, query = self._url.partition(b"?")
        parser, headers = self._parser, self._headers
        # As uvicorn, which reads neither HTTP/1.0's keep-alive nor a close in other letters or beside other words.
        keep_alive = headers.get("connection") != "close" and parser.get_http_version() != "1.0"
        return Request(
            parser.get_method().decode(), _decode_path(path), query.decode("latin-1"), headers, body, keep_alive
        )


_NAMES: dict[bytes, str] = {}
_MAX_NAMES = 512


def _header_name(raw: bytes) -> str:
    """The name in lower case, remembered; a client that invents names can't fill the memory."""
    name = raw.decode("latin-1").lower()
    if len(_NAMES) < _MAX_NAMES:
        _NAMES[raw] = name
    return name


def _decode_path(raw: bytes) -> str:
    path = raw.decode("latin-1")
    if not path.startswith("/"):
        scheme, _, rest = path.partition("://")
        path = "/" + rest.partition("/")[2] if rest else scheme
    return unquote(path) if "%" in path else path


class _Date:
    """The Date header's text, made once a second."""

    __slots__ = ("_second", "_text")

    def __init__(self) -> None:
        self._second = 0
        self._text = ""

    def __call__(self) -> str:
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._text = f"date: {formatdate(second, usegmt=True)}\r\nserver: uvicorn\r\n"
        return self._text


_date = _Date()


def encode_head(status: int, headers: Mapping[str, str], length: int, close: bool = False) -> bytes:
    """Status line and headers as uvicorn orders them.

    Content-Length is `length` and Date is now, each unless `headers` hold one; chunked replies have no length.
    """
    head = _STATUS_LINES.get(status) or f"HTTP/1.1 {status} \r\n"
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    size = "" if "content-length" in headers or "transfer-encoding" in headers else f"content-length: {length}\r\n"
    end = "connection: close\r\n\r\n" if close else "\r\n"
    own = "" if "date" in headers else _date()
    return f"{head}{own}{size}{lines}{end}".encode("latin-1", "replace")


def frame(piece: bytes) -> bytes:
    """`piece` as one chunk of a body with Transfer-Encoding: chunked (RFC 9112, 7.1)."""
    return b"%x\r\n%b\r\n" % (len(piece), piece)
