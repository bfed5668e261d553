"""One client connection without I/O: requests in order, one answered at a time, and what happens when it ends."""

from __future__ import annotations

from collections import deque
from typing import Protocol

from harness.twin.exchange import Exchange
from harness.twin.http import CONTINUE, RefusedError, RequestParser, encode_head
from harness.twin.steps import Fate, Player, Send, Timer, Timers, Wire

_TEXT = {"content-type": "text/plain; charset=utf-8"}


class Owner(Protocol):
    """What a connection asks of the witness."""

    timers: Timers
    keep_alive_ns: int
    keeps_idle: bool

    def new_parser(self, connection: Connection) -> RequestParser:
        """The parser for the connection's bytes."""
        ...

    def serve(self, exchange: Exchange) -> None:
        """Decide the exchange's fate, now or later, and call `connection.finish` with it."""
        ...

    def ended(self, exchange: Exchange) -> None:
        """The exchange is over; its times are final."""
        ...

    def closed(self, connection: Connection) -> None:
        """The connection is gone."""
        ...


class Connection:
    """Lives from accept to close. `number` counts connections from 1; `worker` is the KATO worker that accepted it."""

    __slots__ = (
        "_choked",
        "_closing",
        "_current",
        "_idle_ns",
        "_idle_timer",
        "_owner",
        "_parser",
        "_pending",
        "_player",
        "_pumping",
        "_refusal",
        "_retiring",
        "_wire",
        "_wire_send",
        "alive",
        "number",
        "worker",
    )

    def __init__(self, number: int, wire: Wire, owner: Owner) -> None:
        self.number = number
        self.worker = 0
        self.alive = True
        self._wire = wire
        self._wire_send = wire.send
        self._owner = owner
        self._parser: RequestParser | None = None
        self._pending: deque[Exchange] = deque()
        self._current: Exchange | None = None
        self._player: Player | None = None
        self._refusal: RefusedError | None = None
        self._pumping = False
        self._choked = False
        self._closing = False
        self._retiring = False
        self._idle_ns = 0
        self._idle_timer: Timer | None = None

    def receive(self, data: bytes) -> None:
        """Bytes from the client."""
        if self._refusal is not None or self._closing:
            return
        parser = self._parser
        if parser is None:
            parser = self._parser = self._owner.new_parser(self)
        now_ns = self._owner.timers.now_ns()
        self._idle_ns = now_ns
        try:
            parser.feed(data)
        except RefusedError as refusal:
            self._refusal = refusal
            if self._current is not None and self._current.request.unread():
                self.kill()
                return
        if parser.ready:
            for request in parser.ready:
                self._pending.append(Exchange(self, request, now_ns))
            parser.ready.clear()
        self._pump()
        if self._pending:
            self._wire.pause_reading()

    def finish(self, exchange: Exchange, fate: Fate) -> None:
        """Carry out the fate of the exchange in progress; ends it at once where its connection is gone."""
        exchange.status = fate.status if self.alive else 0
        if not self.alive:
            self._over(exchange)
            return
        exchange.request.discard()
        steps = fate.steps
        if len(steps) == 1 and type(steps[0]) is Send:
            self._wire_send(steps[0].data)
            self._complete(exchange, fate.whole)
            return

        def done(unbroken: bool) -> None:
            self._played(exchange, fate.whole and unbroken)

        self._player = Player(self, self._owner.timers, steps, done, self._choked)
        self._player.play()

    def send(self, data: bytes) -> None:
        """Write to the client."""
        self._wire_send(data)

    def close(self) -> None:
        """End the connection in order; requests that are still waiting get no reply."""
        self._closing = True
        self._wire.close()

    def reset(self) -> None:
        """End the connection by RST."""
        self._closing = True
        self._wire.reset()

    def retire(self) -> None:
        """The server shuts down (uvicorn): close now, or after the reply in progress, without a word in its headers."""
        self._retiring = True
        if self._current is None and self.alive:
            self.close()

    def send_continue(self) -> None:
        """Tell the client to send the body that it announced with Expect: 100-continue."""
        self._wire_send(CONTINUE)

    def hold(self) -> None:
        """Stop reading from the client."""
        self._wire.pause_reading()

    def release(self) -> None:
        """Read on."""
        self._wire.resume_reading()

    def hang_up(self) -> None:
        """The other side of a forwarding witness closed: close too unless a reply is going out."""
        if self._current is None and self.alive and not self._owner.keeps_idle:
            self.close()

    def writable(self, flag: bool) -> None:
        """Does the peer keep up with what is written?"""
        self._choked = not flag
        if self._player is not None:
            self._player.choke(not flag)
        elif flag:
            self._pump()

    def lost(self) -> None:
        """The peer closed or reset the connection, or a step did; idempotent."""
        if not self.alive:
            return
        now_ns = self._owner.timers.now_ns()
        current, self._current = self._current, None
        if current is not None:
            current.disconnect_ns = now_ns
        self._close_down()
        if current is not None and self._player is not None:
            self._over(current)
        self._end_pending(now_ns)

    def kill(self) -> None:
        """Reset the connection from our side; what was in progress ends without reply."""
        if not self.alive:
            return
        self.reset()
        self._close_down()
        current, self._current = self._current, None
        if current is not None:
            self._over(current)
        self._end_pending(0)

    def forget(self, exchange: Exchange) -> None:
        """The exchange will never be handled; it is over, also where its client left long ago."""
        self._over(exchange)

    def _close_down(self) -> None:
        self.alive = False
        self._closing = True
        if self._player is not None:
            self._player.cancel()
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        if self._parser is not None:
            self._parser.abandon()
        self._owner.closed(self)

    def _over(self, exchange: Exchange) -> None:
        if not exchange.over:
            exchange.over = True
            self._owner.ended(exchange)

    def _end_pending(self, disconnect_ns: int) -> None:
        for exchange in self._pending:
            exchange.disconnect_ns = disconnect_ns
            self._over(exchange)
        self._pending.clear()

    def _pump(self) -> None:
        """Serve what waits, in order; a loop instead of recursion however many requests were pipelined."""
        if self._pumping:
            return
        self._pumping = True
        pending = self._pending
        while pending and self._current is None and not self._closing and not self._choked:
            exchange = self._current = pending.popleft()
            self._owner.serve(exchange)
        self._pumping = False
        if self._refusal is not None and self._current is None and not pending and not self._closing:
            self._refuse(self._refusal)

    def _refuse(self, refusal: RefusedError) -> None:
        if refusal.status:
            body = refusal.text.encode()
            self._wire_send(encode_head(refusal.status, _TEXT, len(body), close=True) + body)
        self.close()

    def _played(self, exchange: Exchange, whole: bool) -> None:
        self._player = None
        self._complete(exchange, whole)

    def _complete(self, exchange: Exchange, whole: bool) -> None:
        now_ns = self._idle_ns = self._owner.timers.now_ns()
        if whole:
            exchange.reply_ns = now_ns
        self._current = None
        self._over(exchange)
        if self._retiring:
            self.close()
            return
        if self._owner.keep_alive_ns and self._idle_timer is None:
            self._watch_idle()
        if not self._pumping and (self._pending or self._refusal is not None):
            self._pump()
            if not self._pending and not self._closing:
                self._wire.resume_reading()

    def _watch_idle(self) -> None:
        self._idle_timer = self._owner.timers.call_at(self._idle_ns + self._owner.keep_alive_ns, self._idle_over)

    def _idle_over(self) -> None:
        self._idle_timer = None
        if self._current is not None or (self._parser is not None and self._parser.started):
            return
        if self._owner.keeps_idle:
            self._idle_ns = self._owner.timers.now_ns()
        if self._owner.timers.now_ns() - self._idle_ns < self._owner.keep_alive_ns:
            self._watch_idle()
        else:
            self.close()
