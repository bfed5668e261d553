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
from harness.load.direct_users import DirectUser
from harness.load.exchange import Direct, Exchange
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
        self._nothing: bytes = integration.tail(None)
        self._payloads: dict[Any, tuple[bytes, int]] = {}

    def user(self, life: Life) -> User:
        """A closed user, whose calls the hub carries where there is one."""
        hub = self._direct.in_hub
        return DirectUser(life, self, self._book, self._recorder, self._direct) if hub else super().user(life)

    def perform(self, job: Job) -> int:
        """Run one job to its end and record it; the end time (ns)."""
        tail = self.tail(job)
        if tail is None:
            return super().perform(job)
        call, _, _, op = job.planned
        start_ns = job.start_ns = time.monotonic_ns()
        return self._finished(job, functools.partial(self._direct.direct, op, job.prepared.head, tail, call, start_ns))

    def finish(self, job: Job, begun: Exchange) -> int:
        """Finish a job that was begun and record it; the end time (ns)."""
        call, _, _, op = job.planned
        job.start_ns = begun.start_ns
        return self._finished(job, functools.partial(self._direct.finish, begun, op, call))

    def _finished(self, job: Job, finish: Callable[[], tuple[bytes, int]]) -> int:
        """Run a job's attempt to its end and record the call; the end time (ns)."""
        try:
            attempt_head, headers_ns = invoke(finish, ())
        except BaseException as error:  # noqa: BLE001 - whatever the client raises is the call's outcome
            return self._failed(job, Frame(job.planned.call), error)
        end_ns = time.monotonic_ns()
        if attempt_head:
            call, _, _, op = job.planned
            self._recorder.served(
                attempt_head, job.prepared.call_head, call, op, job.intended_ns, job.ready_ns, job.start_ns, headers_ns,
                end_ns, job.content, self._book.alive(job),
            )  # fmt: skip
            return end_ns
        self._record(job, end_ns, "ok", session_id=job.prepared.session_id, shape=job.prepared.shape)
        return end_ns

    def tail(self, job: Job) -> bytes | None:
        """Prepare a job: its request's tail. None before the first call of its session and operation was answered."""
        call, _, number, op = job.planned
        prepared = job.prepared
        if prepared is None or prepared.op != op or prepared.number != number:
            session = self._sessions.get(number % self._slots)
            if session is None or session.number != number:
                return None
            prepared = job.prepared = session.prepared.get(op)
            if prepared is None:
                return None
        if op != "observe":
            return self._nothing
        choice = self._plan.choice(call) if job.choice is None else job.choice
        tail, job.content = self._payloads.get(choice) or self._payload(choice)
        return tail

    def _payload(self, choice: Any) -> tuple[bytes, int]:
        """The tail of a request that observes what was chosen, and the fingerprint."""
        observation = self._plan.chosen(choice)
        made = self._direct.tail(observation), fingerprint(observation)
        if len(self._payloads) < MOST_PAYLOADS:
            self._payloads[choice] = made
        return made

    def _ended(self, job: Job, frame: Frame, result: Any, session_id: str) -> int:
        end_ns = super()._ended(job, frame, result, session_id)
        planned = job.planned
        if planned.op != "open_session":
            head = self._direct.head(planned.op, session_id, self._headers_of(planned))
            texts = (session_id, *self._named(planned), shape(result))
            call_head = self._recorder.call_head(planned.op, *texts)
            prepared = Prepared(planned.session, planned.op, head, call_head, session_id, texts[-1])
            self._session(planned).prepared[planned.op] = prepared
        return end_ns
