"""What happens while a breaker is open and half-open, row by row: rejections, trials, recovery, and the clock."""

from __future__ import annotations

import pytest
from breaker_timeline import FIVE, OPENED, Event, on, row, timeline
from law_cases import calls_of, promise, said

from harness.evidence.history import History
from harness.laws import LAWS
from harness.laws.case import Case
from harness.model import Verdict
from harness.policy import Promise

OUTAGE = "name kind applied_ms effective_ms cleared_ms\noutage refuse 150 150 1500"
TRIAL: Event = (4300, "ok", "observe", 0, 1000)
"""A slow trial, 3.29 s after the opening."""


def rejections(count: int, took_ms: int = 0) -> list[Event]:
    """So many, 100 ms apart, after the opening."""
    return [(1300 + 100 * n, "rejected", "observe", 0, took_ms) for n in range(count)]


class TestB1:
    """When it must be open, to the millisecond: 20 ms after it nobody can tell, and 50 before the next trial."""

    @pytest.mark.parametrize(("at", "status"), [(1030, "inconclusive"), (1031, "fail"), (3950, "fail")])
    def test_who_came_after_the_full_count_is_held_against_it(self, at: int, status: str) -> None:
        """The fifth failure ended at 1.01 s."""
        assert on("B1", *row("connect_error", 5), (at, "ok")).status == status

    def test_who_came_when_the_reset_time_out_was_over_is_not(self) -> None:
        """It ends at 4.01 s."""
        assert on("B1", *row("connect_error", 5), (3960, "ok")).status != "fail"

    def test_a_failure_that_began_before_a_success_need_not_count(self) -> None:
        """The first of five was under way when another call was served."""
        slow: Event = (100, "connect_error", "observe", 0, 500)
        events: list[Event] = [slow, (200, "ok"), *row("connect_error", 4, 700)]
        assert on("B1", *events, (1600, "ok")).status == "not_exercised"

    def test_a_call_that_was_tried_before_it_was_turned_away_ends_a_run(self) -> None:
        """Its later try met an open breaker."""
        events: list[Event] = [*row("connect_error", 4), (1000, "reset"), (1300, "connect_error")]
        assert on("B1", *events).status == "fail"

    def test_a_ratio_needs_its_calls_and_its_window(self) -> None:
        """Three failures fill the count, after the two seconds that may hold what came before them."""
        ratio = promise({"breaker": {"failure_ratio": 0.5, "min_calls": 3, "window": 2.0, "reset_timeout": 3.0}})
        early: list[Event] = [*row("connect_error", 3), (1000, "ok")]
        assert on("B1", *early, promised=ratio).status != "fail"
        found = on("B1", *row("connect_error", 13), (2800, "ok"), promised=ratio)
        assert (found.status, found.bound) == ("fail", "3")


class TestB4:
    """Rejections are quick."""

    def test_twenty_tell_a_p99(self) -> None:
        """Nineteen don't, and that is said with what was measured."""
        assert on("B4", *OPENED, *rejections(19)).status == "pass"
        few = on("B4", *OPENED, *rejections(18))
        assert (few.status, few.measured, few.bound) == ("inconclusive", "p99 0.00 ms of 19 rejections", "p99 10 ms")

    def test_the_slowest_are_named_first(self) -> None:
        """Half a thousand took 11 ms, one of them 30."""
        slow: list[Event] = [*OPENED, *rejections(500, 11), (60_000, "rejected", "observe", 0, 30)]
        found = on("B4", *slow)
        assert (found.status, calls_of(found)[0], found.measured) == ("fail", 507, "p99 11.00 ms of 502 rejections")

    def test_how_often_it_was_slow_is_told(self) -> None:
        """Of 501 rejections 500 took longer than 10 ms, and an accepted failure is held to that share."""
        case = Case(History.literal(**timeline(*OPENED, *rejections(500, 11))), FIVE)
        assert LAWS["B4"].judge(case).share == 500 / 501

    def test_the_harness_own_lag_is_taken_off(self) -> None:
        """11 ms each, of which the harness was late by 10."""
        late = "\n".join(["process time_ms lag_ms", *(f"generator {1000 * n} 10" for n in range(1, 60))])
        tables = timeline(*OPENED, *rejections(500, 11))
        assert said("B4", FIVE, **tables, samples=late).measured.startswith("p99 1.00 ms")

    def test_is_not_exercised_where_no_operation_is_behind_it(self) -> None:
        """Sessions were opened, and nothing else."""
        assert on("B4", (200, "connect_error", "open_session")).status == "not_exercised"

    def test_ten_milliseconds_are_quick_enough(self) -> None:
        """The bound itself."""
        assert on("B4", *OPENED, *rejections(500, 10)).status == "pass"

    def test_a_few_slow_ones_prove_nothing(self) -> None:
        """One of twenty."""
        found = on("B4", *OPENED, *rejections(18), (9000, "rejected", "observe", 0, 20))
        assert found.status == "inconclusive"

    def test_retries_are_an_operations_own(self) -> None:
        """Promised for predictions alone, they excuse no observe; promised for all, they excuse both."""
        events = [*row("connect_error", 5), *rejections(500, 50)]
        breaker = {"breaker": {"fail_max": 5}}
        own = promise({**breaker, "calls": {"predict": {"retry": {"max_attempts": 2}}}})
        assert on("B4", *events, promised=own).status == "fail"
        assert on("B4", *((at, how, "predict", *more[1:]) for at, how, *more in events), promised=own).status != "fail"
        both = promise({**breaker, "retry": {"max_attempts": 2}})
        mixed = [(at, how, ("observe", "predict")[n % 2], 0, 50) for n, (at, how, *_) in enumerate(events)]
        assert on("B4", *mixed, promised=both).status == "not_exercised"

    def test_what_slept_on_a_rejection_is_left_out_with_its_short_waits(self) -> None:
        """A back-off with full jitter lasts between 0 and 100 ms; without any that lasts 50 ms it is no sleep."""
        policy = promise({"breaker": {"fail_max": 5}, "retry": {"max_attempts": 2}})
        waits = [event for n in range(10) for event in rejections(51, 10 * n)]
        assert on("B4", *row("connect_error", 5), *waits, promised=policy).status == "not_exercised"
        short = [event for event in waits if event[4] < 50]
        assert on("B4", *row("connect_error", 5), *short, promised=policy).status == "fail"

    @pytest.mark.parametrize(("attempts", "status"), [(1, "fail"), (2, "not_exercised")])
    def test_a_retrying_client_may_have_slept(self, attempts: int, status: str) -> None:
        """50 ms and more are R10's matter, where there are retries at all."""
        policy = promise({"breaker": {"fail_max": 5}, "retry": {"max_attempts": attempts}})
        events = [*row("connect_error", 5), *rejections(500, 50)]
        assert on("B4", *events, promised=policy).status == status


class TestB5:
    """One trial at a time."""

    def test_who_waited_out_a_rejection_is_tried_when_it_is_sent(self) -> None:
        """Two calls were turned away and slept; a later one was the trial, and closed the breaker before they were
        sent."""
        calls = ["call op start_ms end_ms outcome error"]
        attempts = ["call attempt start_ms end_ms result status"]
        for n, (at, sent, took) in enumerate([*((200 * m, 200 * m, 10) for m in range(1, 6)), (1200, 0, 0),
                                              (4100, 4250, 10), (4150, 4230, 20), (4200, 4200, 10)], 1):  # fmt: skip
            failed = n < 6
            outcome = "rejected breaker_open" if not sent else "error reset" if failed else "ok -"
            calls.append(f"{n} observe {at} {sent + took or at} {outcome}")
            if sent:
                attempts.append(f"{n} 1 {sent} {sent + took} {'reset 0' if failed else '- 200'}")
        found = said("B5", FIVE, calls="\n".join(calls), attempts="\n".join(attempts))
        assert found.status == "not_exercised"

    def during(self, count: int, *more: Event, promised: Promise = FIVE) -> Verdict:
        """The slow trial with so many rejections meanwhile."""
        came: list[Event] = [(4350 + 50 * n, "rejected") for n in range(count)]
        return on("B5", *OPENED, TRIAL, *came, *more, promised=promised)

    def test_ten_calls_meanwhile_tell(self) -> None:
        """Nine don't: how many come while a quick trial lasts is chance."""
        found = self.during(10)
        assert (found.status, found.measured, found.bound) == ("pass", "1", "1")
        assert self.during(9).status == "not_exercised"

    def test_one_more_that_was_tried_fails_it(self) -> None:
        """Both are named; one that came when the trial had ended is none of them."""
        found = self.during(10, (5000, "ok"))
        assert (found.status, calls_of(found), found.measured, found.bound) == ("fail", [7, 18], "2", "1")
        assert self.during(10, (5300, "ok")).status == "pass"

    @pytest.mark.parametrize(("at", "status"), [(5345, "pass"), (5355, "fail")])
    def test_who_is_let_through_within_50_ms_of_a_served_trial_met_a_closed_one(self, at: int, status: str) -> None:
        """It ended at 5.3 s, and the rejection after it may be older than its answer; a breaker that is still turning
        calls away later has opened again, and then two at once are one too many."""
        slow: list[Event] = [(at + n, "ok", "observe", 0, 1000) for n in (0, 5)]
        assert self.during(10, (5320, "rejected"), *slow).status == status

    @pytest.mark.parametrize("permits", [{"half_open_trials": 2}, {"success_threshold": 2}])
    def test_permits_and_successes_allow_as_many(self, permits: dict[str, int]) -> None:
        """Two at once, not three."""
        two = promise({"breaker": {"fail_max": 5, "reset_timeout": 3.0, **permits}})
        assert self.during(10, (5000, "ok"), promised=two).status == "pass"
        assert self.during(10, (5000, "ok"), (5005, "ok"), promised=two).status == "fail"


class TestB6:
    """A failed trial opens it again."""

    FAILED = (*OPENED, (4300, "connect_error"))

    def test_passes_where_the_next_call_was_rejected(self) -> None:
        """One failed trial that opened it again."""
        assert on("B6", *self.FAILED, (4600, "rejected")).status == "pass"

    @pytest.mark.parametrize(("at", "status"), [(4400, "fail"), (7250, "fail"), (7270, "not_exercised")])
    def test_fails_by_one_call_let_through_before_the_reset_time_out(self, at: int, status: str) -> None:
        """The trial ended at 4.31 s, and 50 ms before 7.31 s nobody can tell."""
        found = on("B6", *self.FAILED, (at, "ok"))
        assert (found.status, calls_of(found)) == (status, [8] if status == "fail" else [])
        assert status != "fail" or found.bound == "3.00 s"

    def test_who_came_at_its_very_end_is_not_held_against_it(self) -> None:
        """40 ms after it; the next one was rejected."""
        assert on("B6", *self.FAILED, (4350, "ok"), (4600, "rejected")).status != "fail"

    def test_an_answer_of_5xx_to_the_trial_is_b3s_matter(self) -> None:
        """B6 leaves it out."""
        assert on("B6", *OPENED, (4300, "503"), (4600, "ok")).status == "not_exercised"

    def test_a_trial_that_was_served_opens_nothing(self) -> None:
        """What follows it may go through."""
        assert on("B6", *OPENED, (4300, "ok"), (4600, "ok")).status == "not_exercised"

    def test_of_two_permitted_trials_both_have_to_fail(self) -> None:
        """The second of them tells."""
        two = promise({"breaker": {"fail_max": 5, "reset_timeout": 3.0, "half_open_trials": 2}})
        pair: list[Event] = [(4300, "connect_error", "observe", 0, 100), (4310, "ok", "observe", 0, 100)]
        assert on("B6", *OPENED, *pair, (4600, "ok"), promised=two).status == "not_exercised"
        pair[1] = (4310, "connect_error", "observe", 0, 100)
        assert calls_of(on("B6", *OPENED, *pair, (4600, "ok"), promised=two)) == [9]

    def test_of_two_trials_the_last_to_end_decides(self) -> None:
        """Both failed, the first to begin 200 ms after the other: what came before that is not held against it."""
        two = promise({"breaker": {"fail_max": 5, "reset_timeout": 3.0, "half_open_trials": 2}})
        slow: Event = (4300, "connect_error", "observe", 0, 300)
        quick: Event = (4310, "connect_error", "observe", 0, 100)
        assert on("B6", *OPENED, slow, quick, (4500, "rejected"), promised=two).status != "fail"
        assert calls_of(on("B6", *OPENED, slow, quick, (4800, "ok"), promised=two)) == [9]


class TestB7:
    """It closes when KATO is back."""

    def events(self, *more: Event, until: int = 8000) -> list[Event]:
        """Opened in an outage that ended at 1.5 s, rejected until 4 s, closed by a trial at 4.2 s."""
        rejected: list[Event] = [(at, "rejected") for at in range(1400, 4200, 200)]
        served: list[Event] = [(at, "ok") for at in range(4200, until, 200)]
        return sorted([*OPENED, *rejected, *served, *more])

    def after(self, *more: Event, until: int = 8000, faults: str = OUTAGE, promised: Promise = FIVE) -> Verdict:
        """B7's verdict on that."""
        return on("B7", *self.events(*more, until=until), faults=faults, promised=promised)

    def test_passes_where_a_trial_closed_it(self) -> None:
        """The whole outage counts once."""
        found = self.after()
        assert (found.status, "1 outage," in found.reason) == ("pass", True)

    @pytest.mark.parametrize(("at", "status"), [(4910, "pass"), (4970, "fail"), (8000, "fail")])
    def test_fails_by_one_rejection_after_its_time(self, at: int, status: str) -> None:
        """1.5 s + the reset time-out of 3 s + a gap of 200 ms + a trial of 10 ms + 250 ms."""
        assert self.after((at, "rejected")).status == status

    def test_is_not_exercised_where_nobody_was_served_late_enough(self) -> None:
        """The load ended with the trial, or the next outage came first."""
        assert self.after(until=4400).status == "not_exercised"
        again = f"{OUTAGE}\nagain refuse 4500 4500 9000"
        assert self.after(faults=again).status == "not_exercised"

    @pytest.mark.parametrize(
        ("more", "early", "late"),
        [((4150, "ok", "observe", 0, 600), 5400, 5700), ((1450, "connect_error", "observe", 0, 800), 5600, 6600)],
    )
    def test_a_slow_trial_and_the_longest_call_are_added(self, more: Event, early: int, late: int) -> None:
        """600 ms of a trial; a call that went on for 750 ms after the outage."""
        assert self.after(more, (early, "rejected")).status == "pass"
        assert self.after(more, (late, "rejected")).status == "fail"

    def test_the_promised_time_out_is_added(self) -> None:
        """A call that began in the outage may go on for a second."""
        slow = promise({"breaker": {"fail_max": 5, "reset_timeout": 3.0}, "timeout": {"total": 1.0}})
        assert self.after((5800, "rejected"), promised=slow).status == "pass"
        assert self.after((7800, "rejected"), promised=slow).status == "fail"

    @pytest.mark.parametrize(("until", "status"), [(4600, "not_exercised"), (5200, "fail")])
    def test_a_trial_is_due_while_the_outage_lasts_too(self, until: int, status: str) -> None:
        """Opened at 1.01 s; 3 s, a gap of 200 ms and 250 ms later somebody had to be tried."""
        rejected: list[Event] = [(at, "rejected") for at in range(1400, until, 200)]
        lasting = OUTAGE.replace("1500", "9000")
        assert on("B7", *OPENED, *rejected, faults=lasting).status == status
        tried: Event = (4100, "connect_error")
        assert on("B7", *sorted([*OPENED, *rejected, tried]), faults=lasting).status == "not_exercised"
        probed = timeline(*OPENED, *rejected)
        probed["attempts"] += "\n0 1 3000 3010 connect_error 0 0"
        assert said("B7", FIVE, **probed, faults=lasting).status == "not_exercised"

    def test_an_outage_that_opened_nothing_closes_nothing(self) -> None:
        """Nor does one whose breaker had closed before it ended; one before the outage that did changes nothing."""
        assert on("B7", *row("ok", 40), faults=OUTAGE).status == "not_exercised"
        assert self.after(faults=OUTAGE.replace("1500", "5000"), until=16_000).status == "not_exercised"
        assert self.after(faults=f"{OUTAGE}\nslow latency 20 20 60").status == "pass"

    def test_is_not_exercised_by_one_call_or_none(self) -> None:
        """Nobody can say how often calls came."""
        assert on("B7", *OPENED, (2000, "rejected"), faults=OUTAGE).status == "not_exercised"
        assert said("B7", FIVE, calls="call op start_ms end_ms", faults=OUTAGE).status == "not_exercised"

    def test_outages_that_follow_at_once_are_one(self) -> None:
        """The second began as the first ended, and calls were rejected until 6.4 s."""
        again = f"{OUTAGE}\nagain refuse 1500 1500 6500"
        rejected: list[Event] = [(at, "rejected") for at in range(1400, 6600, 200)]
        rejected[14] = (4200, "connect_error")
        served: list[Event] = [(at, "ok") for at in range(7400, 12_000, 200)]
        assert on("B7", *OPENED, *rejected, *served, faults=again).status == "pass"

    def test_every_outage_counts(self) -> None:
        """Two of them, each with its opening and its trial."""
        events = self.events()
        again = f"{OUTAGE}\nagain refuse 10150 10150 11500"
        twice = [*events, *((event[0] + 10_000, *event[1:]) for event in events)]
        assert "2 outages" in on("B7", *twice, faults=again).reason

    def test_what_a_second_outage_rejects_is_not_held_against_it(self) -> None:
        """It began at 6 s, and closed nothing by the end."""
        again = f"{OUTAGE}\nagain refuse 6000 6000 9000"
        assert self.after((7500, "rejected"), faults=again).status == "pass"


class TestB10:
    """Its clock is steady."""

    def stepped(self, tried: int, at_ms: int = 2000) -> Verdict:
        """Opened at 1.01 s, asked each 200 ms, tried again at this moment; the clock was set at that one."""
        rejected: list[Event] = [(at, "rejected") for at in range(1400, tried, 200)]
        facts = {"clock_steps": [{"at_ns": at_ms * 1_000_000}]}
        return on("B10", *OPENED, *rejected, (tried, "ok"), (tried + 100, "ok"), facts=facts)

    @pytest.mark.parametrize(("tried", "status"), [(2500, "fail"), (2700, "pass"), (5400, "pass"), (5500, "fail")])
    def test_it_is_open_for_its_time(self, tried: int, status: str) -> None:
        """3 s, give or take 250 ms, the 200 ms between calls, and a second of whole seconds kept."""
        assert self.stepped(tried).status == status

    def test_each_opening_that_was_stepped_counts(self) -> None:
        """One of them, and both of two."""
        assert "1 step " in self.stepped(4100).reason
        rejected: list[Event] = [(at, "rejected") for at in range(1400, 4100, 200)]
        events = [*OPENED, *rejected, (4100, "ok"), (4200, "ok")]
        twice = [*events, *((event[0] + 10_000, *event[1:]) for event in events)]
        steps = [{"at_ns": 2_000_000_000}, {"at_ns": 12_000_000_000}]
        assert "2 steps " in on("B10", *twice, facts={"clock_steps": steps}).reason

    def test_it_tells_how_long_it_was_open(self) -> None:
        """Five seconds instead of three, by the trial."""
        found = self.stepped(6010)
        assert (found.measured, found.bound, calls_of(found)) == ("5.00 s", "3.00 s", [31])

    @pytest.mark.parametrize(("at", "status"), [(1009, "not_exercised"), (1010, "fail"), (6010, "not_exercised")])
    def test_a_step_counts_while_it_is_open(self, at: int, status: str) -> None:
        """From the opening on, and no longer with the trial."""
        assert self.stepped(6010, at).status == status
