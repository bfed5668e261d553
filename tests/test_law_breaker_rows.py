"""Breaker laws row by row: timelines of one client, each different by one event from what the law takes for well."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from breaker_timeline import FIVE, OPENED, PER_CALL, Event, on, row, timeline
from law_cases import calls_of, promise, said


class TestB1:
    """It opens when its count is full, and stays open."""

    def test_tells_how_soon_it_tried_again(self) -> None:
        """The fifth refusal ended at 1.01 s, and the next try came 0.59 s later; 3 s were promised."""
        found = on("B1", *OPENED, (1600, "ok"))
        assert (found.status, found.measured, found.bound, calls_of(found)) == ("fail", "0.59 s", "3.00 s", [7])

    def test_the_reset_time_out_is_that_of_the_operations_own_breaker(self) -> None:
        """Promised for observes alone: tried after 3 s is no early trial, tried after 2 s is one."""
        assert on("B1", *OPENED, (4300, "ok"), promised=PER_CALL).status == "pass"
        found = on("B1", *OPENED, (3000, "ok"), promised=PER_CALL)
        assert (found.status, found.bound) == ("fail", "3.00 s")

    def test_the_soonest_of_several_is_told(self) -> None:
        """0.59 s after the first opening, 0.39 s after the second."""
        second: list[Event] = [(at + 8000, how) for at, how in OPENED]
        found = on("B1", *OPENED, (1600, "ok"), *second, (9400, "ok"))
        assert (found.measured, calls_of(found)) == ("0.39 s", [7, 14])

    def test_a_rejection_right_after_the_full_count_opened_it(self) -> None:
        """10 ms later; what was tried then came before its time, and was not let through by a closed one."""
        found = on("B1", *row("connect_error", 5), (1020, "rejected"), (1500, "ok"))
        assert (found.status, found.measured) == ("fail", "0.49 s")

    def test_a_call_that_ended_otherwise_ends_a_row(self) -> None:
        """Three failures, an answer that could not be read, or a full pool of the client's own, three more."""
        for how in ("decode", "pool_timeout", "404"):
            events: list[Event] = [*row("connect_error", 3), (800, how), *row("connect_error", 3, 1000)]
            assert on("B1", *events).status == "not_exercised", how

    def test_an_operation_without_a_promise_is_left_out(self) -> None:
        """Predictions were rejected as well, and nobody said by what."""
        predicted: list[Event] = [(at + 50, how, "predict") for at, how in OPENED]
        assert on("B1", *OPENED, *predicted, promised=PER_CALL).status == "pass"

    def test_the_limit_is_that_of_the_operations_own_breaker(self) -> None:
        """Observes open after three failures, the others after five."""
        own = promise({"breaker": {"fail_max": 5}, "calls": {"observe": {"breaker": {"fail_max": 3}}}})
        found = on("B1", *row("connect_error", 4), promised=own)
        assert (found.status, found.measured, found.bound) == ("fail", "4 in a row", "3")

    def test_a_503_elsewhere_does_not_make_a_row_of_refusals_b3s(self) -> None:
        """One 503 and a success before five refusals and a sixth that went through."""
        events: list[Event] = [(200, "503"), (400, "ok"), *row("connect_error", 6, 600)]
        assert (on("B1", *events).status, on("B3", *events).status) == ("fail", "not_exercised")

    @pytest.mark.parametrize(("how", "law", "other"), [("connect_error", "B1", "B3"), ("503", "B3", "B1")])
    def test_where_attempts_are_not_seen_calls_are_counted(self, how: str, law: str, other: str) -> None:
        """Six failed calls in a row, the sixth let through: B1 takes refusals, B3 answers of 5xx."""
        found = on(law, *row(how, 6), seen=False)
        assert (found.status, calls_of(found)) == ("fail", [6])
        assert on(other, *row(how, 6), seen=False).status == "not_exercised"


class TestB2:
    """It does not open early."""

    def test_a_first_call_that_is_rejected_follows_no_failure(self) -> None:
        """Rejected from the very start."""
        found = on("B2", (200, "rejected"), (400, "ok"))
        assert (found.status, found.bound, calls_of(found)) == ("fail", "5", [1])

    @pytest.mark.parametrize(
        ("at", "took", "status"),
        [
            (230, 30, "pass"),
            (210, 100, "pass"),
            (211, 100, "fail"),
            (255, 10, "fail"),
            (930, 20, "fail"),
            (930, 30, "pass"),
        ],
    )
    def test_a_success_between_sets_the_count_back(self, at: int, took: int, status: str) -> None:
        """Unless it ended within 50 ms of the first failure or of the last, so that it may have been outside."""
        success: Event = (at, "ok", "observe", 0, took)
        assert on("B2", *sorted([*OPENED, success])).status == status

    @pytest.mark.parametrize(("took", "status"), [(240, "pass"), (260, "fail")])
    def test_a_failure_that_ended_just_after_it_may_have_filled_it(self, took: int, status: str) -> None:
        """The fifth, 40 ms after the rejection at 1.2 s, or 60 ms."""
        slow: Event = (1000, "reset", "observe", 0, took)
        assert on("B2", *row("reset", 4), slow, (1200, "rejected")).status == status

    def test_the_limit_named_is_that_of_the_operations_own_breaker(self) -> None:
        """Two of observes' five failures."""
        found = on("B2", (200, "ok"), *row("connect_error", 2, 400), (800, "rejected"), promised=PER_CALL)
        assert (found.status, found.bound) == ("fail", "5")


class TestB3:
    """The right failures are counted."""

    def test_an_answer_of_5xx_to_the_trial_opens_it_again(self) -> None:
        """The trial at 4.3 s met a 503, and the next call was let through; a rejection there is right."""
        trial: list[Event] = [*OPENED, (4300, "503")]
        found = on("B3", *trial, (4600, "ok"))
        assert (found.status, calls_of(found)) == ("fail", [8])
        assert "1 time" in found.reason
        assert on("B3", *trial, (4600, "rejected")).status != "fail"
        assert on("B3", *OPENED, (4300, "connect_error"), (4600, "ok")).status != "fail"

    @pytest.mark.parametrize("kind", ["store", "external"])
    def test_a_404_while_a_store_fails_is_a_failure_in_disguise(self, kind: str) -> None:
        """Five answers of 404 opened it: rightly while a store was out, wrongly in peace."""
        tables = timeline((200, "ok"), *row("404", 5, 400), (1400, "rejected"))
        faults = f"name kind applied_ms cleared_ms\nredis {kind} 100 2000"
        assert said("B3", FIVE, **tables, faults=faults).status != "fail"
        found = said("B3", FIVE, **tables, faults=faults.replace(kind, "refuse"))
        assert (found.status, calls_of(found)) == ("fail", [6])

    def test_they_are_found_behind_a_long_row_of_successes(self) -> None:
        """Six hundred calls before them."""
        found = on("B3", *row("ok", 600), *row("404", 5, 200_000), (201_000, "rejected"))
        assert calls_of(found) == [605]

    def test_fewer_4xx_than_its_limit_did_not_open_it(self) -> None:
        """Four, which is B2's matter."""
        assert on("B3", (200, "ok"), *row("422", 4, 400), (1200, "rejected")).status == "not_exercised"

    def test_4xx_before_a_full_count_did_not_open_it(self) -> None:
        """Five answers of 422, then five of 503."""
        assert on("B3", *row("422", 5), *row("503", 5, 1200), (2200, "rejected")).status == "pass"


class TestPerCall:
    """A breaker that is promised for one operation is judged like one that is promised for all."""

    def test_every_law_applies(self) -> None:
        """None of them says that there is no breaker."""
        tables: Mapping[str, str] = timeline(*OPENED, (4300, "ok"))
        for law in ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B10"):
            assert said(law, PER_CALL, **tables).status != "not_applicable", law
            assert said(law, promise({"timeout": {"total": 1.0}}), **tables).status == "not_applicable", law
