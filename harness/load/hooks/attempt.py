"""One try to reach KATO, from the moment the transport is asked to the end of the answer's body."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from harness.load.frame import NOTHING, Frame, working_for
from harness.load.outcomes import classify
from harness.model import ATTEMPT_HEADER
from harness.policy.read_requests import BACKGROUND, Carried


class AttemptRecorder(Protocol):
    """What hooks need of a recorder; words of `model.HOOKS` and `model.ERRORS`, times in ns."""

    def attempt(
        self,
        call: int,
        attempt: int,
        via: str,
        result: str,
        status: int,
        start_ns: int,
        headers_ns: int,
        end_ns: int,
        connection: int,
        reused: bool,
        detail: str = "",
        trace: str = "",
    ) -> None:
        """One finished attempt."""
        ...

    def attempt_head(self, via: str, status: int, port: int) -> bytes:
        """The record of a call's one attempt, answered on a connection that was used before, up to its times."""
        ...


class Watch:
    """Where attempts go: one for the process, so that hooks installed once serve one run after another.

    Requests to the addresses (host, port) in `elsewhere` are no attempts: they go to a registry, not to KATO.
    """

    def __init__(self) -> None:
        self.elsewhere: frozenset[tuple[str, int]] = frozenset()
        self.recorder: AttemptRecorder | None = None
        self.clock_ns: Callable[[], int] = time.monotonic_ns
        self.open: dict[Attempt, None] = {}
        self.carried = Carried()


WATCH = Watch()


class Attempt:
    """An attempt in progress. `end` or `fail` records it once; later ones say nothing.

    `connection` is the local port (0: unknown); `headers` are what the request gets, nothing outside a call; `trace`
    is the traceparent that it had when it was sent.
    """

    __slots__ = ("connection", "done", "frame", "headers_ns", "number", "reused", "start_ns", "status", "trace", "via")

    def __init__(self, via: str, start_ns: int | None = None) -> None:
        self.via = via
        self.frame: Frame | None = working_for()
        self.number = self._next_number()
        self.status = 0
        self.headers_ns = 0
        self.connection = 0
        self.reused = False
        self.trace = ""
        self.done = False
        WATCH.open[self] = None
        self.start_ns = WATCH.clock_ns() if start_ns is None else start_ns

    def _next_number(self) -> int:
        if self.frame is None:
            return 0
        self.frame.attempts += 1
        return self.frame.attempts

    @property
    def headers(self) -> Mapping[str, str]:
        """The attempt header `<call>.<attempt>` and the user's own; nothing for a request that works for no call."""
        frame = self.frame
        if frame is None:
            return NOTHING
        own = {ATTEMPT_HEADER: f"{frame.call}.{self.number}"}
        return {**frame.headers, **own} if frame.headers else own

    @property
    def op(self) -> str:
        """The operation of its call; '' outside any."""
        return "" if self.frame is None else self.frame.op

    def bounded(self, **steps: Any) -> None:
        """The time-outs that the request carries (s), by step."""
        if self.frame is None or self.frame.op:
            WATCH.carried.note(self.op or BACKGROUND, **steps)

    def retried(self, retry: Any) -> None:
        """urllib3's Retry that goes with the request."""
        if self.frame is not None and self.frame.op:
            WATCH.carried.note_retry(self.frame.op, retry)

    def answered(self, status: int) -> None:
        """The status line and headers are here."""
        self.status = status
        self.headers_ns = WATCH.clock_ns()
        self._counts(1)

    def end(self) -> None:
        """The body has been read, or nobody wants the rest of it."""
        if not self.done:
            self._finish("", "")

    def fail(self, error: BaseException, instead: str = "") -> None:
        """The attempt ended in an exception; `instead` overrules the word that the taxonomy has for it."""
        if not self.done:
            self._counts(-1)
            failure = classify(error)
            self._finish(instead or failure.error, failure.detail)

    def _counts(self, change: int) -> None:
        """A 2xx serves its call, also where nobody reads its body, until it turns out to be broken."""
        if self.frame is not None and 200 <= self.status < 300:
            self.frame.served += change

    def cancel(self) -> None:
        """The run gave the attempt up."""
        if not self.done:
            self._finish("cancelled", "given up at the end of the drain")

    def _finish(self, result: str, detail: str) -> None:
        self.done = True
        WATCH.open.pop(self, None)
        self._record(self.number, result, detail)

    def again(self, error: BaseException, failed_ns: int) -> None:
        """The transport failed to connect at `failed_ns` and tries once more by itself, now, when it has waited: the
        failed try is an attempt of its own.

        It takes the next number, since this attempt's is in the request that is still to be sent.
        """
        failure = classify(error)
        self._record(self._next_number(), failure.error, failure.detail, failed_ns)
        self.start_ns = WATCH.clock_ns()

    def _record(self, number: int, result: str, detail: str, end_ns: int = 0) -> None:
        if WATCH.recorder is not None:
            WATCH.recorder.attempt(
                0 if self.frame is None else self.frame.call,
                number,
                self.via,
                result,
                self.status,
                self.start_ns,
                self.headers_ns,
                end_ns or WATCH.clock_ns(),
                self.connection,
                self.reused,
                detail,
                self.trace,
            )
