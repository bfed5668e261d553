"""The arrival clock over threads; under gevent's patch the threads are greenlets (standard library only).

Open model: calls start at absolute times on the monotonic clock, whatever became of earlier ones. Closed model: each
user calls, thinks and calls again.
"""

from __future__ import annotations

import heapq
import queue
import threading
from collections.abc import Iterator

from harness.clock import Clock
from harness.load.book import Book, Job
from harness.load.caller import Caller
from harness.load.native import native
from harness.load.users import Life
from harness.model import PlannedCall
from harness.plan import Plan

MAX_THREADS = 512
"""Calls running at once in one process of real threads; more wait for a free slot (queueing, not dispatch delay)."""
POLL_NS = 5_000_000


def planned_calls(plan: Plan, opens: bool, worker: int, workers: int) -> Iterator[PlannedCall]:
    """One worker's calls in order of time, with the openings of its sessions where the client opens any."""
    if not opens or plan.load.strategy == "per_call":
        return plan.calls(worker, workers)
    openings, calls = plan.openings(worker, workers), plan.calls(worker, workers)
    return heapq.merge(openings, calls, key=lambda planned: planned.offset_ns)


class Driver:
    """Drives one plan's share through one caller. `stop` ends the offering of load at once."""

    def __init__(self, plan: Plan, caller: Caller, book: Book, clock: Clock, max_threads: int = MAX_THREADS) -> None:
        self._plan = plan
        self._caller = caller
        self._book = book
        self._clock = clock
        self._max = max_threads
        self._jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        # nothing under it switches greenlets; gevent's semaphore cost a quarter of the whole dispatch
        self._counting = native("_thread", "allocate_lock")()
        self._idle = 0
        self._threads = 0
        self.stop = threading.Event()

    def drive(self, start_ns: int, drain_for_ns: int, worker: int = 0, workers: int = 1) -> None:
        """Offer the plan from `start_ns` on, wait at most `drain_for_ns` for what is in flight, cancel the rest."""
        end_ns = start_ns + self._plan.load.for_ns
        if self._plan.load.users:
            self._closed(start_ns, end_ns, worker, workers)
        else:
            self._open(start_ns, worker, workers)
            if not self.stop.is_set():
                self._wait_until(end_ns)
        give_up_ns = self._clock.now_ns() + drain_for_ns
        while self._book.in_flight and self._clock.now_ns() < give_up_ns:
            self._clock.sleep_until_ns(self._clock.now_ns() + POLL_NS)
        now_ns = self._clock.now_ns()
        for job in self._book.give_up():
            self._caller.cancel(job, now_ns)

    def _wait_until(self, due_ns: int) -> None:
        while (now_ns := self._clock.now_ns()) < due_ns and not self.stop.is_set():
            self._clock.sleep_until_ns(min(due_ns, now_ns + 50 * POLL_NS))

    def _open(self, start_ns: int, worker: int, workers: int) -> None:
        start = self._caller.arrivals(self._submit)
        for planned in planned_calls(self._plan, self._caller.opens, worker, workers):
            due_ns = start_ns + planned.offset_ns
            self._wait_until(due_ns)
            if self.stop.is_set():
                return
            job, overflow = self._book.offer(planned, due_ns)
            if overflow:
                self._caller.overflow(planned, due_ns, self._clock.now_ns())
            elif job is not None:
                start(job)

    def _submit(self, job: Job) -> None:
        with self._counting:
            grows = not self._idle and self._threads < self._max
            if grows:
                self._threads += 1
            elif self._idle:
                self._idle -= 1
        if grows:
            threading.Thread(target=self._work, daemon=True).start()
        self._jobs.put(job)

    def _work(self) -> None:
        free_ns = 0
        while True:
            job: Job | None = self._jobs.get()
            while job is not None:
                if not job.start_ns:
                    # one that found every thread busy was ready when this one became free; waking it up is our delay
                    job.ready_ns = max(job.ready_ns, free_ns)
                free_ns = self._caller.perform(job)
                job = self._book.done(job, free_ns)
            with self._counting:
                self._idle += 1

    def _closed(self, start_ns: int, end_ns: int, worker: int, workers: int) -> None:
        users = [
            threading.Thread(target=self._user, args=(user, start_ns, end_ns), daemon=True)
            for user in range(worker, self._plan.load.users, workers)
        ]
        for thread in users:
            thread.start()
        self._wait_until(end_ns)

    def _user(self, user: int, start_ns: int, end_ns: int) -> None:
        calls = self._plan.user_calls(user)
        self._caller.user(Life(calls, start_ns, end_ns, self.stop.is_set, self._wait_until)).live()
