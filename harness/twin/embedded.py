"""The backend that answers from the embedded KATO, after the service time of its profile."""

from __future__ import annotations

from typing import Any, Protocol

from harness.rng import Stream
from harness.twin.census import Census
from harness.twin.connection import Connection
from harness.twin.effects import PlainReply, Reply
from harness.twin.exchange import Exchange
from harness.twin.http import BodyBudget, Request, RequestParser
from harness.twin.profiles import Profile
from harness.twin.service import constant
from harness.twin.steps import Timers
from harness.twin.witness import Recorder, Witness
from harness.twin.workers import Parallel, Serial

OVERLOADED = PlainReply(
    503, {"content-type": "text/plain; charset=utf-8", "connection": "close"}, b"Service Unavailable"
)
"""What uvicorn says beyond --limit-concurrency (contract, section 3)."""


class Answer(Reply, Protocol):
    """KATO's reply with what the witness writes down; `delay` is what the stores took (s)."""

    @property
    def session_id(self) -> str: ...

    @property
    def node_id(self) -> str: ...

    @property
    def committed(self) -> bool: ...

    @property
    def delay(self) -> float: ...


class Handler(Protocol):
    """The embedded KATO: one request in, its answer and what it committed out.

    `snapshot` and `restore` are the stored session as a worker loads it and as it writes it back.
    """

    def handle(self, request: Request, /) -> Answer: ...

    def snapshot(self, session_id: str, /) -> object: ...

    def restore(self, session_id: str, snapshot: object, /) -> None: ...


def embedded_witness(
    timers: Timers, arrivals: Recorder, profile: Profile, seed: int = 0, kato: Handler | None = None
) -> Witness:
    """A witness whose answers come from the embedded KATO, or from `kato`."""
    if kato is None:
        from harness.twin.kato import Kato

        kato = Kato()
    witness = Witness(timers, arrivals)
    witness.backend = Embedded(witness, kato, profile, seed)
    return witness


class Embedded:
    """Answers from `kato`, each request after the service time that the profile gives it."""

    def __init__(self, witness: Witness, kato: Handler, profile: Profile, seed: int = 0) -> None:
        self._witness = witness
        self._kato = kato
        self._hangs_up = profile.hangs_up
        self._shared = profile.workers > 1
        self._census = Census(max(1, profile.workers))
        self._pool = self._make_pool(profile, seed)
        self.cost = self._census.cost
        witness.keep_alive_ns = round(profile.keep_alive_s * 1e9)

    def new_parser(self, connection: Connection, budget: BodyBudget) -> RequestParser:
        return RequestParser(budget, connection.send_continue)

    def opened(self, connection: Connection) -> None:
        if self._pool is not None:
            self._pool.opened(connection)

    def closed(self, connection: Connection) -> None:
        if self._pool is not None:
            self._pool.closed(connection)

    def submit(self, exchange: Exchange) -> None:
        if self._pool is None:
            self._handle(exchange)
        else:
            self._pool.submit(exchange)

    def drop(self) -> None:
        if self._pool is not None:
            self._pool.drop()

    def stats(self) -> dict[str, Any]:
        return {}

    async def finish(self) -> None:
        pass

    def begin(self, exchange: Exchange) -> object:
        # KATO locks a session within one worker process only: each loads it at the start and writes it at the end.
        if not self._shared or exchange.request.method == "GET" or not exchange.session:
            return None
        return self._kato.snapshot(exchange.session)

    def end(self, exchange: Exchange, begun: object) -> float:
        if begun is not None:
            self._kato.restore(exchange.session, begun)
        answer = self._handle(exchange)
        self._census.note(exchange, answer)
        return answer.delay

    def refuse(self, exchange: Exchange) -> None:
        self._witness.answered(exchange, OVERLOADED)

    def _handle(self, exchange: Exchange) -> Answer:
        answer = self._kato.handle(exchange.request)
        if answer.session_id:
            exchange.session = answer.session_id
        exchange.node_id = answer.node_id
        hang_up = self._hangs_up and answer.status == 500
        self._witness.answered(exchange, answer, answer.committed, answer.delay, hang_up)
        return answer

    def _make_pool(self, profile: Profile, seed: int) -> Parallel | Serial | None:
        timers = self._witness.timers
        if profile.workers:
            service = profile.service or constant(0.0)
            return Serial(timers, profile.workers, profile.connection_limit, service, profile.stalls, seed, self)
        if profile.service is not None:
            return Parallel(timers, profile.service, Stream(seed, "service"), self)
        return None
