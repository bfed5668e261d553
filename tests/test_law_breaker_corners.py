"""Breaker laws in corners: a limit of which a part is not said, a window that a failure outlived, and two breakers."""

from __future__ import annotations

from typing import Any

import pytest
from breaker_timeline import Event, on
from law_cases import promise

from harness.evidence.history import History
from harness.laws.case import Case
from harness.laws.writes import resent

OK: Event = (100, "ok")


def rejected(at: int) -> Event:
    """A rejection at that moment."""
    return (at, "rejected")


@pytest.mark.parametrize(("breaker", "events", "status"), [
    ({"failure_ratio": 0.5}, [(100, "connect_error"), rejected(300)], "inconclusive"),
    ({"min_calls": 3}, [OK, (150, "ok"), (200, "connect_error"), rejected(300)], "pass"),
    ({"min_calls": 4}, [OK, (150, "ok"), (200, "connect_error"), rejected(300)], "fail"),
    ({"failure_ratio": 0.5, "min_calls": 2, "window": 4.0},
     [(100, "connect_error"), (3100, "connect_error"), rejected(3300)], "pass"),
    ({"failure_ratio": 0.5, "min_calls": 2, "window": 2.0},
     [(100, "connect_error"), (3100, "connect_error"), rejected(3300)], "fail"),
])  # fmt: skip
def test_what_a_limit_leaves_unsaid_limits_nothing(breaker: dict[str, Any], events: list[Event], status: str) -> None:
    """One failure is enough without a share; without a least number of calls nobody knows; an old failure is none."""
    promised = promise({"breaker": {**breaker, "reset_timeout": 3.0}})
    assert on("B2", *events, promised=promised).status == status


def test_a_call_is_resent_where_its_own_last_attempt_failed() -> None:
    """Not because the first call of the run was, or was not."""
    calls = "call op start_ms end_ms outcome\n1 observe 0 50 ok\n2 observe 100 150 ok\n3 observe 200 250 ok"
    head = "call attempt start_ms end_ms status\n"
    tries = ("1 1 0 10 200", "2 1 100 110 503", "2 2 120 130 200", "3 1 200 210 200", "3 2 220 230 200")
    found = Case(History.literal(calls=calls, attempts=head + "\n".join(tries)), promise())
    assert resent(found).tolist() == [False, True, False]


@pytest.mark.parametrize(("sound", "broken"), [("observe", "predict"), ("predict", "observe")])
def test_of_two_breakers_each_is_held_to_its_recovery(sound: str, broken: str) -> None:
    """One never opened, the other never closed."""
    breaker = {"breaker": {"fail_max": 5, "reset_timeout": 3.0}}
    both = promise({"calls": {"observe": breaker, "predict": breaker}})
    outage = "name kind applied_ms effective_ms cleared_ms\noutage refuse 150 150 1500"
    well: list[Event] = [(n, "ok", sound) for n in range(100, 30_000, 500)]
    ill: list[Event] = [(n, "connect_error", broken) for n in range(200, 1200, 200)]
    stuck: list[Event] = [(n, "rejected", broken) for n in range(1300, 30_000, 500)]
    found = on("B7", *sorted([*well, *ill, *stuck]), promised=both, faults=outage)
    assert (found.status, "after the breaker had to be closed again" in found.reason) == ("fail", True)
