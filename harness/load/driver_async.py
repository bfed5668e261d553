"""The arrival clock over asyncio tasks, for integrations of `async def` methods (standard library only)."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from harness.clock import Clock
from harness.load.book import Book, Job
from harness.load.caller import Caller
from harness.load.driver import planned_calls
from harness.model import PlannedCall
from harness.plan import Plan

POLL_S = 0.005


class AsyncDriver:
    """`Driver` for an event loop; made and driven inside it."""

    def __init__(self, plan: Plan, caller: Caller, book: Book, clock: Clock) -> None:
        self._plan = plan
        self._caller = caller
        self._book = book
        self._clock = clock
        self._tasks: dict[asyncio.Task[None], None] = {}
        self.stop = asyncio.Event()

    async def drive(self, start_ns: int, drain_for_ns: int, worker: int = 0, workers: int = 1) -> None:
        """As `Driver.drive`; tasks that the drain gives up are cancelled."""
        end_ns = start_ns + self._plan.load.for_ns
        if self._plan.load.users:
            for user in range(worker, self._plan.load.users, workers):
                self._spawn(self._user(user, start_ns, end_ns))
        else:
            await self._open(start_ns, worker, workers)
        await self._wait_until(end_ns)
        give_up_ns = self._clock.now_ns() + drain_for_ns
        while self._book.in_flight and self._clock.now_ns() < give_up_ns:
            await asyncio.sleep(POLL_S)
        now_ns = self._clock.now_ns()
        for job in self._book.give_up():
            self._caller.cancel(job, now_ns)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _wait_until(self, due_ns: int) -> None:
        while (left_ns := due_ns - self._clock.now_ns()) > 0 and not self.stop.is_set():
            await asyncio.sleep(min(left_ns / 1e9, 0.25))

    async def _open(self, start_ns: int, worker: int, workers: int) -> None:
        for planned in planned_calls(self._plan, self._caller.opens, worker, workers):
            due_ns = start_ns + planned.offset_ns
            await self._wait_until(due_ns)
            if self.stop.is_set():
                return
            job, overflow = self._book.offer(planned, due_ns)
            if overflow:
                self._caller.overflow(planned, due_ns, self._clock.now_ns())
            elif job is not None:
                self._spawn(self._work(job))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks[task] = None
        task.add_done_callback(self._tasks.pop)

    async def _work(self, first: Job) -> None:
        job: Job | None = first
        while job is not None:
            job = self._book.done(job, await self._caller.perform_async(job))

    async def _user(self, user: int, start_ns: int, end_ns: int) -> None:
        due_ns = start_ns
        for call, session, op, think_ns, _ in self._plan.user_calls(user):
            due_ns += think_ns
            await self._wait_until(due_ns)
            if due_ns >= end_ns or self.stop.is_set():
                return
            job, _ = self._book.offer(PlannedCall(call, 0, session, op), due_ns)
            if job is None:
                raise AssertionError("a closed user has one call at a time")
            due_ns = await self._caller.perform_async(job)
            self._book.done(job, due_ns)
