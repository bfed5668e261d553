"""The backend that answers from the embedded KATO, after the service time of its profile."""

from __future__ import annotations

from typing import Any, Protocol

from harness.twin.connection import Connection
from harness.twin.effects import Reply
from harness.twin.exchange import Exchange
from harness.twin.http import BodyBudget, Request, RequestParser
from harness.twin.profiles import Profile
from harness.twin.steps import Timer, Timers
from harness.twin.witness import Recorder, Witness


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
    """The embedded KATO: one request in, its answer and what it committed out."""

    def handle(self, request: Request, /) -> Answer: ...


def embedded_witness(timers: Timers, arrivals: Recorder, profile: Profile, kato: Handler | None = None) -> Witness:
    """A witness whose answers come from the embedded KATO, or from `kato`."""
    if kato is None:
        from harness.twin.kato import Kato

        kato = Kato()
    witness = Witness(timers, arrivals)
    witness.backend = Embedded(witness, kato, profile)
    return witness


class Embedded:
    """Handles each request on its own, `service_s` after it arrived."""

    def __init__(self, witness: Witness, kato: Handler, profile: Profile) -> None:
        self._witness = witness
        self._kato = kato
        self._service_ns = round(profile.service_s * 1e9)
        self._waiting: dict[Exchange, Timer] = {}
        if not self._service_ns:
            self.submit = self._handle  # type: ignore[method-assign]

    def new_parser(self, connection: Connection, budget: BodyBudget) -> RequestParser:
        return RequestParser(budget, connection.send_continue)

    def opened(self, connection: Connection) -> None:
        pass

    def closed(self, connection: Connection) -> None:
        pass

    def submit(self, exchange: Exchange) -> None:
        timers = self._witness.timers
        due_ns = timers.now_ns() + self._service_ns
        self._waiting[exchange] = timers.call_at(due_ns, lambda: self._served(exchange))

    def drop(self) -> None:
        for timer in self._waiting.values():
            timer.cancel()
        self._waiting.clear()

    def stats(self) -> dict[str, Any]:
        return {}

    async def finish(self) -> None:
        pass

    def _served(self, exchange: Exchange) -> None:
        del self._waiting[exchange]
        self._handle(exchange)

    def _handle(self, exchange: Exchange) -> None:
        answer = self._kato.handle(exchange.request)
        if answer.session_id:
            exchange.session = answer.session_id
        exchange.node_id = answer.node_id
        self._witness.answered(exchange, answer, answer.committed, answer.delay)
