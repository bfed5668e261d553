"""The book of calls in flight: what may start now, what waits for its session, what was left at the end.

Pure bookkeeping, the same for greenlets, threads and asyncio: `offer` a due call, run the job it gives, tell `done`,
run the job that gives. A session's calls run one after another, as its user would make them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from harness.load.native import native
from harness.model import PlannedCall

MAX_IN_FLIGHT = 10_000
"""Calls waiting or running at once; one more is recorded as overflow (design, "Whose lag is it?")."""


@dataclass(slots=True)
class Job:
    """A call that was due at `intended_ns` and could start at `ready_ns`; `start_ns` 0 until it does.

    `content`: the fingerprint of what it observes. `key`: the book's, the call that it was offered for. `choice`: the
    plan's, where it was made beforehand. `prepared` and `begun`: the caller's own.
    """

    call: int
    session: int
    op: str
    intended_ns: int
    ready_ns: int
    start_ns: int = 0
    content: int = 0
    key: int = 0
    choice: Any = None
    prepared: Any = None
    begun: Any = None

    @staticmethod
    def of(planned: PlannedCall, intended_ns: int, ready_ns: int, **more: int) -> Job:
        """The job of a planned call."""
        return Job(planned.call, planned.session, planned.op, intended_ns, ready_ns, **more)


@dataclass(slots=True)
class _Chain:
    busy: bool = False
    last_end_ns: int = 0
    waiting: deque[Job] = field(default_factory=deque)


class Book:
    """Calls in flight by chain; `chains` slots, or 0 for calls that never wait for each other."""

    def __init__(self, chains: int, limit: int = MAX_IN_FLIGHT) -> None:
        self._slots = chains
        self._limit = limit
        self._chains: dict[int, _Chain] = {}
        self._jobs: dict[int, Job] = {}
        self.given_up = False
        """Whether the drain has ended, and no job counts any more."""
        # nothing under it switches greenlets, so gevent's lock, five times as slow, would do no more
        self._lock = native("_thread", "allocate_lock")()
        self.issued = 0

    @property
    def in_flight(self) -> int:
        """Calls offered and not ended."""
        return len(self._jobs)

    def offer(self, planned: PlannedCall, intended_ns: int) -> tuple[Job | None, bool]:
        """The job to start now, or None when it waits for its session; True when it went over the bound instead."""
        with self._lock:
            self.issued += 1
            if len(self._jobs) >= self._limit:
                return None, True
            job = self._jobs[planned.call] = Job.of(planned, intended_ns, intended_ns, key=planned.call)
            chain = self._chain(job)
            if chain.busy:
                chain.waiting.append(job)
                return None, False
            chain.busy = True
            job.ready_ns = max(intended_ns, chain.last_end_ns)
            return job, False

    def done(self, job: Job, end_ns: int) -> Job | None:
        """The session's next job, ready now that `job` ended at `end_ns`."""
        with self._lock:
            self._jobs.pop(job.key, None)
            chain = self._chain(job)
            chain.last_end_ns = end_ns
            if not chain.waiting:
                chain.busy = False
                return None
            following = chain.waiting.popleft()
            following.ready_ns = max(following.intended_ns, end_ns)
            return following

    def aside(self, planned: PlannedCall, job: Job) -> Job:
        """One more call, which `job` turned out to need first; `over` ends it, and the drain gives it up like any."""
        with self._lock:
            self.issued += 1
            needed = self._jobs[planned.call] = Job.of(planned, job.intended_ns, job.ready_ns, key=planned.call)
            return needed

    def over(self, job: Job) -> None:
        """A call that was aside has ended."""
        with self._lock:
            self._jobs.pop(job.key, None)

    def alive(self, job: Job) -> bool:
        """Whether a job counts still."""
        return job.key in self._jobs

    def give_up(self) -> Iterator[Job]:
        """End the drain: every job still in flight, taken out of the book."""
        with self._lock:
            self.given_up = True
            left = list(self._jobs.values())
            self._jobs.clear()
            self._chains.clear()
        return iter(left)

    def _chain(self, job: Job) -> _Chain:
        key = job.session % self._slots if self._slots else -job.key
        chain = self._chains.get(key)
        if chain is None:
            chain = _Chain()
            if self._slots:
                self._chains[key] = chain
        return chain
