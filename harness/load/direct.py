"""Performs the calls of an integration that takes them prepared: the fast path of capacity runs.

What is alike in a session's calls (the head of the request, the head of the record) is made with its first call of an
operation, which goes the common way; so does every call that isn't answered as usual.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

from harness.data import fingerprint
from harness.load.book import Job
from harness.load.caller import Caller, invoke
from harness.load.frame import Frame
from harness.load.outcomes import shape

MOST_FINGERPRINTS = 4096
"""Observations whose fingerprint is remembered; one that is seen the first time costs as much as its call."""


@runtime_checkable
class Direct(Protocol):
    """An integration that records its attempts by itself."""

    encode: Callable[[Any], bytes]

    def head(self, op: str, session_id: str, headers: Mapping[str, str]) -> bytes:
        """What the requests of an operation of a session begin with."""
        ...

    def direct(self, op: str, head: bytes, body: bytes, call: int, start_ns: int) -> tuple[bytes, int]:
        """A call's one attempt: the head of its record, empty where it is recorded, and the time of the headers."""
        ...


class DirectCaller(Caller):
    """`Caller` for a `Direct` integration."""

    def __init__(self, integration: Any, *parts: Any) -> None:
        super().__init__(integration, *parts)
        self._direct: Direct = integration
        self._fingerprints: dict[bytes, int] = {}

    def perform(self, job: Job) -> int:
        """Run one job to its end and record it; the end time (ns)."""
        call, _, number, op = job.planned
        session = self._sessions.get(number % self._slots)
        prepared = session.prepared.get(op) if session is not None and session.number == number else None
        if prepared is None:
            return super().perform(job)
        head, call_head, session_id, shape_of = prepared
        body = self._observed(job) if op == "observe" else b""
        start_ns = job.start_ns = time.monotonic_ns()
        try:
            attempt_head, headers_ns = invoke(self._direct.direct, (op, head, body, call, start_ns))
        except BaseException as error:  # noqa: BLE001 - whatever the client raises is the call's outcome
            return self._failed(job, Frame(call), error)
        end_ns = time.monotonic_ns()
        if attempt_head:
            self._recorder.served(
                attempt_head, call_head, call, op, job.intended_ns, job.ready_ns, start_ns, headers_ns, end_ns,
                job.content, self._book.alive(job),
            )  # fmt: skip
        else:
            self._record(job, end_ns, "ok", session_id=session_id, shape=shape_of)
        return end_ns

    def _observed(self, job: Job) -> bytes:
        """The body of an observe, and its fingerprint for the record."""
        observation = self._plan.observation(job.planned.call)
        body = self._direct.encode(observation)
        content = self._fingerprints.get(body)
        if content is None:
            content = fingerprint(observation)
            if len(self._fingerprints) < MOST_FINGERPRINTS:
                self._fingerprints[body] = content
        job.content = content
        return body

    def _ended(self, job: Job, frame: Frame, result: Any, session_id: str) -> int:
        end_ns = super()._ended(job, frame, result, session_id)
        planned = job.planned
        if planned.op != "open_session":
            head = self._direct.head(planned.op, session_id, self._headers_of(planned))
            texts = (session_id, *self._named(planned), shape(result))
            call_head = self._recorder.call_head(planned.op, *texts)
            self._session(planned).prepared[planned.op] = head, call_head, session_id, texts[-1]
        return end_ns
