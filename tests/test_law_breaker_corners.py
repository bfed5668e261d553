"""Breaker laws in corners: a limit of which a part is not said, a window that a failure outlived, and two breakers."""

from __future__ import annotations

from typing import Any

import pytest
from breaker_timeline import FIVE, Event, on, row, timeline
from law_cases import promise, said

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
@pytest.mark.parametrize("before", [False, True])
def test_of_two_breakers_each_is_held_to_its_recovery(sound: str, broken: str, before: bool) -> None:
    """One was not open, the other never closed; whether or not both had come through another outage."""
    breaker = {"breaker": {"fail_max": 5, "reset_timeout": 3.0}}
    both = promise({"calls": {"observe": breaker, "predict": breaker}})
    outage = "name kind applied_ms effective_ms cleared_ms\noutage refuse 20150 20150 21500"
    events: list[Event] = [(n, "ok", sound) for n in range(5000, 50_000, 500)]
    events += [(n, "ok", broken) for n in range(5100, 20_000, 500)]
    events += [(n, "connect_error", broken) for n in range(20_200, 21_200, 200)]
    events += [(n, "rejected", broken) for n in range(21_300, 50_000, 500)]
    if before:
        outage += "\nfirst refuse 150 150 1500"
        for op, late in ((sound, 0), (broken, 20)):
            events += [(n + late, "connect_error", op) for n in range(200, 1200, 200)]
            events += [(1300 + late, "rejected", op), (4300 + late, "ok", op)]
    found = on("B7", *sorted(events), promised=both, faults=outage)
    assert (found.status, "after the breaker had to be closed again" in found.reason) == ("fail", True)


def test_an_attempt_in_the_background_may_have_opened_it_anew() -> None:
    """Its call had given it up at 0.96 s, and it failed at 4.95 s: a trial is due three seconds after that."""
    turned = [rejected(at) for at in range(1200, 8200, 200)]
    events: list[Event] = [*row("connect_error", 5), (950, "read_timeout"), *turned, (8300, "ok"), (8400, "ok")]
    tables = timeline(*sorted(events))
    assert "none came" in said("B7", FIVE, **tables).reason
    tables["attempts"] = tables["attempts"].replace(" 950 960 ", " 950 4950 ")
    assert "none came" not in said("B7", FIVE, **tables).reason


def test_lag_shortens_the_time_for_which_nothing_may_be_sent() -> None:
    """The count was full at 1.01 s, and 3.9 s is less than 3 s and 50 ms less after that; not with 100 ms of lag."""
    tables = timeline(*row("connect_error", 5), (3900, "ok"))
    assert said("B1", FIVE, **tables).status == "fail"
    assert said("B1", FIVE, **tables, samples="process time_ms lag_ms\ngenerator 1500 100").status != "fail"


def test_what_opened_a_breaker_on_nothing_that_counts_was_not_4xx() -> None:
    """Five errors of the client's own in its attempts."""
    assert "4xx" not in on("B3", *row("client_bug", 5), rejected(1200)).reason
    assert "4xx" in on("B3", *row("404", 5), rejected(1200)).reason


def test_who_waited_was_turned_away_when_he_had_waited() -> None:
    """The sixth failure ended at 0.34 s, within his 200 ms; that another one ended before it says nothing."""
    six = promise({"breaker": {"fail_max": 6, "reset_timeout": 3.0}})
    failing: list[Event] = [*((10 + 30 * n, "connect_error") for n in range(4)), (190, "reset", "observe", 0, 150)]
    events: list[Event] = [*failing, (200, "rejected", "observe", 0, 200), (210, "reset", "observe", 0, 40)]
    assert on("B2", *events, promised=six).status == "pass"


def test_an_opening_that_nobody_saw_is_one() -> None:
    """Five failures, and three seconds later a trial during which the first call was turned away."""
    events: list[Event] = [*row("connect_error", 5), (4100, "ok", "observe", 0, 500), rejected(4200), (4800, "ok")]
    found = on("B2", *events)
    assert (found.status, found.reason) == ("pass", "5 failures opened the breaker 1 time, never too early")


@pytest.mark.parametrize(("made", "status"), [([], "fail"), (["predict"], "fail"), (["observe"], "not_exercised")])
def test_a_rejection_that_a_client_slept_on_is_none_of_b4s(made: list[str], status: str) -> None:
    """Where its methods make a retry: whatever their policy says."""
    slow: list[Event] = [(1200 + 100 * n, "rejected", "observe", 0, 60) for n in range(25)]
    promised = promise({"breaker": {"fail_max": 5, "reset_timeout": 3.0}}, {"retrying": made})
    assert on("B4", *row("connect_error", 5), *slow, promised=promised).status == status
