"""Closed users whose calls the hub carries from one to the next, while all is well.

Beginning and ending a call in the hub, and thinking there, spares two switches of greenlets each; where the user
doesn't think, also all that a job of its own costs. A user's greenlet does what is not as usual.
"""

from __future__ import annotations

import functools
import queue
import time
from collections.abc import Callable, Generator
from typing import Any, Protocol

from harness.load.book import Book, Job
from harness.load.exchange import Direct, Exchange
from harness.load.recorder import Recorder
from harness.load.users import Life, Performer, User
from harness.plan import Turn

Rest = Callable[[], int]
"""What is left to do of a call; gives its end (ns)."""


class Beginner(Performer, Protocol):
    """What of a caller such a user needs."""

    def tail(self, job: Job) -> bytes | None:
        """Prepare a job: its request's tail; None where it must be performed."""
        ...

    def finish(self, job: Job, begun: Exchange) -> int:
        """Finish a job that was begun and record it; the end time (ns)."""
        ...


class DirectUser(User):
    """One user; what it does in the hub is a generator, which is told of each answer."""

    def __init__(self, life: Life, caller: Beginner, book: Book, recorder: Recorder, direct: Direct) -> None:
        super().__init__(life, caller, book)
        self._caller = caller
        self._served = recorder.served
        self._begin, self._later = direct.begin, direct.later
        self._rest: queue.SimpleQueue[Rest | None] = queue.SimpleQueue()

    def _call(self, job: Job) -> None:
        """Perform the job, and the calls after it."""
        self._job = job
        stretch = self._stretch(job)
        next(stretch)
        stretch.send(stretch.send)
        rest = self._rest.get()
        if rest is not None:
            self._end(self._job, rest())

    def _stretch(self, job: Job) -> Generator[None, Any, None]:
        """The job and the calls that follow, while each is answered as usual; told its own `send` first.

        What is left to do goes to the greenlet, errors included, which the hub would only print.
        """
        turn = yield
        try:
            tail_of, begin, served, holds = self._caller.tail, self._begin, self._served, self._book.holds
            now_ns, stopped, calls, over_ns = time.monotonic_ns, self._life.stopped, self._life.calls, self._life.end_ns
            end_ns = now_ns()
            while True:
                tail = tail_of(job)
                call, _, _, op = job.planned
                job.start_ns = end_ns
                begun = None if tail is None else begin(op, job.prepared.head, tail, call, end_ns, turn)
                if begun is None:
                    rest: Rest | None = functools.partial(self._perform, job)
                    break
                end_ns = yield
                if not end_ns:
                    rest = functools.partial(self._caller.finish, job, begun)
                    break
                held = holds(job.key)
                served(
                    begun.row, job.prepared.call_head, call, op, job.intended_ns, job.ready_ns, begun.start_ns,
                    begun.started_ns, end_ns, job.content, held,
                )  # fmt: skip
                upcoming = next(calls)
                due_ns = end_ns + upcoming[1]
                if due_ns >= over_ns or not held or stopped():
                    self._leave(job, end_ns, upcoming)
                    rest = None
                    break
                if due_ns == end_ns:
                    # the next call takes the job over: its place in the book stays, and its chain is this user's own
                    self._book.issued += 1
                    job.planned, _, job.choice = upcoming
                    job.content = 0
                    job.intended_ns = job.ready_ns = end_ns
                    continue
                self._leave(job, end_ns, upcoming)
                self._later(due_ns, turn)
                end_ns = yield
                if stopped():
                    rest = None
                    break
                job = self._job = self._offered()
        except Exception as error:  # noqa: BLE001 - raised again by the greenlet
            rest = functools.partial(_raise, error)
        self._rest.put(rest)
        yield

    def _leave(self, job: Job, end_ns: int, upcoming: Turn) -> None:
        """A job is done; what comes then is the next to think of."""
        self._ended_ns, self._upcoming = end_ns, upcoming
        self._book.done(job, end_ns)


def _raise(error: BaseException) -> int:
    raise error
