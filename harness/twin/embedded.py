"""The backend that answers from the embedded KATO, after the service time of its profile."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from harness import contracts
from harness.model import OPERATIONS
from harness.rng import Stream
from harness.twin.census import Census
from harness.twin.connection import Connection
from harness.twin.effects import PlainReply
from harness.twin.exchange import Exchange
from harness.twin.http import BodyBudget, Request, RequestParser
from harness.twin.kato.messages import Answer
from harness.twin.profiles import Profile
from harness.twin.steps import Timer, Timers
from harness.twin.witness import Common, Recorder, Witness
from harness.twin.workers import make_pool

OVERLOADED = PlainReply(
    503, {"content-type": "text/plain; charset=utf-8", "connection": "close"}, b"Service Unavailable"
)
"""What uvicorn says beyond --limit-concurrency (contract, section 3)."""


_STEP = 0x9E3779B97F4A7C15F39CC0605CEDC835
_MASK = (1 << 128) - 1
_OPEN = OPERATIONS.index("open_session")

SHARED_NODE = (
    "two sessions share the node {node!r}: a worker of a real KATO freezes for good when they observe at the same time,"
    " and their predictions mix\n  cure: give each session a node_id of its own"
)
"""Contract, section 5."""


def ignore(what: str) -> None:
    """Tell nobody."""


class Handler(Protocol):
    """The embedded KATO: one request in, its answer and what it committed out.

    `snapshot` and `restore` are the stored session as a worker loads it and as it writes it back. `redis_wait` is how
    long a request waits (s) before anything happens to it, while its worker serves others.
    """

    def handle(self, request: Request, /) -> Answer: ...

    def redis_wait(self, request: Request, /) -> float: ...

    def snapshot(self, session_id: str, /) -> object: ...

    def restore(self, session_id: str, snapshot: object, /) -> None: ...

    def stm_lengths(self) -> dict[str, int]: ...

    def set_store(self, store: str, mode: str, slow: float, /) -> None: ...


def embedded_witnesses(
    timers: Timers,
    arrivals: Sequence[Recorder],
    profile: Profile,
    seed: int = 0,
    kato: Handler | None = None,
    warn: Callable[[str], None] = ignore,
    release: str = contracts.LATEST,
) -> tuple[Witness, ...]:
    """A witness an instance (one for each of `arrivals`), all with the same sessions, as those in one Redis are.

    Answers come from the embedded KATO, or from `kato`; `warn` gets words for its user.
    """
    if kato is None:
        from harness.twin.kato import Kato

        identifiers = Identifiers(seed, "identifiers")
        kato = Kato(identifiers=identifiers, settings=server_settings(profile), release=release)
    common = Common()
    witnesses = tuple(Witness(timers, recorder, number, common) for number, recorder in enumerate(arrivals))
    shared = len(witnesses) > 1
    for witness in witnesses:
        witness.backend = Embedded(witness, kato, profile, seed + witness.instance, warn, shared)
    return witnesses


def server_settings(profile: Profile) -> dict[str, str]:
    """The environment of a KATO that is served as the profile says; its /concurrency tells of it."""
    settings = {**profile.env, "UVICORN_WORKERS": str(max(1, profile.workers))}
    if profile.connection_limit:
        settings["UVICORN_LIMIT_CONCURRENCY"] = str(profile.connection_limit)
    return settings


class Embedded:
    """Answers from `kato`, each request after the service time that the profile gives it."""

    def __init__(
        self,
        witness: Witness,
        kato: Handler,
        profile: Profile,
        seed: int = 0,
        warn: Callable[[str], None] = ignore,
        shared: bool = False,
    ) -> None:
        """`shared`: other instances write the same sessions."""
        self._witness = witness
        self._warn = warn
        self._owners: dict[str, str] = {}
        self._shared_nodes: set[str] = set()
        self._kato = kato
        self._hangs_up = profile.hangs_up
        self._shared = shared or profile.workers > 1
        self._timed = profile.service is not None
        self._census = Census(max(1, profile.workers))
        self._hung: list[Exchange] = []
        self._aside: dict[Connection, tuple[Exchange, Timer | None]] = {}
        self._traces = Identifiers(seed, "traces")
        self._pool = make_pool(profile, witness.timers, seed, self)
        self.cost = self._census.cost
        self.opened = self._pool.opened
        witness.keep_alive_ns = round(profile.keep_alive_s * 1e9)

    def new_parser(self, connection: Connection, budget: BodyBudget) -> RequestParser:
        return RequestParser(budget, connection.send_continue)

    def closed(self, connection: Connection) -> None:
        self._pool.closed(connection)
        aside = self._aside.pop(connection, None)
        if aside is not None:
            exchange, timer = aside
            if timer is not None:
                timer.cancel()
            connection.forget(exchange)

    def submit(self, exchange: Exchange) -> None:
        wait = self._kato.redis_wait(exchange.request)
        if wait:
            self._put_aside(exchange, wait)
        else:
            self._pool.submit(exchange)

    def drop(self) -> list[Exchange]:
        hung, self._hung = self._hung, []
        return [*hung, *self._pool.drop()]

    def set_store(self, store: str, mode: str, slow: float) -> None:
        """A store fails or recovers; what hung for one of them is tried again."""
        self._kato.set_store(store, mode, slow)
        waiting = [(connection, exchange) for connection, (exchange, timer) in self._aside.items() if timer is None]
        for connection, exchange in waiting:
            del self._aside[connection]
            self.submit(exchange)
        hung, self._hung = self._hung, []
        for exchange in hung:
            self._handle(exchange)
        if not self._hung:
            self._pool.thaw()

    def stats(self) -> dict[str, Any]:
        return {"hung": len(self._hung) + len(self._aside), "shared_nodes": len(self._shared_nodes)}

    async def stm_lengths(self) -> dict[str, int]:
        return self._kato.stm_lengths()

    async def clear_up(self) -> tuple[int, list[str]]:
        return 0, []  # this KATO ends with the run

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
        return self._handle(exchange)

    def refuse(self, exchange: Exchange) -> None:
        self._witness.answered(exchange, OVERLOADED)

    def gone(self, exchange: Exchange) -> bool:
        # Starlette finds a body's client gone; what has no body is carried out for nobody (as measured)
        if exchange.connection.alive or not exchange.request.body:
            return False
        exchange.connection.forget(exchange)
        return True

    def _handle(self, exchange: Exchange) -> float:
        if self._kato.redis_wait(exchange.request) == math.inf:
            self._put_aside(exchange, math.inf)
            return 0.0
        answer = self._kato.handle(exchange.request)
        if answer.delay == math.inf:
            self._hung.append(exchange)
        else:
            self._answer(exchange, answer)
        return answer.delay

    def _put_aside(self, exchange: Exchange, wait: float) -> None:
        connection = exchange.connection
        if not connection.alive:
            connection.forget(exchange)
            return
        timer = None
        if wait < math.inf:
            timers = self._witness.timers
            timer = timers.call_at(timers.now_ns() + round(wait * 1e9), lambda: self._waited(connection))
        self._aside[connection] = exchange, timer

    def _waited(self, connection: Connection) -> None:
        exchange, _ = self._aside.pop(connection)
        self._pool.submit(exchange)

    def _answer(self, exchange: Exchange, answer: Answer) -> None:
        if answer.session_id:
            exchange.session = answer.session_id
        exchange.node_id = answer.node_id
        exchange.futures = answer.futures
        if exchange.op == _OPEN and answer.session_id:
            self._note_owner(answer.node_id, answer.session_id)
        if self._timed:
            self._census.note(exchange, answer)
        crashed = answer.status == 500
        if not crashed:
            trace = exchange.request.headers.get("x-trace-id")
            answer.headers = {**answer.headers, "x-trace-id": f"kato-{self._traces()}" if trace is None else trace}
        self._witness.answered(exchange, answer, answer.committed, answer.delay, crashed and self._hangs_up)

    def _note_owner(self, node: str, session: str) -> None:
        if self._owners.setdefault(node, session) == session or node in self._shared_nodes:
            return
        if not self._shared_nodes:
            self._warn(SHARED_NODE.format(node=node))
        self._shared_nodes.add(node)


class Identifiers:
    """32 hexadecimal digits at each call, equal for equal seeds and streams; none comes twice."""

    def __init__(self, seed: int, stream: str) -> None:
        draws = Stream(seed, stream)
        self._latest = draws.word(0) << 64 | draws.word(1)

    def __call__(self) -> str:
        # An odd step visits every 128-bit number before the first one comes again.
        self._latest = (self._latest + _STEP) & _MASK
        return f"{self._latest:032x}"
