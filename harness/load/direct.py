"""Performs the calls of an integration that takes them prepared: the fast path of capacity runs.

What is alike in a session's calls (the head of the request, the head of the record) is made with its first call of an
operation, which goes the common way; so does every call that isn't answered as usual.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from harness.data import fingerprint
from harness.load.book import Job
from harness.load.caller import Caller, invoke
from harness.load.carrier import Carrier, Payload
from harness.load.direct_arrivals import DirectArrivals
from harness.load.direct_users import DirectUser
from harness.load.exchange import Direct
from harness.load.frame import Frame
from harness.load.outcomes import shape
from harness.load.users import Life, User

MOST_PAYLOADS = 4096
"""Observations that are remembered as written, with their fingerprint; to make one costs as much as its call."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is alike in the calls of an operation of a session, by its `number`: the head of the request, that of the
    call's record, the session's id and the answer's shape."""

    number: int
    op: str
    head: bytes
    call_head: bytes
    session_id: str
    shape: str


class DirectCaller(Caller):
    """`Caller` for a `Direct` integration."""

    def __init__(self, integration: Any, *parts: Any) -> None:
        super().__init__(integration, *parts)
        self._direct: Direct = integration
        self.nothing: Payload = integration.tail(None), 0
        """The payload of a call that observes nothing."""
        self.payloads: dict[Any, Payload] = {}
        """Those that are remembered, by the plan's choice."""
        carrier = Carrier(self, self._book, self._recorder)
        hub = self._direct.hub(carrier.answered, carrier.unusual)
        if hub is not None:
            carrier.hub = hub
        self._carrier = None if hub is None else carrier

    def user(self, life: Life) -> User:
        """A closed user, whose calls the hub carries where there is one."""
        carrier = self._carrier
        return super().user(life) if carrier is None else DirectUser(life, self, self._book, carrier)

    def arrivals(self, submit: Callable[[Job], None]) -> Callable[[Job], None]:
        """What starts a job of the open model: the hub, where there is one and while all is well."""
        carrier = self._carrier
        return submit if carrier is None else DirectArrivals(carrier, self._book, submit).start

    def perform(self, job: Job) -> int:
        """Run one job, or the rest of what the hub began of it, to its end and record it; the end time (ns)."""
        if job.begun is not None:
            job.start_ns = job.begun.start_ns
            return self._finished(job, functools.partial(self._direct.finish, job.begun, job.op, job.call))
        if self.prepared(job) is None:
            return super().perform(job)
        request = self.request(job)
        job.start_ns = time.monotonic_ns()
        return self._finished(job, functools.partial(self._direct.direct, job.op, request, job.call, job.start_ns))

    def _finished(self, job: Job, finish: Callable[[], tuple[bytes, int]]) -> int:
        """Run a job's attempt to its end and record the call; the end time (ns)."""
        try:
            attempt_head, headers_ns = invoke(finish, ())
        except BaseException as error:  # noqa: BLE001 - whatever the client raises is the call's outcome
            return self._failed(job, Frame(job.call), error)
        end_ns = time.monotonic_ns()
        if attempt_head:
            self._recorder.served(
                attempt_head, job.prepared.call_head, job.call, job.op, job.intended_ns, job.ready_ns, job.start_ns,
                headers_ns, end_ns, job.content, self._book.alive(job),
            )  # fmt: skip
            return end_ns
        self._record(job, end_ns, "ok", session_id=job.prepared.session_id, shape=job.prepared.shape)
        return end_ns

    def prepared(self, job: Job) -> Prepared | None:
        """What is alike in the calls of a job's operation and session; None before the first of them was answered."""
        session = self._sessions.get(job.session % self._slots)
        found: Prepared | None = None
        if session is not None and session.number == job.session:
            found = session.prepared.get(job.op)
        job.prepared = found
        return found

    def request(self, job: Job) -> bytes:
        """The request of a prepared job."""
        tail, job.content = self.nothing
        if job.op == "observe":
            choice = self._plan.choice(job.call) if job.choice is None else job.choice
            tail, job.content = self.payloads.get(choice) or self.payload(choice)
        return b"%b%d%b" % (job.prepared.head, job.call, tail)

    def payload(self, choice: Any) -> Payload:
        """The payload that a choice tells, where `payloads` doesn't hold it."""
        observation = self._plan.chosen(choice)
        made = self._direct.tail(observation), fingerprint(observation)
        if len(self.payloads) < MOST_PAYLOADS:
            self.payloads[choice] = made
        return made

    def _ended(self, job: Job, frame: Frame, result: Any, session_id: str) -> int:
        end_ns = super()._ended(job, frame, result, session_id)
        if job.op != "open_session":
            head = self._direct.head(job.op, session_id, self._headers_of(job))
            texts = (session_id, *self._named(job), shape(result))
            call_head = self._recorder.call_head(job.op, *texts)
            prepared = Prepared(job.session, job.op, head, call_head, session_id, texts[-1])
            self._session(job).prepared[job.op] = prepared
        return end_ns
