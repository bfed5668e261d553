"""KATO's workers: each a serial server with one queue, on the driver's timers."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Protocol

from harness.rng import Stream
from harness.twin.connection import Connection
from harness.twin.exchange import Exchange
from harness.twin.profiles import Profile
from harness.twin.service import Cost, Service, constant
from harness.twin.steps import Timer, Timers

STUCK_NS = 1 << 62
"""A worker's `free_ns` while it waits for something that doesn't come."""


class Work(Protocol):
    """What a worker does with a request."""

    @property
    def cost(self) -> Callable[[Exchange, int], Cost]:
        """What a request will ask of which worker."""
        ...

    def begin(self, exchange: Exchange) -> object:
        """The worker takes it up; what it returns comes back to `end`."""
        ...

    def end(self, exchange: Exchange, begun: object) -> float:
        """The service time is over: handle it. Returns how much longer the worker is blocked (s)."""
        ...

    def refuse(self, exchange: Exchange) -> None:
        """The worker has too many connections: answer so."""
        ...

    def gone(self, exchange: Exchange) -> bool:
        """The worker first looks at it: True where its client has left, so that nothing comes of it."""
        ...


class Pool(Protocol):
    """Who does the work, and when. A worker whose work takes infinitely long is stuck until `thaw`."""

    def opened(self, connection: Connection) -> None:
        """A client connected."""
        ...

    def closed(self, connection: Connection) -> None:
        """Its connection is gone."""
        ...

    def submit(self, exchange: Exchange) -> None:
        """A request arrived."""
        ...

    def drop(self) -> list[Exchange]:
        """Forget what is not handled; returns it."""
        ...

    def thaw(self) -> None:
        """What stuck workers waited for is there."""
        ...


def make_pool(profile: Profile, timers: Timers, seed: int, work: Work) -> Pool:
    """The workers of a profile."""
    if profile.workers:
        return Serial(profile, timers, seed, work)
    return Parallel(profile.service, timers, seed, work)


class Parallel:
    """Every request on its own, handled when its service time is over; one that sticks stops all others."""

    def __init__(self, service: Service | None, timers: Timers, seed: int, work: Work) -> None:
        self._timers = timers
        self._service = service
        self._draws = Stream(seed, "service")
        self._work = work
        self._number = 0
        self._waiting: dict[Exchange, Timer] = {}
        self._stuck: deque[Exchange] | None = None
        if service is None:
            self.submit = self._end  # type: ignore[method-assign]

    def opened(self, connection: Connection) -> None:
        pass

    def closed(self, connection: Connection) -> None:
        pass

    def submit(self, exchange: Exchange) -> None:
        assert self._service is not None
        service_s = self._service.draw_s(self._work.cost(exchange, 0), self._draws, self._number)
        self._number += 1
        due_ns = self._timers.now_ns() + round(service_s * 1e9)
        self._waiting[exchange] = self._timers.call_at(due_ns, lambda: self._served(exchange))

    def drop(self) -> list[Exchange]:
        for timer in self._waiting.values():
            timer.cancel()
        dropped = [*(self._stuck or ()), *self._waiting]
        self._waiting.clear()
        self._stuck = None
        return dropped

    def thaw(self) -> None:
        stuck, self._stuck = self._stuck, None
        for exchange in stuck or ():
            if not self._work.gone(exchange):
                self._end(exchange)

    def _served(self, exchange: Exchange) -> None:
        del self._waiting[exchange]
        self._end(exchange)

    def _end(self, exchange: Exchange) -> None:
        if self._stuck is not None:
            self._stuck.append(exchange)
        elif self._work.end(exchange, None) == math.inf:
            self._stuck = deque()


class Worker:
    """One FIFO queue. `free_ns` is when the work at hand ends; late timers don't add up, for starts are reckoned.

    A loop that works sees nobody come or go: what arrives meanwhile is unread until then.
    """

    def __init__(self, timers: Timers, work: Work, take: Callable[[Exchange, int], int]) -> None:
        self._timers = timers
        self._work = work
        self._take = take
        self._queue: deque[tuple[Exchange, int, bool]] = deque()
        self._unread: list[Exchange] = []
        self._timer: Timer | None = None
        self._active = False
        self._at_hand: Exchange | None = None
        self._free_ns = 0
        self.connections = 0

    def submit(self, exchange: Exchange, refused: bool) -> None:
        """Queue the request; `refused`: for want of connections, which it is told in its turn, at no cost."""
        self._queue.append((exchange, self._timers.now_ns(), refused))
        self._unread.append(exchange)
        if not self._active:
            self._active = True
            self._next()

    def drop(self) -> list[Exchange]:
        """Forget the queue and the work at hand; returns both."""
        dropped = [exchange for exchange, _, _ in self._queue]
        if self._at_hand is not None:
            dropped.append(self._at_hand)
        self._queue.clear()
        self._unread.clear()
        self._active, self._at_hand = False, None
        if self._timer is not None:
            self._timer.cancel()
        self._free_ns = self._timers.now_ns()
        return dropped

    def thaw(self) -> None:
        """Go on where the worker was stuck."""
        if self._free_ns == STUCK_NS:
            self._free_ns = self._timers.now_ns()
            self._next()

    def _next(self) -> None:
        if self._unread and self._free_ns <= self._timers.now_ns():
            self._read()
        while self._queue and self._free_ns != STUCK_NS:
            exchange, ready_ns, refused = self._queue[0]
            start_ns = max(self._free_ns, ready_ns)
            if start_ns > self._timers.now_ns():
                self._timer = self._timers.call_at(start_ns, self._next)
                return
            self._queue.popleft()
            if not refused:
                self._begin(exchange, start_ns)
                return
            self._work.refuse(exchange)
        self._active = self._free_ns == STUCK_NS

    def _read(self) -> None:
        gone = {exchange for exchange in self._unread if self._work.gone(exchange)}
        self._unread.clear()
        if gone:
            self._queue = deque(item for item in self._queue if item[0] not in gone)

    def _begin(self, exchange: Exchange, start_ns: int) -> None:
        end_ns = self._take(exchange, start_ns)
        self._at_hand = exchange
        begun = self._work.begin(exchange)
        self._timer = self._timers.call_at(end_ns, lambda: self._end(exchange, begun, end_ns))

    def _end(self, exchange: Exchange, begun: object, end_ns: int) -> None:
        self._at_hand = None
        blocked_s = self._work.end(exchange, begun)
        self._free_ns = end_ns + round(blocked_s * 1e9) if blocked_s < math.inf else STUCK_NS
        self._next()


class Serial:
    """Several workers; the kernel gives each connection to one of them for good, as good as at random."""

    def __init__(self, profile: Profile, timers: Timers, seed: int, work: Work) -> None:
        self._service = profile.service or constant(0.0)
        self._stalls = profile.stalls
        self._work = work
        self._limit = profile.connection_limit
        self._started_ns = timers.now_ns()
        self._draws = Stream(seed, "service")
        self._choices = Stream(seed, "accept")
        self._number = 0
        self._workers = [Worker(timers, work, self._takes(index)) for index in range(profile.workers)]

    def opened(self, connection: Connection) -> None:
        connection.worker = self._choices.word(connection.number) % len(self._workers)
        self._workers[connection.worker].connections += 1

    def closed(self, connection: Connection) -> None:
        self._workers[connection.worker].connections -= 1

    def submit(self, exchange: Exchange) -> None:
        worker = self._workers[exchange.connection.worker]
        worker.submit(exchange, bool(self._limit) and worker.connections >= self._limit)

    def drop(self) -> list[Exchange]:
        return [exchange for worker in self._workers for exchange in worker.drop()]

    def thaw(self) -> None:
        for worker in self._workers:
            worker.thaw()

    def _takes(self, index: int) -> Callable[[Exchange, int], int]:
        def end_ns(exchange: Exchange, start_ns: int) -> int:
            cost = self._work.cost(exchange, index)
            work_ns = round(self._service.draw_s(cost, self._draws, self._number) * 1e9)
            self._number += cost.times
            if self._stalls is None:
                return start_ns + work_ns
            return self._stalls.finish_ns(start_ns - self._started_ns, work_ns) + self._started_ns

        return end_ns
