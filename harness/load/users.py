"""A closed user: it calls, thinks and calls again (standard library only)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from harness.load.book import Book, Job
from harness.model import PlannedCall
from harness.plan import Turn


@dataclass(frozen=True, slots=True)
class Life:
    """What a user does: its endless calls (`Plan.user_calls`), the first thought of at `start_ns`.

    None begins from `end_ns` on, or once `stopped`. `wait_until` returns at a time (ns), or when stopped.
    """

    calls: Iterator[Turn]
    start_ns: int
    end_ns: int
    stopped: Callable[[], bool]
    wait_until: Callable[[int], None]


class Performer(Protocol):
    """What of a caller a user needs."""

    def perform(self, job: Job) -> int:
        """Run one job to its end and record it; the end time (ns)."""
        ...


class User:
    """One user, in a thread or greenlet of its own."""

    def __init__(self, life: Life, caller: Performer, book: Book) -> None:
        self._life = life
        self._perform = caller.perform
        self._book = book
        self._ended_ns = life.start_ns
        self._upcoming = next(life.calls)

    def live(self) -> None:
        """All its calls."""
        while self._thought():
            self._call(self._offered())

    def _thought(self) -> bool:
        """Think before the upcoming call; whether there is still time for it."""
        _, _, _, think_ns, _ = self._upcoming
        due_ns = self._ended_ns + think_ns
        self._life.wait_until(due_ns)
        return due_ns < self._life.end_ns and not self._life.stopped()

    def _offered(self) -> Job:
        """The job of the upcoming call, which has been thought of."""
        call, session, op, think_ns, choice = self._upcoming
        job, _ = self._book.offer(PlannedCall(call, 0, session, op), self._ended_ns + think_ns)
        if job is None:
            raise AssertionError("a closed user has one call at a time")
        job.choice = choice
        return job

    def _call(self, job: Job) -> None:
        self._end(job, self._perform(job))

    def _end(self, job: Job, end_ns: int) -> None:
        self._ended_ns = end_ns
        self._book.done(job, end_ns)
        self._upcoming = next(self._life.calls)
