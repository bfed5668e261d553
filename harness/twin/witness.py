"""The witness: sees every request that arrives, decides its fate, and writes down what became of it.

It does no I/O: drivers give it connections (`connect`) and timers; a backend (embedded KATO, or a real one behind
`--target`) gives it answers. One thread calls it.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Any, Protocol

from harness.model import CANARY_HEADER, OPERATIONS
from harness.twin.connection import Connection
from harness.twin.effects import After, Before, PlainReply, Reply, plain
from harness.twin.exchange import Exchange
from harness.twin.http import BodyBudget, Request, RequestParser, encode_head, frame
from harness.twin.rules import Rules, Verdict
from harness.twin.steps import Close, Fate, Pipe, Reset, Send, Source, Timers, Wait, Wire

STORE_FAILS = PlainReply(503, {"content-type": "application/json"}, b'{"detail":"a store fails"}')
"""What a canary gets that names a fault of a store; KATO itself answers otherwise."""

CANARY_TYPE = {"content-type": "application/json"}
MAX_CANARY_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class StoreFault:
    """How a store fails, as a canary feels it."""

    mode: str
    slow: float

    @property
    def wait(self) -> float:
        """What the store takes (s)."""
        return math.inf if self.mode == "hung" else self.slow if self.mode == "slow" else 0.0

    @property
    def answers(self) -> bool:
        """Does it answer, and wrongly?"""
        return self.mode not in ("hung", "slow")


class Recorder(Protocol):
    """Where arrivals are written down."""

    @property
    def recorded(self) -> int:
        """How many were."""
        ...

    def record(self, exchange: Exchange) -> None:
        """The exchange is over."""
        ...


class Backend(Protocol):
    """Where answers come from."""

    def new_parser(self, connection: Connection, budget: BodyBudget) -> RequestParser:
        """What parses the connection's requests."""
        ...

    def opened(self, connection: Connection) -> None:
        """A client connected."""
        ...

    def closed(self, connection: Connection) -> None:
        """Its connection is gone."""
        ...

    def submit(self, exchange: Exchange) -> None:
        """Have the request handled, now or later, and call `Witness.answered` at the moment it was."""
        ...

    def drop(self) -> list[Exchange]:
        """Forget everything that is not handled yet; returns it."""
        ...

    def set_store(self, store: str, mode: str, slow: float) -> None:
        """One of KATO's stores fails in this way from now on, or is "up" again; raises UsageError if it can't."""
        ...

    def stats(self) -> dict[str, Any]:
        """What it counts."""
        ...

    async def stm_lengths(self) -> dict[str, int]:
        """How many events the STM of each session holds, where that is known."""
        ...

    async def clear_up(self) -> tuple[int, list[str]]:
        """Delete what sessions the traffic left, in bounded time: how many were, and which are still there."""
        ...

    async def finish(self) -> None:
        """The witness stops: bring what is still open to an end."""
        ...


class Common:
    """What the instances of one KATO share: the fault rules with their counters, and the order of commits."""

    __slots__ = ("commits", "rules")

    def __init__(self) -> None:
        self.rules = Rules()
        self.commits = 0


class Witness:
    """One listener's state. `backend` is set right after construction, because each needs the other.

    `instance` is its number among those that share `common`.
    """

    backend: Backend

    def __init__(self, timers: Timers, arrivals: Recorder, instance: int = 0, common: Common | None = None) -> None:
        self.timers = timers
        self.instance = instance
        self._common = common or Common()
        self.budget = BodyBudget()
        """Unfinished bodies of all connections."""
        self.keep_alive_ns = 0
        """Idle connections are closed after so long; 0: never."""
        self.keeps_idle = False
        """They stay for now, whatever the server would do: a black hole swallows its end of the connection too."""
        self.rules = self._common.rules
        self.connections: dict[Connection, None] = {}
        self.accepted = 0
        self._arrivals = arrivals
        self._gate: deque[Exchange] | None = None
        self._stores: dict[str, StoreFault] = {}

    @property
    def arrived(self) -> int:
        """Requests recorded so far, canaries excepted."""
        return self._arrivals.recorded

    @property
    def commits(self) -> int:
        """Commits so far, of all instances."""
        return self._common.commits

    @property
    def gated(self) -> int:
        """Requests that wait at the gate of a paused KATO."""
        return len(self._gate or ())

    def new_parser(self, connection: Connection) -> RequestParser:
        return self.backend.new_parser(connection, self.budget)

    def connect(self, wire: Wire) -> Connection:
        """A client connected through `wire`."""
        self.accepted += 1
        connection = Connection(self.accepted, wire, self)
        self.connections[connection] = None
        self.backend.opened(connection)
        return connection

    def closed(self, connection: Connection) -> None:
        self.connections.pop(connection, None)
        self.backend.closed(connection)

    def serve(self, exchange: Exchange) -> None:
        if self._gate is None:
            self._admit(exchange)
        else:
            self._gate.append(exchange)

    def ended(self, exchange: Exchange) -> None:
        if CANARY_HEADER not in exchange.request.headers:
            self._arrivals.record(exchange)

    def pause(self) -> None:
        """Freeze the handlers: requests are accepted, and neither handled nor answered until `resume`."""
        if self._gate is None:
            self._gate = deque()

    def resume(self) -> None:
        """Handle what waited, in order of arrival; also what its client gave up, as a thawed process does."""
        gate, self._gate = self._gate, None
        for exchange in gate or ():
            self._admit(exchange)

    def kill(self) -> None:
        """Drop what is not handled and reset all connections; sessions and commits live on."""
        dropped = [*(self._gate or ()), *self.backend.drop()]
        if self._gate is not None:
            self._gate.clear()
        for connection in tuple(self.connections):
            connection.kill()
        for exchange in dropped:
            exchange.connection.forget(exchange)

    def drain(self) -> None:
        """Shut down in order: idle connections close now, the others after the reply that is in progress."""
        for connection in tuple(self.connections):
            connection.retire()

    def answered(
        self, exchange: Exchange, reply: Reply, committed: bool = False, wait: float = 0.0, hang_up: bool = False
    ) -> None:
        """KATO has handled the request just now; its reply is due in `wait` seconds, then maybe hangs up."""
        if committed:
            exchange.commit_seq = self.next_commit(exchange)
        verdict = exchange.verdict
        if verdict is None:
            fate = plain(exchange.request, reply)
        else:
            fate = _fate(verdict, exchange.request, reply)
            wait += verdict.delay
        if hang_up or not exchange.request.keep_alive:
            fate = _closing(fate)
        exchange.connection.finish(exchange, _delayed(fate, wait))

    def streamed(self, exchange: Exchange, reply: Reply, rest: Source, committed: bool) -> None:
        """A reply too large to be held has begun: `reply.body`, then `rest`.

        A rule that rewrites bodies gets the beginning as if it were all; the rest is thrown away.
        """
        verdict = exchange.verdict
        if verdict is not None and isinstance(verdict.effect, After):
            rest.open(lambda piece: None, lambda whole: None)
            self.answered(exchange, reply, committed)
            return
        if committed:
            exchange.commit_seq = self.next_commit(exchange)
        head = encode_head(reply.status, reply.headers, len(reply.body))
        body = frame(reply.body) if "transfer-encoding" in reply.headers else reply.body
        fate = Fate(reply.status, (Send(head + body), Pipe(rest)))
        if not exchange.request.keep_alive:
            fate = _closing(fate)
        exchange.connection.finish(exchange, _delayed(fate, verdict.delay if verdict else 0.0))

    def next_commit(self, exchange: Exchange) -> int:
        """The number of the commit that just happened; those of a sequence's further observations follow it."""
        first = self._common.commits + 1
        self._common.commits += exchange.observations
        return first

    def _admit(self, exchange: Exchange) -> None:
        request = exchange.request
        if CANARY_HEADER in request.headers:
            self._answer_canary(exchange)
            return
        if self.rules:
            verdict = self.rules.decide(request, OPERATIONS[exchange.op], self.timers.now_ns(), self.instance)
            if verdict.fault:
                exchange.fault = verdict.fault
                exchange.verdict = verdict
            if isinstance(verdict.effect, Before):
                exchange.connection.finish(exchange, _delayed(verdict.effect.fate(request), verdict.delay))
                return
        self.backend.submit(exchange)

    def set_store(self, store: str, mode: str, slow: float = 0.0) -> None:
        """One of KATO's stores fails, or is "up" again; a `slow` one takes so many seconds more."""
        self.backend.set_store(store, mode, slow)
        self._stores.pop(store, None)
        if mode != "up":
            self._stores[store] = StoreFault(mode, slow)

    def _answer_canary(self, exchange: Exchange) -> None:
        request = exchange.request
        name = request.headers[CANARY_HEADER]
        verdict = self.rules.for_canary(name)
        reply = PlainReply(200, CANARY_TYPE, canary_body(request.query))
        wait = verdict.delay + sum(fault.wait for fault in self._stores.values())
        if name != "probe" and not verdict.fault and any(fault.answers for fault in self._stores.values()):
            reply = STORE_FAILS
        exchange.connection.finish(exchange, _delayed(_fate(verdict, request, reply), wait))


def canary_body(query: str) -> bytes:
    """`{}` with white space between, as many bytes as `bytes=N` of the query asks for (2 to 1 MiB)."""
    name, _, value = query.partition("=")
    size = int(value) if name == "bytes" and value.isdecimal() and len(value) < 9 else 2
    return b"{" + b" " * (min(max(size, 2), MAX_CANARY_BYTES) - 2) + b"}"


def _fate(verdict: Verdict, request: Request, reply: Reply) -> Fate:
    if isinstance(verdict.effect, Before):
        return verdict.effect.fate(request)
    if isinstance(verdict.effect, After):
        return verdict.effect.fate(request, reply)
    return plain(request, reply)


def _closing(fate: Fate) -> Fate:
    if isinstance(fate.steps[-1], (Close, Reset)):
        return fate
    return Fate(fate.status, (*fate.steps, Close()), fate.whole)


def _delayed(fate: Fate, seconds: float) -> Fate:
    return Fate(fate.status, (Wait(seconds), *fate.steps), fate.whole) if seconds > 0 else fate
