"""KATO's workers: each a serial server with one queue, on the driver's timers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from harness.rng import Stream
from harness.twin.connection import Connection
from harness.twin.exchange import Exchange
from harness.twin.service import Cost, Service, Stalls
from harness.twin.steps import Timer, Timers


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


class Parallel:
    """Every request on its own: handled when its service time is over, however many others there are."""

    def __init__(self, timers: Timers, service: Service, draws: Stream, work: Work) -> None:
        self._timers = timers
        self._service = service
        self._draws = draws
        self._work = work
        self._number = 0
        self._waiting: dict[Exchange, Timer] = {}

    def submit(self, exchange: Exchange) -> None:
        service_s = self._service.draw_s(self._work.cost(exchange, 0), self._draws, self._number)
        self._number += 1
        due_ns = self._timers.now_ns() + round(service_s * 1e9)
        self._waiting[exchange] = self._timers.call_at(due_ns, lambda: self._end(exchange))

    def drop(self) -> None:
        for timer in self._waiting.values():
            timer.cancel()
        self._waiting.clear()

    def opened(self, connection: Connection) -> None:
        pass

    def closed(self, connection: Connection) -> None:
        pass

    def _end(self, exchange: Exchange) -> None:
        del self._waiting[exchange]
        self._work.end(exchange, self._work.begin(exchange))


class Worker:
    """One FIFO queue. `free_ns` is when the work at hand ends; late timers don't add up, for starts are reckoned."""

    def __init__(self, timers: Timers, work: Work, take: Callable[[Exchange, int], int]) -> None:
        self._timers = timers
        self._work = work
        self._take = take
        self._queue: deque[tuple[Exchange, int, bool]] = deque()
        self._timer: Timer | None = None
        self._active = False
        self._free_ns = 0
        self.connections = 0

    def submit(self, exchange: Exchange, refused: bool) -> None:
        """Queue the request; `refused`: for want of connections, which it is told in its turn, at no cost."""
        self._queue.append((exchange, self._timers.now_ns(), refused))
        if not self._active:
            self._active = True
            self._next()

    def drop(self) -> None:
        """Forget the queue and the work at hand."""
        self._queue.clear()
        self._active = False
        if self._timer is not None:
            self._timer.cancel()
        self._free_ns = self._timers.now_ns()

    def _next(self) -> None:
        while self._queue:
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
        self._active = False

    def _begin(self, exchange: Exchange, start_ns: int) -> None:
        end_ns = self._take(exchange, start_ns)
        begun = self._work.begin(exchange)
        self._timer = self._timers.call_at(end_ns, lambda: self._end(exchange, begun, end_ns))

    def _end(self, exchange: Exchange, begun: object, end_ns: int) -> None:
        self._free_ns = end_ns + round(self._work.end(exchange, begun) * 1e9)
        self._next()


class Serial:
    """Several workers; the kernel gives each connection to one of them for good, as good as at random."""

    def __init__(
        self, timers: Timers, workers: int, limit: int, service: Service, stalls: Stalls | None, seed: int, work: Work
    ) -> None:
        self._service = service
        self._stalls = stalls
        self._work = work
        self._limit = limit
        self._started_ns = timers.now_ns()
        self._draws = Stream(seed, "service")
        self._choices = Stream(seed, "accept")
        self._number = 0
        self._workers = [Worker(timers, work, self._takes(index)) for index in range(workers)]

    def opened(self, connection: Connection) -> None:
        connection.worker = self._choices.word(connection.number) % len(self._workers)
        self._workers[connection.worker].connections += 1

    def closed(self, connection: Connection) -> None:
        self._workers[connection.worker].connections -= 1

    def submit(self, exchange: Exchange) -> None:
        worker = self._workers[exchange.connection.worker]
        worker.submit(exchange, bool(self._limit) and worker.connections >= self._limit)

    def drop(self) -> None:
        for worker in self._workers:
            worker.drop()

    def _takes(self, index: int) -> Callable[[Exchange, int], int]:
        def end_ns(exchange: Exchange, start_ns: int) -> int:
            cost = self._work.cost(exchange, index)
            work_ns = round(self._service.draw_s(cost, self._draws, self._number) * 1e9)
            self._number += cost.times
            if self._stalls is None:
                return start_ns + work_ns
            return self._stalls.finish_ns(start_ns - self._started_ns, work_ns) + self._started_ns

        return end_ns
