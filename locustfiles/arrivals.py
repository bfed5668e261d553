"""An open model under plain Locust: calls arrive at a rate of their own, however slow the answers are.

    locust -f locustfiles/arrivals.py --host http://127.0.0.1:8000 --rate 40 --headless -t 30s

Response times count from when a call was meant to start: a stall shows in full, where Locust's own pacing hides it.
"""

from __future__ import annotations

import time
from typing import Any

from kato_user import integration_of
from locust import User, events, task

from harness.clock import MonotonicClock
from harness.load.book import Book
from harness.load.caller import Caller
from harness.load.driver import Driver
from harness.model import Load, Stage
from harness.plan import Plan

DAY_NS = 24 * 3600 * 10**9


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]
def _options(parser: Any) -> None:
    parser.add_argument("--rate", type=float, default=20.0, help="Calls per second and process.")
    parser.add_argument("--sessions", type=int, default=100, help="KATO sessions in use, one node each.")


class Statistics:
    """A recorder that feeds Locust's statistics and writes nothing."""

    attempts_seen = 0

    def __init__(self, request: Any) -> None:
        self._request = request

    def call(self, call: int, op: str, *row: Any, **more: Any) -> None:
        """One finished call, as the caller tells it: times in ns from the sixth argument on, then the outcome."""
        intended_ns, end_ns, outcome = row[3], row[6], row[7]
        failure = None if outcome == "ok" else Exception(" ".join(str(word) for word in row[7:9]))
        response_ms = (end_ns - intended_ns) / 1e6
        self._request.fire(
            request_type="KATO", name=op, response_time=response_ms, response_length=0, exception=failure, context={}
        )


class ArrivalClock(User):
    """The one user of a process: it starts calls when they are due."""

    fixed_count = 1

    @task
    def drive(self) -> None:
        """Offer load until Locust stops the user."""
        options = self.environment.parsed_options
        stage = Stage(options.rate, options.rate, DAY_NS)
        plan = Plan.of(Load((stage,), sessions=options.sessions, mix={"observe": 3, "predict": 1}), seed=1)
        book, clock = Book(options.sessions), MonotonicClock()
        recorder: Any = Statistics(self.environment.events.request)
        caller = Caller(integration_of(self.environment), plan, recorder, clock, book)
        Driver(plan, caller, book, clock).drive(time.monotonic_ns(), 0)
