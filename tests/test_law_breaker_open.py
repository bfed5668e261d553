"""Breaker laws on what is open or half-open: on literal histories, and on a simulated breaker that breaks each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from breaker_cases import FIVE, failing, simulated
from breaker_sim import Plan, S, simulate
from law_cases import promise, said, verdict

from harness.evidence.history import History


class TestB4:
    """Rejections are quick."""

    def test_passes_where_rejections_take_no_time(self) -> None:
        """50 µs each."""
        found = simulated("B4")
        assert (found.status, found.bound) == ("pass", "p99 10 ms")

    def test_fails_where_they_take_20_ms(self) -> None:
        """Whatever they wait for."""
        assert simulated("B4", reject_s=0.02).status == "fail"

    def test_is_inconclusive_on_few(self) -> None:
        """19 rejections tell no p99."""
        assert simulated("B4", poisson=False, down=((5.0, 5.4),), reset_s=0.9).status == "inconclusive"

    def test_is_not_exercised_without_a_rejection(self) -> None:
        """It never opened."""
        assert simulated("B4", down=()).status == "not_exercised"


SLOW = {"down": ((5.0, 6.0),), "service_s": 1.0, "rate": 40.0}


class TestB5:
    """One trial at a time."""

    def test_passes_where_one_went_and_the_others_were_rejected(self) -> None:
        """The trial took a second, and forty calls came meanwhile."""
        assert simulated("B5", **SLOW).status == "pass"

    def test_fails_where_two_were_let_through(self) -> None:
        """One more than promised."""
        found = simulated("B5", **SLOW, trials=2)
        assert (found.status, found.measured, found.bound) == ("fail", "2", "1")

    def test_permits_are_counted(self) -> None:
        """A declaration of two trials allows two."""
        two = promise({"breaker": {"fail_max": 5, "reset_timeout": 3.0, "half_open_trials": 2}})
        assert simulated("B5", two, **SLOW, trials=2).status == "pass"

    def test_is_not_exercised_where_nobody_came_meanwhile(self) -> None:
        """A trial of 20 ms at 20/s."""
        assert simulated("B5").status == "not_exercised"

    def test_is_not_exercised_without_a_trial(self) -> None:
        """It was never half-open."""
        assert simulated("B5", down=()).status == "not_exercised"


class TestB6:
    """A failed trial opens it again."""

    LONG = {"down": ((5.0, 20.0),)}  # noqa: RUF012

    def test_passes_where_each_failed_trial_cost_another_reset_time_out(self) -> None:
        """15 s of outage, trials 3 s apart."""
        assert simulated("B6", **self.LONG).status == "pass"

    def test_fails_where_a_failed_trial_closed_it(self) -> None:
        """Five more calls go into the outage each time."""
        assert simulated("B6", **self.LONG, reopens=False).status == "fail"

    def test_passes_where_the_trials_call_waited_after_it(self) -> None:
        """It slept for 400 ms on its next, rejected try; the breaker's time counts from the trial itself."""
        tables = {
            "calls": """
            call op start_ms end_ms outcome error
            0 observe 10 20 ok -
            1 observe 1000 1001 error connect_error
            2 observe 1100 1100 rejected breaker_open
            3 observe 2200 2600 rejected breaker_open
            4 observe 2700 2700 rejected breaker_open
            5 observe 3250 3251 error connect_error
            6 observe 3300 3300 rejected breaker_open
            """,
            "attempts": """
            call attempt start_ms end_ms result
            0 1 10 20 -
            1 1 1000 1001 connect_error
            3 1 2200 2201 connect_error
            5 1 3250 3251 connect_error
            """,
        }
        promised = promise({"breaker": {"fail_max": 1, "reset_timeout": 1.0}})
        assert said("B6", promised, **tables).status == "pass"

    def test_is_not_exercised_by_a_short_outage(self) -> None:
        """The first trial succeeded."""
        assert simulated("B6", down=((5.0, 6.0),)).status == "not_exercised"


OUTAGE = """
name kind applied_ms effective_ms felt_ms cleared_ms
outage refuse 5000 5010 5020 12000
"""


def recovered(**plan: Any) -> Any:
    """B7's verdict on a simulated outage from 5 to 12 s, with the fault in the evidence."""
    history = simulate(Plan(**plan))[0]
    return verdict("B7", replace(history, faults=History.literal(faults=OUTAGE).faults), FIVE)


def two_trials(next_ms: int) -> dict[str, str]:
    """Opened at 1 s; two trials at 4.1 and 4.2 s hang until 6.1 and 6.4 s; the next one comes at `next_ms`."""
    tables = failing([0] * 5)
    calls = ["8 observe 3900 3900 rejected breaker_open", "9 observe 4100 6100 timeout read_timeout"]
    calls += ["10 observe 4200 6400 timeout read_timeout", "11 observe 6500 6500 rejected breaker_open"]
    tables["calls"] += "\n" + "\n".join([*calls, f"12 observe {next_ms} {next_ms + 10} ok -"])
    attempts = ["9 1 4100 6100 read_timeout 0", "10 1 4200 6400 read_timeout 0", f"12 1 {next_ms} {next_ms + 10} - 200"]
    tables["attempts"] += "\n" + "\n".join(attempts)
    return tables


def test_of_several_trials_the_first_failure_may_open_it_again() -> None:
    """Its 3 s may be reckoned from 6.1 s, and not from earlier."""
    two = promise({"breaker": {"fail_max": 5, "reset_timeout": 3.0, "half_open_trials": 2}})
    assert said("B6", two, **two_trials(9200)).status == "pass"
    assert said("B6", two, **two_trials(8800)).status == "fail"


class TestB7:
    """It closes when KATO is back."""

    def test_passes_where_it_closed(self) -> None:
        """A trial after the reset time-out, then no rejection."""
        assert recovered().status == "pass"

    def test_fails_where_it_never_lets_a_trial_through(self) -> None:
        """Rejections to the very end."""
        assert recovered(recovers=False).status == "fail"

    def test_is_not_exercised_where_nobody_called_later(self) -> None:
        """The load ends 2 s after the outage."""
        assert recovered(length_s=14.0).status == "not_exercised"

    def test_says_nothing_where_nothing_worked_before_the_outage(self) -> None:
        """A KATO too slow for the client's time-outs fails its trials too, whatever the fault."""
        assert recovered(down=((0.0, 25.0),)).status == "inconclusive"

    def test_a_slow_trial_is_waited_for(self) -> None:
        """Calls that are rejected during a trial of a second are no failure of recovery."""
        assert recovered(service_s=1.0).status == "pass"


class TestB10:
    """Its clock is steady."""

    def stepped(self, at_s: float, **plan: Any) -> Any:
        history = simulate(Plan(down=((5.0, 6.0),), **plan))[0]
        return verdict("B10", replace(history, facts={"clock_steps": [{"at_ns": int(at_s * S)}]}), FIVE)

    def test_passes_where_it_was_open_for_its_time(self) -> None:
        """Three seconds, whatever the wall clock did at 6 s."""
        assert self.stepped(6.0).status == "pass"

    def test_fails_where_it_was_open_for_longer(self) -> None:
        """Six seconds instead of three."""
        assert self.stepped(6.0, reset_s=6.0).status == "fail"

    def test_is_not_exercised_without_a_step_while_it_was_open(self) -> None:
        """The clock was set in peace."""
        assert self.stepped(20.0).status == "not_exercised"
