"""The backend that forwards to a real KATO and keeps the evidence that an embedded one gives by itself."""

from __future__ import annotations

import asyncio
import json
from array import array
from typing import Any, cast

from harness.errors import UsageError
from harness.model import OPERATIONS
from harness.twin import sequence
from harness.twin.connection import Connection
from harness.twin.effects import PlainReply, cut
from harness.twin.exchange import Arrivals, Exchange
from harness.twin.forward.foretold import futures_in
from harness.twin.forward.link import Link
from harness.twin.forward.oracle import CommitOracle
from harness.twin.forward.read_back import read_stm_length
from harness.twin.forward.request import ForwardParser, ForwardRequest
from harness.twin.forward.sessions import Sessions
from harness.twin.forward.stream import Chunked
from harness.twin.forward.target import Target
from harness.twin.http import BodyBudget, RequestParser, encode_head
from harness.twin.steps import Close, Fate, Reset, Send, Source, Timers
from harness.twin.witness import Witness

QUIET_NS = 1_000_000_000
"""A session with an unacknowledged observe is read back when it was quiet for so long."""

SWEEP_NS = 500_000_000
FINISH_S = 3.0
ADDED_KEPT = 8192

_OPEN, _OBSERVE, _PREDICT, _LEARN = (OPERATIONS.index(word) for word in ("open_session", "observe", "predict", "learn"))
_COMMITTING = (_OPEN, _OBSERVE, _LEARN)


def forwarding_witness(timers: Timers, arrivals: Arrivals, target: Target) -> Witness:
    """A witness whose answers come from `target`."""
    oracle = CommitOracle(arrivals, timers.now_ns, lambda exchange: witness.next_commit(exchange))
    witness = Witness(timers, oracle)
    witness.backend = Forwarder(witness, target, oracle)
    return witness


class Forwarder:
    """One link to the target for each client connection. `oracle` writes the arrivals."""

    def __init__(self, witness: Witness, target: Target, oracle: CommitOracle) -> None:
        self.target = target
        self.now_ns = witness.timers.now_ns
        self._witness = witness
        self._oracle = oracle
        self._sessions = Sessions(target)
        self._links: dict[Connection, Link] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._reading: set[str] = set()
        self._added_ns = array("q")
        self._forwarded = 0
        self._sweep()

    def new_parser(self, connection: Connection, budget: BodyBudget) -> RequestParser:
        return ForwardParser(budget, connection.send_continue, connection.hold, connection.release)

    def opened(self, connection: Connection) -> None:
        pass

    def closed(self, connection: Connection) -> None:
        link = self._links.pop(connection, None)
        if link is None:
            return
        exchange = link.exchange
        link.abort()
        if exchange is not None:
            self._lost(exchange)
            connection.finish(exchange, cut("reset"))

    def submit(self, exchange: Exchange) -> None:
        connection = exchange.connection
        if not connection.alive:
            connection.finish(exchange, cut("close"))
            return
        if exchange.op == _OBSERVE:
            self._oracle.begun(exchange.session)
        link = self._links.get(connection)
        if link is None:
            link = self._links[connection] = Link(self)
            self._spawn(link.connect())
        link.send(exchange)

    def drop(self) -> list[Exchange]:
        return []  # closing the connections, which follows, ends what is in progress

    def set_store(self, store: str, mode: str, slow: float) -> None:
        raise UsageError(
            f"the stores of a KATO at a URL are not ours: {store}", "give their proxies in topology.stores"
        )

    def replied(self, exchange: Exchange, reply: PlainReply, sent_ns: int) -> None:
        upstream_ns = self.now_ns() - sent_ns
        committed = reply.status < 300 and exchange.op in _COMMITTING
        self._note(exchange, reply)
        self._witness.answered(exchange, reply, committed)
        if exchange.reply_ns and not exchange.fault:
            self._add(exchange.reply_ns - exchange.arrive_ns - upstream_ns)

    def streaming(self, exchange: Exchange, reply: PlainReply, rest: Source) -> None:
        self._note(exchange, reply)
        if "content-length" not in reply.headers:
            headers = {**reply.headers, "transfer-encoding": "chunked"}
            reply = PlainReply(reply.status, headers, reply.body)
            rest = Chunked(rest)
        self._witness.streamed(exchange, reply, rest, reply.status < 300 and exchange.op in _COMMITTING)

    def broken(self, exchange: Exchange, reply: PlainReply | None, reset: bool) -> None:
        self._links.pop(exchange.connection, None)
        self._lost(exchange)
        end = Reset() if reset else Close()
        if reply is None:
            fate = Fate(0, (end,), whole=False)
        else:
            head = encode_head(reply.status, reply.headers, len(reply.body))
            fate = Fate(reply.status, (Send(head + reply.body), end), whole=False)
        exchange.connection.finish(exchange, fate)

    def idle_end(self, link: Link) -> None:
        for connection, own in tuple(self._links.items()):
            if own is link:
                del self._links[connection]
                connection.hang_up()

    def stats(self) -> dict[str, Any]:
        """Median and 99th percentile (ms) of what forwarding added to the latest undisturbed replies."""
        latest = sorted(self._added_ns)
        if not latest:
            return {"added_ms": None}
        at = {"p50": len(latest) // 2, "p99": len(latest) * 99 // 100}
        return {"added_ms": {name: latest[index] / 1e6 for name, index in at.items()}}

    async def stm_lengths(self) -> dict[str, int]:
        """As far as KATO tells them in time."""
        return await self._sessions.lengths()

    async def clear_up(self) -> tuple[int, list[str]]:
        """Delete the sessions that were opened through here."""
        return await self._sessions.remove()

    async def finish(self) -> None:
        """Read back what is still open, for at most FINISH_S, and write everything down."""
        waiting = [self._read_back(*item) for item in self._oracle.waiting(0)]
        if waiting:
            await asyncio.wait([asyncio.ensure_future(one) for one in waiting], timeout=FINISH_S)
        self._oracle.close()

    def _add(self, added_ns: int) -> None:
        if len(self._added_ns) < ADDED_KEPT:
            self._added_ns.append(added_ns)
        else:
            self._added_ns[self._forwarded % ADDED_KEPT] = added_ns
        self._forwarded += 1

    def _lost(self, exchange: Exchange) -> None:
        if exchange.op == _OBSERVE:
            self._oracle.lost(exchange)

    def _note(self, exchange: Exchange, reply: PlainReply) -> None:
        """What the reply says about its session goes to the exchange and to the oracle."""
        oracle, session = self._oracle, exchange.session
        if reply.status < 300 and exchange.request.method == "DELETE":
            self._sessions.forget(session)
        if exchange.op == _OBSERVE:
            said = _said(reply)
            exchange.node_id = str(said.get("processor_id") or "")
            counters = sequence.counters_in(said) if reply.status < 300 else None
            if counters is not None:
                oracle.acknowledged(session, *counters)
            elif reply.status >= 500:
                oracle.lost(exchange)
            else:
                oracle.refused(session)
        elif exchange.op == _OPEN and reply.status < 300:
            said = _said(reply)
            exchange.session = str(said.get("session_id") or "")
            exchange.node_id = str(said.get("node_id") or "")
            oracle.opened(exchange.session)
            self._sessions.opened(exchange.session, cast(ForwardRequest, exchange.request).raw_headers)
        elif exchange.op == _PREDICT and reply.status < 300:
            exchange.futures = futures_in(reply.body)
        elif exchange.op == _LEARN and reply.status < 300:
            oracle.learnt(session)
        elif reply.status < 300 and exchange.request.path.endswith(("/clear-stm", "/clear-all")):
            oracle.cleared(session)

    def _sweep(self) -> None:
        for session, exchange in self._oracle.waiting(QUIET_NS):
            if session not in self._reading:
                self._spawn(self._read_back(session, exchange))
        self._witness.timers.call_at(self.now_ns() + SWEEP_NS, self._sweep)

    async def _read_back(self, session: str, exchange: Exchange) -> None:
        self._reading.add(session)
        length = await read_stm_length(self.target, session, cast(ForwardRequest, exchange.request))
        self._reading.discard(session)
        self._oracle.read_back(session, length)

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _said(reply: PlainReply) -> dict[str, Any]:
    try:
        said = json.loads(reply.body)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
