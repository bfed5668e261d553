"""When a breaker filled its count and when it may be tried again, to the 50 ms within which nobody can tell."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from breaker_timeline import FIVE, OPENED, Event, on, row, timeline
from law_cases import promise, said

from harness.policy import Promise


class TestRatio:
    """A breaker that opens on a share of failures: half of four calls within two seconds, to the 50 ms."""

    RATIO = promise({"breaker": {"failure_ratio": 0.5, "min_calls": 4, "window": 2.0, "reset_timeout": 3.0}})

    def opened(self, *events: Event) -> str:
        """B2's word on such calls before a rejection at 3 s."""
        return on("B2", *sorted([*events, (3000, "rejected")]), promised=self.RATIO).status

    @pytest.mark.parametrize(("at", "status"), [(940, "pass"), (930, "fail")])
    def test_a_failure_counts_while_it_is_in_the_window(self, at: int, status: str) -> None:
        """It ended 2.04 s before the rejection, or 2.06 s."""
        assert self.opened((at, "reset"), *row("reset", 3, 1500)) == status

    @pytest.mark.parametrize(("at", "status"), [(950, "pass"), (930, "fail")])
    def test_so_does_a_success(self, at: int, status: str) -> None:
        """Two failures, one success in the midst, and this one: four calls or three."""
        assert self.opened((at, "ok"), (1200, "ok"), *row("reset", 2, 1500)) == status

    @pytest.mark.parametrize(("took", "status"), [(140, "pass"), (160, "fail")])
    def test_a_success_that_ended_just_after_it_counts_among_the_calls(self, took: int, status: str) -> None:
        """40 ms after the rejection, or 60 ms."""
        assert self.opened((1200, "ok"), *row("reset", 2, 1500), (2900, "ok", "observe", 0, took)) == status

    @pytest.mark.parametrize(("at", "status"), [(2950, "pass"), (2930, "fail")])
    def test_a_success_that_ended_about_then_need_not_lower_the_share(self, at: int, status: str) -> None:
        """Two failures and three successes after them are less than a half."""
        assert self.opened(*row("reset", 2, 1500), (2000, "ok"), (2200, "ok"), (at, "ok")) == status

    @pytest.mark.parametrize(("at", "status"), [(1550, "pass"), (1560, "fail")])
    def test_one_that_ended_with_the_first_failure_need_not_either(self, at: int, status: str) -> None:
        """The first failure ended at 1.51 s."""
        assert self.opened(*row("reset", 2, 1500), (at, "ok"), (2000, "ok"), (2200, "ok")) == status

    def test_all_of_them_may_be_asked_for(self) -> None:
        """A ratio of one, and four failures."""
        whole = promise({"breaker": {"failure_ratio": 1.0, "min_calls": 4, "window": 2.0}})
        assert on("B2", *row("reset", 4, 1500), (3000, "rejected"), promised=whole).status == "pass"

    def test_the_share_is_of_the_least_number_of_calls_too(self) -> None:
        """One failure after three successes."""
        assert self.opened(*row("ok", 3, 1200), (1900, "reset")) == "fail"

    def test_without_a_window_it_must_be_open_at_once(self) -> None:
        """Three failures, and one call more."""
        ratio = promise({"breaker": {"failure_ratio": 0.5, "min_calls": 3, "reset_timeout": 3.0}})
        assert on("B1", *row("reset", 3), (800, "ok"), promised=ratio).status == "fail"

    @pytest.mark.parametrize(("at", "fails"), [(2650, False), (2670, True)])
    def test_a_window_has_to_pass_and_to_fill_once(self, at: int, fails: bool) -> None:
        """The first failure ended at 0.21 s; the third of those after 2.21 s at 2.61 s, and 50 ms later it is open."""
        ratio = promise({"breaker": {"failure_ratio": 0.5, "min_calls": 3, "window": 2.0, "reset_timeout": 3.0}})
        found = on("B1", *row("reset", 13), (at, "ok"), promised=ratio).status
        assert (found == "fail") == fails

    @pytest.mark.parametrize(("every", "fails"), [(900, True), (1100, False)])
    def test_failures_too_thin_for_the_window_open_nothing(self, every: int, fails: bool) -> None:
        """Three within two seconds are asked for."""
        ratio = promise({"breaker": {"failure_ratio": 0.5, "min_calls": 3, "window": 2.0, "reset_timeout": 3.0}})
        failures: list[Event] = [(at, "reset") for at in range(200, 200 + 9 * every, every)]
        assert (on("B1", *failures, promised=ratio).status == "fail") == fails

    @pytest.mark.parametrize(("without", "fails"), [((), True), (range(1400, 2400), False)])
    def test_it_can_not_have_been_open_where_nothing_paused(self, without: Sequence[int], fails: bool) -> None:
        """A failure each 200 ms for four seconds, and a second is how long it would have been open: it may have been
        tried again, but only where nobody called for so long."""
        ratio = promise({"breaker": {"failure_ratio": 0.5, "min_calls": 3, "window": 2.0, "reset_timeout": 1.0}})
        failures: list[Event] = [(at, "reset") for at in range(200, 3200, 200) if at not in without]
        assert (on("B1", *failures, promised=ratio).status == "fail") == fails


class TestOpenedSince:
    """The earliest moment at which it may have opened, told by a trial that came too early after it."""

    def opened(self, *events: Event, promised: Promise = FIVE) -> str:
        """B1's word."""
        return on("B1", *sorted(events), promised=promised).status

    def test_the_failure_that_filled_the_count(self) -> None:
        """The fifth, at 1.01 s, though a sixth was under way and ended at 1.25 s; not the fourth, at 0.81 s."""
        slow: Event = (1020, "connect_error", "observe", 0, 230)
        assert self.opened(*OPENED[:-1], slow, (1300, "rejected"), (4000, "ok")) == "pass"
        assert self.opened(*OPENED, (3800, "ok")) == "fail"

    def test_failures_before_the_last_success_are_none_of_it(self) -> None:
        """One failed, one was served, five failed until 1.41 s: 2.79 s later was too early."""
        events: list[Event] = [(200, "reset"), (400, "ok"), *row("reset", 5, 600), (1600, "rejected")]
        assert self.opened(*events, (4200, "ok")) == "fail"

    def test_the_first_failure_where_processes_may_share_it(self) -> None:
        """It ended at 0.21 s, and the trial came at 3.3 s."""
        assert self.opened(*OPENED, (3300, "ok")) == "fail"
        assert self.opened(*OPENED, (3300, "ok"), (250, "ok", "predict", 1)) == "pass"

    def test_the_first_failure_where_a_ratio_opens_it(self) -> None:
        """Any failure may have filled the share."""
        ratio = promise({"breaker": {"failure_ratio": 0.5, "min_calls": 3, "reset_timeout": 3.0}})
        assert self.opened(*row("reset", 3), (1200, "rejected"), (3300, "ok"), promised=ratio) == "pass"
        assert self.opened(*row("reset", 3), (1200, "rejected"), (3100, "ok"), promised=ratio) == "fail"


class TestFullRuns:
    """Runs that filled the count, and who was let through."""

    def test_another_processs_failures_may_have_filled_it_earlier(self) -> None:
        """Two of them: the fifth failure was at 0.61 s, and 3 s later a trial was right."""
        assert on("B1", *row("reset", 5), (3700, "ok")).status == "fail"
        others: list[Event] = [(300, "reset", "observe", 1), (500, "reset", "observe", 1)]
        assert on("B1", *sorted([*row("reset", 5), *others]), (3700, "ok")).status != "fail"

    def test_failures_before_the_last_success_are_no_part_of_it(self) -> None:
        """One between two successes: the fifth after them was at 1.41 s."""
        events: list[Event] = [(20, "ok"), (200, "reset"), (400, "ok"), *row("reset", 5, 600)]
        assert on("B1", *events, (4260, "ok")).status == "fail"

    def test_who_was_let_through_before_the_first_rejection_is_held_against_it(self) -> None:
        """One call between the fifth failure and the rejection."""
        found = on("B1", *row("reset", 5), (1200, "ok"), (1400, "rejected"), (1600, "rejected"))
        assert "1 call went through" in found.reason

    @pytest.mark.parametrize("first", ["ok", "rejected"])
    def test_a_hundred_in_a_row_settle_it(self, first: str) -> None:
        """A hundred and two were let through, perhaps after one that was not."""
        events: list[Event] = []
        for n in range(103):
            after: list[Event] = [(1200, first if n == 0 else "ok"), (5000, "ok")]
            events += [(at + 6000 * n, how) for at, how, *_ in [*row("reset", 5), *after]]
        assert "100 calls went through" in on("B1", *events).reason

    def test_a_thousand_calls_from_the_last_failure_on_are_enough(self) -> None:
        """It is the first of them."""
        found = on("B1", *row("reset", 5), *((1100 + n, "ok", "observe", 0, 1) for n in range(1100)))
        assert "999 calls went through" in found.reason


class TestTriedLate:
    """A call from before that was tried again while it was open may have been the trial."""

    def hasty(self, call: str, *attempts: str) -> str:
        """B1's word on a trial 0.59 s after the opening, with one more call and its attempts."""
        tables = timeline(*OPENED, (1600, "ok"))
        tables["calls"] += f"\n9 {call}"
        tables["attempts"] += "".join(f"\n9 {attempt}" for attempt in attempts)
        return said("B1", FIVE, **tables).status

    def test_it_excuses_a_trial_before_its_time(self) -> None:
        """Its second attempt, or its first one that had waited; neither is one of another process or operation."""
        again = ("1 900 910 reset 0 0", "2 1500 1510 reset 0 0")
        assert self.hasty("observe 900 1700 error reset 0", "1 900 910 reset 0 0") == "fail"
        assert self.hasty("observe 900 1700 error reset 0", *again) != "fail"
        assert self.hasty("observe 900 1700 error reset 0", "1 1500 1510 reset 0 0") != "fail"
        assert self.hasty("predict 900 1700 error reset 0", *again) == "fail"

    def test_a_trial_that_waited_itself_is_no_excuse(self) -> None:
        """It came 100 ms before it was tried."""
        tables = timeline(*OPENED, (1600, "ok"))
        waited = tables["attempts"].replace("7 1 1600 1610", "7 1 1700 1710")
        calls = tables["calls"].replace("7 observe 1600 1610", "7 observe 1600 1710")
        assert said("B1", FIVE, calls=calls, attempts=waited).status == "fail"


def begun_late(tables: dict[str, str], call: int, ready_ms: int) -> dict[str, str]:
    """The same, where the harness should have begun one call earlier."""
    head, *rows = tables["calls"].split("\n")
    late = [f"{text} {ready_ms if n == call else 0}" for n, text in enumerate(rows, 1)]
    return {**tables, "calls": "\n".join([f"{head} ready_ms", *late])}


class TestLag:
    """How late the harness was within 50 ms of a moment is on the client's side."""

    def hasty(self, tried: int, sample: int) -> str:
        """B1's word on a trial after an opening at 1.01 s, where a lag of 40 ms was sampled."""
        samples = f"process time_ms lag_ms\ngenerator {sample} 40"
        return said("B1", FIVE, **timeline(*OPENED, (tried, "ok")), samples=samples).status

    def test_so_is_a_call_that_the_harness_began_late(self) -> None:
        """By 30 ms, from 3.905 s on: this very trial, 25 ms too early."""
        tables = timeline((130, "ok"), *OPENED, (3935, "ok"))
        assert said("B1", FIVE, **tables).status == "fail"
        assert said("B1", FIVE, **begun_late(tables, 8, 3905)).status == "pass"

    def test_lag_after_the_full_count_is_taken_off(self) -> None:
        """The fifth failure ended at 1.01 s, and a call came 90 ms later, 70 of them late."""
        tables = timeline(*row("reset", 5), (1100, "ok"))
        assert said("B1", FIVE, **tables).status == "fail"
        assert said("B1", FIVE, **begun_late(tables, 6, 1030)).status != "fail"

    def test_lag_just_before_a_trial_is_taken_off(self) -> None:
        """A trial 30 ms too early: the lag ended up to 50 ms before it, earlier, or is told of the second after it."""
        assert self.hasty(3930, 3890) == "pass"
        assert self.hasty(3930, 3790) == "fail"
        assert self.hasty(3910, 3890) == "fail"
