"""Closed users whose calls the hub carries; a user's greenlet does what is not as usual."""

from __future__ import annotations

import queue

from harness.load.book import Book, Job
from harness.load.carrier import Carrier
from harness.load.users import Life, Performer, User
from harness.plan import Turn


class DirectUser(User):
    """One user, who also thinks in the hub."""

    def __init__(self, life: Life, caller: Performer, book: Book, carrier: Carrier) -> None:
        super().__init__(life, caller, book)
        self._carrier = carrier
        self._rest: queue.SimpleQueue[Job | Exception | None] = queue.SimpleQueue()
        self.turns, self.over_ns, self.stopped = life.calls, life.end_ns, life.stopped
        self.rest = self._rest.put

    def _call(self, job: Job) -> None:
        """Perform the job, and the calls after it."""
        left = self._rest.get() if self._carrier.begin(job, self) else job
        if isinstance(left, Exception):
            raise left
        if left is not None:
            super()._call(left)

    def ended(self, job: Job, end_ns: int, upcoming: Turn) -> None:
        """Think of the next call, if there is time for it."""
        self._ended_ns, self._upcoming = end_ns, upcoming
        self._book.done(job, end_ns)
        _, _, _, think_ns, _ = upcoming
        due_ns = end_ns + think_ns
        if due_ns >= self.over_ns or self.stopped() or self._book.given_up:
            self._rest.put(None)
        else:
            self._carrier.hub.later(due_ns, self._go_on)

    def _go_on(self) -> None:
        """The next call was thought of."""
        try:
            job = None if self.stopped() else self._offered()
            if job is None or not self._carrier.begin(job, self):
                self._rest.put(job)
        except Exception as error:  # noqa: BLE001 - raised again by the greenlet
            self._rest.put(error)
