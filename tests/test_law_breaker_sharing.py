"""Which operations share a breaker, row by row."""

from __future__ import annotations

import pytest
from breaker_timeline import FIVE, OPENED, PER_CALL, Event, on, row, timeline
from law_cases import calls_of, promise

from harness.evidence.history import History
from harness.laws.breaker_state import events_of
from harness.laws.case import Case
from harness.policy import Promise


def shared(*events: Event, promised: Promise = FIVE) -> set[tuple[str, ...]]:
    """The operations behind each breaker."""
    case = Case(History.literal(**timeline(*sorted(events))), promised)
    return {tuple(sorted(e.ops)) for e in events_of(case)}


def of(op: str, *events: Event, later_ms: int = 0) -> list[Event]:
    """These events as another operation's, and later."""
    return [(at + later_ms, how, op, *more[1:]) for at, how, *more in events]


class TestDivisions:
    """Operations share one breaker, unless that makes it break its promise and another division does not."""

    LATER = of("predict", *OPENED, (4300, "ok"), later_ms=20_000)
    """Predictions opened a breaker by themselves, at another time."""

    @pytest.mark.parametrize("alone", ["observe", "predict", "learn"])
    def test_of_three_any_two_may_share_one(self, alone: str) -> None:
        """Three failures of one and two of the other opened theirs, while the third went on; later the other way."""
        one, other = sorted({"observe", "predict", "learn"} - {alone})
        fails = [(at, how, one if n % 2 else other) for n, (at, how) in enumerate(row("connect_error", 5))]
        turned: list[Event] = [(at, "rejected", (one, other)[at % 400 // 200]) for at in range(1200, 4200, 200)]
        closed: list[Event] = [(at, "ok", (one, other)[at % 400 // 200]) for at in range(4200, 12_000, 200)]
        own = of(alone, *OPENED, *((at, "rejected") for at in range(1400, 4200, 200)), (4300, "ok"), later_ms=5000)
        beside = of(alone, *((at, "ok") for at in [*range(50, 4800, 100), *range(9500, 12_000, 100)]))
        known: list[Event] = [(10, "ok", "learn"), (20, "ok", "observe"), (30, "ok", "predict")]
        found = shared(*known, *fails, *turned, *closed, *own, *beside)
        assert found == {(alone,), tuple(sorted((one, other)))}

    def test_a_try_before_its_time_divides_them(self) -> None:
        """Observes opened theirs at 1.01 s; the fifth prediction, which opened its own, was let through at 1.25 s."""
        turned: list[Event] = [(at, "rejected") for at in range(1400, 4200, 200)]
        predicted: list[Event] = [(at, "connect_error") for at in (300, 500, 700, 900, 1250)]
        own = of("predict", *predicted, *((at + 50, "rejected") for at in range(1400, 4200, 200)), (4350, "ok"))
        assert shared(*OPENED, *turned, (4300, "ok"), *own) == {("observe",), ("predict",)}

    @pytest.mark.parametrize(("tried", "count"), [(3950, 2), (3960, 1)])
    def test_50_ms_before_the_reset_time_out_nobody_can_tell(self, tried: int, count: int) -> None:
        """Observes opened theirs at 1.01 s; a prediction was served just before 4.01 s, and they failed later."""
        assert len(shared(*OPENED, (tried, "ok", "predict"), (4300, "ok"), *self.LATER)) == count

    def test_the_reset_time_out_runs_from_the_failure_that_filled_the_count(self) -> None:
        """A sixth failure was under way then, and ended at 1.25 s: a prediction served at 4 s came in time."""
        slow: Event = (1050, "connect_error", "observe", 0, 200)
        events: list[Event] = [*OPENED[:-1], slow, (1300, "rejected"), (4000, "ok", "predict"), (4300, "ok")]
        assert shared(*events, *self.LATER) == {("observe", "predict")}

    def test_successes_between_its_failures_divide_them(self) -> None:
        """Predictions were served between observes' failures, and the other way: each opened by its own."""
        between = [(at + 100, "ok", "predict") for at, how in OPENED[:4]]
        assert shared(*OPENED, *between, (4300, "ok")) == {("observe",)}
        later = [(at + 20_100, "ok") for at, how in OPENED[:4]]
        assert len(shared(*OPENED, *between, (4300, "ok"), *self.LATER, *later)) == 2

    def test_trials_of_one_and_rejections_of_the_other_are_one_breakers(self) -> None:
        """Two predictions failed before it opened and three as its trials; all that was rejected meanwhile was an
        observe."""
        predicted = [(at, "connect_error", "predict") for at in (250, 450, 4300, 7400, 10_500)]
        turned: list[Event] = [(at, "rejected") for at in (4000, 4400, 7300, 7500, 10_400, 10_600)]
        last: list[Event] = [(10_700, "rejected", "predict"), (13_600, "ok", "predict"), (13_700, "ok")]
        assert shared(*OPENED, *predicted, *turned, *last) == {("observe", "predict")}

    def test_a_trial_before_its_time_that_nothing_followed_divides_them(self) -> None:
        """Observes opened theirs at 10.01 s, and the last call of the run was a prediction, served at 10.3 s."""
        before = of("predict", *OPENED, (4300, "ok"))
        assert shared(*before, *of("observe", *OPENED, later_ms=9000), (10_300, "ok", "predict")) == {
            ("observe",), ("predict",),
        }  # fmt: skip

    def test_of_a_second_opening_too_the_whole_time_is_owed(self) -> None:
        """As above, and an observe was turned away at last."""
        before = of("predict", *OPENED, (4300, "ok"))
        early: list[Event] = [(10_300, "ok", "predict"), (10_400, "rejected")]
        assert len(shared(*before, *of("observe", *OPENED, later_ms=9000), *early)) == 2

    def test_a_trial_right_after_a_failed_one_divides_them(self) -> None:
        """Both opened at about the same time: the predictions' trial came 0.2 s after that of the observes."""
        own = of("predict", *row("connect_error", 5, 150), (1350, "rejected"), (4400, "connect_error"))
        later: list[Event] = [(4500, "rejected"), (4600, "rejected", "predict"), (7500, "ok"), (7600, "ok", "predict")]
        assert shared(*OPENED, *own, (4200, "connect_error"), (4300, "rejected"), *later) == {
            ("observe",),
            ("predict",),
        }

    def test_a_rejection_after_a_served_trial_divides_them(self) -> None:
        """Both opened at about the same time: the observes' trial was served at 4.21 s, and predictions were turned
        away until theirs was, 0.2 s later."""
        own = of("predict", *row("connect_error", 5, 150), (1350, "rejected"), (4330, "rejected"), (4400, "ok"))
        assert shared(*OPENED, (1300, "rejected"), (4200, "ok"), *own, (4500, "ok")) == {("observe",), ("predict",)}

    def test_a_rejection_within_50_ms_of_a_served_trial_divides_nobody(self) -> None:
        """The prediction may have asked before the trial's answer was there."""
        own = of("predict", *row("connect_error", 5, 150), (1350, "rejected"), (4255, "rejected"), (4400, "ok"))
        assert shared(*OPENED, (1300, "rejected"), (4200, "ok"), *own, (4500, "ok")) == {("observe", "predict")}

    def test_two_openings_that_one_breaker_explains_are_one_breakers(self) -> None:
        """Observes failed at first and predictions soon after it had closed: the coarsest of equals."""
        turned = [(at, "rejected") for at in range(1400, 4200, 200)]
        first: list[Event] = [(at + 9000, how) for at, how in [*OPENED, *turned, (4200, "ok")]]
        second = of("predict", *OPENED, *turned, (4200, "ok"), later_ms=13_200)
        assert shared((200, "ok"), *first, *second) == {("observe", "predict")}

    def test_a_division_whose_first_call_is_turned_away_explains_no_more(self) -> None:
        """A prediction was rejected before any had failed; those that were served later are no excuse."""
        turned: list[Event] = [(at, "rejected") for at in range(1400, 4200, 200)]
        second: list[Event] = [(at + 5000, how) for at, how in OPENED]
        predicted: list[Event] = [(1250, "rejected"), (4500, "ok"), (5700, "ok")]
        events = [*OPENED, *turned, (4200, "ok"), *second, *of("predict", *predicted)]
        assert shared(*events) == {("observe", "predict")}
        assert on("B2", *sorted(events)).status == "fail"

    def test_failures_of_two_that_surely_share_one_are_added_up(self) -> None:
        """Six in turn, and then both were rejected: no breaker of either's own explains that, and five fill a count."""
        fails: list[Event] = [(at, how, ("observe", "predict")[n % 2]) for n, (at, how) in enumerate(row("reset", 6))]
        both: list[Event] = [(1400, "rejected", "observe"), (1600, "rejected", "predict")]
        found = on("B1", *fails, *both, (4600, "ok"))
        assert (found.status, calls_of(found)) == ("fail", [6])
        assert on("B1", *fails[1:], *both, (4600, "ok")).status == "pass"

    def test_failures_of_two_with_promises_of_their_own_are_not(self) -> None:
        """Eight in turn, where the one opens after five and the other after six."""
        limits = {"observe": 5, "predict": 6}
        own = {op: {"breaker": {"fail_max": most, "reset_timeout": 3.0}} for op, most in limits.items()}
        fails: list[Event] = [(at, how, ("observe", "predict")[n % 2]) for n, (at, how) in enumerate(row("reset", 8))]
        both: list[Event] = [(1800, "rejected", "observe"), (2000, "rejected", "predict")]
        assert on("B1", *fails, *both, (5000, "ok"), promised=promise({"calls": own})).status != "fail"

    def test_failures_of_two_are_not_added_up_where_nothing_shows_that_they_share_one(self) -> None:
        """Eight in turn, and nobody was ever rejected: each may have a breaker of its own."""
        fails: list[Event] = [(at, how, ("observe", "predict")[n % 2]) for n, (at, how) in enumerate(row("reset", 8))]
        assert on("B1", *fails).status == "not_exercised"

    def test_two_behind_a_breaker_that_nobody_promised_are_held_to_nothing(self) -> None:
        """Predictions and learning went on while observes' breaker was open, and were turned away later."""
        beside: list[Event] = [(1500, "ok", "predict"), (2000, "ok", "learn"), (20_000, "reset", "predict")]
        turned: list[Event] = [(20_200, "rejected", "learn"), (20_300, "rejected", "predict"), (24_000, "ok", "learn")]
        events = [*OPENED, (1400, "rejected"), (4300, "ok"), *beside, *turned]
        assert shared(*events, promised=PER_CALL) == {("observe",), ("learn", "predict")}
        assert on("B1", *sorted(events), promised=PER_CALL).status == "pass"

    def test_failures_of_two_that_may_have_one_each_are_not(self) -> None:
        """Observes failed five times and opened theirs; predictions failed twice and were never rejected."""
        predicted: list[Event] = [(250, "reset", "predict"), (450, "reset", "predict"), (4700, "ok", "predict")]
        assert on("B1", *sorted([*OPENED, *predicted, (4300, "ok")])).status == "pass"

    def test_an_opening_that_is_too_short_is_held_against_a_division(self) -> None:
        """One breaker let a prediction through 2 s too early; a breaker of its own would have done so, too."""
        own = of("predict", *row("connect_error", 5, 250), (1350, "rejected"), (2100, "ok"))
        assert shared(*OPENED, *own, (4300, "ok")) == {("observe", "predict")}
