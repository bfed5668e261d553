"""The connection to the target that belongs to one client connection; it carries one request at a time.

One to one, not a pool: the target then sees the client's own connection pattern, and what it does to a connection
(closing it after a 500 or after its keep-alive time, refusing it at its limit) happens to the client's.
"""

from __future__ import annotations

import asyncio
from typing import Protocol, cast

import httptools

from harness.twin.effects import PlainReply
from harness.twin.exchange import Exchange
from harness.twin.forward.reply import Headers, end_to_end
from harness.twin.forward.request import STREAM_BYTES, ForwardRequest
from harness.twin.forward.stream import BytesStream, Chunked
from harness.twin.forward.target import Target
from harness.twin.steps import Source


class LinkOwner(Protocol):
    """What a link tells its backend."""

    target: Target

    def replied(self, exchange: Exchange, reply: PlainReply, sent_ns: int) -> None:
        """The whole reply is there."""
        ...

    def streaming(self, exchange: Exchange, reply: PlainReply, rest: Source) -> None:
        """The reply is large: `reply.body` is its beginning, `rest` what follows."""
        ...

    def broken(self, exchange: Exchange, reply: PlainReply | None, reset: bool) -> None:
        """The target went away before the reply was whole; `reply` is what came of it."""
        ...

    def idle_end(self, link: Link) -> None:
        """The target closed the connection between requests."""
        ...

    def now_ns(self) -> int: ...


class Link(asyncio.Protocol):
    """`exchange` is the one whose reply is awaited."""

    def __init__(self, owner: LinkOwner) -> None:
        self._owner = owner
        self._transport: asyncio.Transport | None = None
        self._waiting_body: BytesStream | None = None
        self._reply_stream: BytesStream | None = None
        self._dead = False
        self._sent_ns = 0
        self._parser = httptools.HttpResponseParser(self)
        self._raw: list[tuple[bytes, bytes]] = []
        self._headers: Headers | None = None
        self._status = 0
        self._body: list[bytes] = []
        self._size = 0
        self.exchange: Exchange | None = None

    async def connect(self) -> None:
        """Open the connection; a failure is told as `broken` of the exchange in progress."""
        target = self._owner.target
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: self, target.host, target.port, ssl=target.tls)
        except OSError:
            self._dead = True
            self._break(reset=True)

    def send(self, exchange: Exchange) -> None:
        """Forward the exchange's request, at once or as soon as the connection is open."""
        self.exchange = exchange
        if self._transport is not None:
            self._send()

    def abort(self) -> None:
        """The client is gone, or gave up: so does its connection to the target."""
        self._dead = True
        self.exchange = None
        self._reply_stream = None
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self._dead:
            self._transport.abort()
        elif self.exchange is not None:
            self._send()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            if isinstance(error, httptools.HttpParserCallbackError):
                raise
            if self._transport is not None:
                self._transport.abort()

    def pause_writing(self) -> None:
        if self._waiting_body is not None:
            self._waiting_body.choke(True)

    def resume_writing(self) -> None:
        if self._waiting_body is not None:
            self._waiting_body.choke(False)

    def connection_lost(self, error: Exception | None) -> None:
        if self._dead:
            return
        self._dead = True
        if self._reply_stream is not None:
            stream, self._reply_stream = self._reply_stream, None
            stream.end(self._until_close())
        elif self.exchange is None:
            self._owner.idle_end(self)
        elif self._headers is not None and self._until_close():
            self._whole()
        else:
            self._break(reset=error is not None)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._raw.append((name, value))

    def on_headers_complete(self) -> None:
        self._status = self._parser.get_status_code()
        if self._status < 200:
            self._raw = []
            return
        self._headers = end_to_end(self._raw)
        if self.exchange is not None and self.exchange.request.method == "HEAD":
            self._parser = httptools.HttpResponseParser(self)
            self._whole()

    def on_body(self, piece: bytes) -> None:
        if self._reply_stream is not None:
            self._reply_stream.feed(piece)
            return
        self._body.append(piece)
        self._size += len(piece)
        if self._size > STREAM_BYTES:
            self._begin_stream()

    def on_message_complete(self) -> None:
        if self._reply_stream is not None:
            stream, self._reply_stream = self._reply_stream, None
            self._expect_reply()
            stream.end(True)
        elif self._status >= 200 and self._headers is not None:
            self._whole()

    def _expect_reply(self) -> None:
        self._raw = []
        self._headers = None
        self._status = 0
        self._body = []
        self._size = 0

    def _send(self) -> None:
        assert self._transport is not None
        assert self.exchange is not None
        request = cast(ForwardRequest, self.exchange.request)
        self._sent_ns = self._owner.now_ns()
        target = self._owner.target
        self._transport.write(request.head(target.prefix, target.authority) + request.body)
        if request.stream is not None:
            self._waiting_body = request.stream
            source: Source = Chunked(request.stream) if request.chunked else request.stream
            source.open(self._transport.write, self._body_sent)

    def _body_sent(self, whole: bool) -> None:
        self._waiting_body = None
        if not whole and self._transport is not None:
            self._transport.abort()

    def _until_close(self) -> bool:
        names = {name.lower() for name, _ in self._raw}
        return not names & {b"content-length", b"transfer-encoding"}

    def _begin_stream(self) -> None:
        assert self._transport is not None
        exchange, self.exchange = self.exchange, None
        self._reply_stream = stream = BytesStream(self._transport.pause_reading, self._transport.resume_reading)
        if exchange is not None:
            self._owner.streaming(exchange, self._partial(), stream)

    def _whole(self) -> None:
        exchange, self.exchange = self.exchange, None
        reply = self._partial()
        self._expect_reply()
        if exchange is not None:
            self._owner.replied(exchange, reply, self._sent_ns)

    def _partial(self) -> PlainReply:
        return PlainReply(self._status, self._headers or Headers([]), b"".join(self._body))

    def _break(self, reset: bool) -> None:
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            self._owner.broken(exchange, self._partial() if self._headers is not None else None, reset)
