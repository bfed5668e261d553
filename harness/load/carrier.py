"""Calls that the hub carries from one answer to the next request, while all is well (standard library only).

That spares two switches of greenlets a call, and where a closed user doesn't think, all that a job of its own costs. A
greenlet does what is not as usual.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from harness.load.book import Book, Job
from harness.load.exchange import Exchange, Hub
from harness.load.recorder import Recorder, both_rows
from harness.plan import Turn

Payload = tuple[bytes, int]
"""What a request ends with, and the fingerprint of what it observes."""


class Owner(Protocol):
    """Whose call it is; its `turns` are the calls to come, of which none begins from `over_ns` on or once `stopped`."""

    turns: Iterator[Turn]
    over_ns: int

    def stopped(self) -> bool:
        """Whether no more load is offered."""
        ...

    def ended(self, job: Job, end_ns: int, upcoming: Turn) -> None:
        """A call was answered and is recorded; what is upcoming doesn't follow at once."""
        ...

    def rest(self, job: Job | Exception) -> None:
        """A greenlet has to perform this job, or the rest of it; or to raise this, which the hub would only print."""
        ...


class Preparer(Protocol):
    """What of a caller a carrier needs."""

    payloads: dict[Any, Payload]
    nothing: Payload

    def prepared(self, job: Job) -> Any:
        """What is alike in the calls of a job's operation and session; None before the first of them was answered."""
        ...

    def payload(self, choice: Any) -> Payload:
        """The payload that a choice tells, where `payloads` doesn't hold it."""
        ...

    def request(self, job: Job) -> bytes:
        """The request of a prepared job."""
        ...


class Carrier:
    """Carries the calls of one caller; `hub` is set once it is there."""

    hub: Hub

    def __init__(self, caller: Preparer, book: Book, recorder: Recorder) -> None:
        self._caller = caller
        self._book = book
        self._recorder = recorder

    def begin(self, job: Job, owner: Owner) -> bool:
        """Have the hub carry a job; False, and nothing was done, where a greenlet has to perform it."""
        if self._caller.prepared(job) is None:
            return False
        request, now_ns = self._caller.request(job), time.monotonic_ns()
        exchange = self.hub.begin(job.op, now_ns)
        if exchange is None:
            return False
        job.start_ns, job.begun = now_ns, exchange
        exchange.job, exchange.owner, exchange.request = job, owner, request
        self.hub.put(exchange)
        return True

    def unusual(self, exchange: Exchange) -> None:
        """A greenlet finishes what wasn't answered as usual."""
        exchange.owner.rest(exchange.job)

    def answered(self, exchanges: Sequence[Exchange]) -> None:
        """Record calls that were answered as usual, and begin those that follow at once.

        All in one frame: it runs 100,000 times a second, where a function of ours that it called would cost a tenth.
        """
        if self._book.given_up:
            self._late(exchanges)
            return
        append, served_ms, hub, caller = self._recorder.append, self._recorder.served_ms, self.hub, self._caller
        put, known, payload, nothing = hub.put, caller.payloads.get, caller.payload, caller.nothing
        stopped, begun = exchanges[0].owner.stopped(), 0  # the same for all: no greenlet runs between
        for exchange in exchanges:
            job, owner, start_ns, end_ns = exchange.job, exchange.owner, exchange.start_ns, exchange.end_ns
            prepared, call, intended_ns = job.prepared, job.call, job.intended_ns
            append(both_rows(
                exchange.row, call, start_ns, exchange.started_ns, end_ns, 0,
                prepared.call_head, call, intended_ns, job.ready_ns, start_ns, end_ns, job.content,
            ))  # fmt: skip
            served_ms[prepared.op].append((end_ns - intended_ns) // 1_000_000)
            try:
                upcoming = call, session, op, think_ns, choice = next(owner.turns)
                if think_ns or stopped or end_ns >= owner.over_ns:
                    hub.free(exchange)
                    owner.ended(job, end_ns, upcoming)
                    continue
                # the next call takes the job over: its place in the book stays, and its chain is this user's own
                job.call = call
                job.intended_ns = job.ready_ns = job.start_ns = end_ns
                if session != prepared.number or op != prepared.op:
                    job.session, job.op, job.choice, job.content = session, op, choice, 0
                    prepared = caller.prepared(job)
                    if prepared is None:
                        hub.free(exchange)
                        job.begun = None
                        owner.rest(job)
                        continue
                    hub.becomes(exchange, op)
                tail, job.content = (known(choice) or payload(choice)) if op == "observe" else nothing
                exchange.request = b"%b%d%b" % (prepared.head, call, tail)
                put(exchange)
                begun += 1
            except Exception as error:  # noqa: BLE001 - raised again by the greenlet
                owner.rest(error)
        self._book.issued += begun

    def _late(self, exchanges: Sequence[Exchange]) -> None:
        """The drain has given these calls up, and recorded them: their attempts alone are told."""
        for exchange in exchanges:
            job, owner, start_ns, end_ns = exchange.job, exchange.owner, exchange.start_ns, exchange.end_ns
            self._recorder.served(
                exchange.row, job.prepared.call_head, job.call, job.op, job.intended_ns, job.ready_ns, start_ns,
                exchange.started_ns, end_ns, job.content, False,
            )  # fmt: skip
            self.hub.free(exchange)
            owner.ended(job, end_ns, next(owner.turns))
