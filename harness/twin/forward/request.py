"""Requests as they are forwarded: raw target and headers kept, bodies over STREAM_BYTES passed on as they come."""

from __future__ import annotations

from collections.abc import Callable

from harness.model import ATTEMPT_HEADER
from harness.twin.forward.stream import BytesStream
from harness.twin.http import BodyBudget, Request, RequestParser

STREAM_BYTES = 1 << 20
"""Bodies up to here are held whole, larger ones never."""

_HOP = {b"connection", b"keep-alive", b"proxy-connection", b"te", b"upgrade", b"http2-settings", b"expect", b"host"}
_DROPPED = _HOP | {b"content-length", b"transfer-encoding", ATTEMPT_HEADER.encode()}


class ForwardRequest(Request):
    """A request with its raw form; `stream` is None where `body` holds the whole body."""

    __slots__ = ("raw_headers", "stream", "target")

    def __init__(
        self, parsed: Request, target: bytes, raw_headers: list[tuple[bytes, bytes]], stream: BytesStream | None
    ) -> None:
        super().__init__(parsed.method, parsed.path, parsed.query, parsed.headers, parsed.body, parsed.keep_alive)
        self.target = target
        self.raw_headers = raw_headers
        self.stream = stream

    def crc(self) -> int:
        return super().crc() if self.stream is None else self.stream.crc

    def unread(self) -> bool:
        return self.stream is not None and not self.stream.over

    def discard(self) -> None:
        if self.stream is not None:
            self.stream.discard()

    @property
    def chunked(self) -> bool:
        """Is the body's length unknown, so that it is passed on in chunks?"""
        return self.stream is not None and "content-length" not in self.headers

    def head(self, prefix: bytes, host: bytes) -> bytes:
        """Request line and headers for the target: ours and hop-by-hop headers left out (RFC 9110, 7.6.1)."""
        lines = [self.method.encode() + b" " + prefix + self.target + b" HTTP/1.1\r\nhost: " + host]
        lines += [name + b": " + value for name, value in self.raw_headers if name.lower() not in _DROPPED]
        if self.chunked:
            lines.append(b"transfer-encoding: chunked")
        elif self.stream is not None:
            lines.append(b"content-length: " + self.headers["content-length"].encode())
        elif self.body or self.method in ("POST", "PUT", "PATCH"):
            lines.append(b"content-length: %d" % len(self.body))
        return b"\r\n".join(lines) + b"\r\n\r\n"


class ForwardParser(RequestParser):
    """Keeps raw headers, and hands out a request with a large body before the body is whole."""

    __slots__ = ("_hold", "_raw", "_release", "_stream")

    def __init__(
        self,
        budget: BodyBudget,
        send_continue: Callable[[], None],
        hold: Callable[[], None],
        release: Callable[[], None],
    ) -> None:
        super().__init__(budget, send_continue)
        self._hold = hold
        self._release = release
        self._raw: list[tuple[bytes, bytes]] = []
        self._stream: BytesStream | None = None

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._raw = []
        self._stream = None

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._raw.append((name, value))

    def on_body(self, chunk: bytes) -> None:
        if self._stream is not None:
            self._stream.feed(chunk)
            return
        super().on_body(chunk)
        if self._size > STREAM_BYTES:
            self._begin_stream()

    def on_message_complete(self) -> None:
        if self._stream is None:
            super().on_message_complete()
            return
        self.started = False
        self._in_head = True
        self._head_bytes = 0
        self._stream.end(True)

    def _check_length(self) -> None:
        """A body of any length may pass, because it is never held."""

    def _begin_stream(self) -> None:
        self._stream = stream = BytesStream(self._hold, self._release)
        pieces, self._body = self._body, []
        self._budget.held -= self._size
        self._size = 0
        self.ready.append(self._request(b""))
        for piece in pieces:
            stream.feed(piece)

    def _request(self, body: bytes) -> Request:
        return ForwardRequest(super()._request(body), self._url, self._raw, self._stream)
