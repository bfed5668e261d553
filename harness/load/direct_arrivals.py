"""Arrivals whose calls the hub carries; threads do what is not as usual (standard library only)."""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Callable, Iterator

from harness.load.book import Book, Job
from harness.load.carrier import Carrier
from harness.plan import Turn

MOST_CARRIED = 512
"""Calls in the hub's hands at once; more go the common way, which has its own bound."""


class DirectArrivals:
    """The open model's calls. None follows from another: the arrival clock gives each."""

    over_ns = 0

    def __init__(self, carrier: Carrier, book: Book, submit: Callable[[Job], None]) -> None:
        """`submit` has a thread perform a job; it may wait, which the hub may not."""
        self._carrier = carrier
        self._book = book
        self._submit = submit
        self._carried = 0
        self._rest: queue.SimpleQueue[Job | Exception] = queue.SimpleQueue()
        self.turns: Iterator[Turn] = itertools.repeat((0, 0, "", 0, None))
        threading.Thread(target=self._hand_over, daemon=True).start()

    def start(self, job: Job) -> None:
        """Have the hub carry a job, or a thread perform it."""
        if not self._begun(job):
            self._submit(job)

    def _begun(self, job: Job) -> bool:
        begun = self._carried < MOST_CARRIED and self._carrier.begin(job, self)
        self._carried += begun
        return begun

    def stopped(self) -> bool:
        """What has arrived is performed, also once no more load is offered."""
        return False

    def ended(self, job: Job, end_ns: int, upcoming: Turn) -> None:
        """Begin the session's next call, if one waits."""
        following = self._book.done(job, end_ns)
        if following is not None and not self._begun(following):
            self._rest.put(following)
        self._carried -= 1

    def rest(self, job: Job | Exception) -> None:
        """Leave a job that the hub has begun to a thread."""
        self._carried -= 1
        self._rest.put(job)

    def _hand_over(self) -> None:
        while True:
            job = self._rest.get()
            if isinstance(job, Exception):
                raise job
            self._submit(job)
