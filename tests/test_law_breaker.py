"""Breaker laws on what opens it and what flows through it: on literal histories, and on a simulated one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from breaker_cases import FIVE, NONE, failing, simulated
from breaker_sim import Plan, simulate
from law_cases import calls_of, promise, said, verdict

from harness.evidence.history import table


class TestB1:
    """It opens when its count is full, and stays open."""

    def test_passes_where_refusals_open_it(self) -> None:
        """Five refusals, then a rejection."""
        assert said("B1", FIVE, **failing([200] + [0] * 5)).status == "pass"

    def test_fails_by_one_call_let_through(self) -> None:
        """A sixth try instead of the rejection."""
        found = said("B1", FIVE, **failing([200] + [0] * 6, last_rejected=False))
        assert (found.status, calls_of(found), found.bound) == ("fail", [7], "5")

    def test_fails_by_one_try_before_the_reset_time_out(self) -> None:
        """Rejected at 1.2 s, tried again at 1.4 s, and 3 s were promised."""
        tables = failing([200] + [0] * 5)
        tables["calls"] += "\n8 observe 1600 1610 ok -"
        tables["attempts"] += "\n8 1 1600 1610 - 200"
        found = said("B1", FIVE, **tables)
        assert (found.status, calls_of(found)) == ("fail", [8])

    def test_5xx_are_left_to_b3(self) -> None:
        """A run with a 503 in it is B3's matter."""
        assert said("B1", FIVE, **failing([0, 0, 503, 0, 0, 0, 0], last_rejected=False)).status == "not_exercised"

    def test_is_inconclusive_where_nobody_called_after(self) -> None:
        """Five failures at the very end."""
        assert said("B1", FIVE, **failing([0] * 5, last_rejected=False)).status == "inconclusive"

    def test_is_not_exercised_by_four_failures(self) -> None:
        """The count was never full."""
        assert said("B1", FIVE, **failing([200, 0, 0, 0, 0, 200], last_rejected=False)).status == "not_exercised"

    def test_does_not_apply_without_a_breaker(self) -> None:
        """None is promised."""
        assert said("B1", NONE, **failing([0] * 6, last_rejected=False)).status == "not_applicable"

    def test_is_inconclusive_where_the_limit_is_unknown(self) -> None:
        """A breaker without a number can't be held to it."""
        unknown = promise({"breaker": {"reset_timeout": 3.0}})
        assert said("B1", unknown, **failing([0] * 6, last_rejected=False)).status == "inconclusive"

    def test_simulated_breakers(self) -> None:
        """A correct one passes, one that counts nothing and one that resets too early fail."""
        assert simulated("B1").status == "pass"
        assert simulated("B1", counts=lambda how: False).status == "fail"
        assert simulated("B1", reset_s=1.5).status == "fail"

    def test_two_workers_have_a_count_each(self) -> None:
        """Five failures in each of two processes are no ten."""
        assert simulated("B1", workers=2, rate=40.0).status == "pass"


class TestB2:
    """It does not open early."""

    def test_passes_where_it_opened_on_a_full_count(self) -> None:
        """Five refusals before the rejection."""
        assert said("B2", FIVE, **failing([200] + [0] * 5)).status == "pass"

    def test_fails_by_one_failure_less(self) -> None:
        """Four refusals before the rejection."""
        found = said("B2", FIVE, **failing([200] + [0] * 4))
        assert (found.status, calls_of(found)) == ("fail", [6])

    def test_fails_where_a_success_did_not_reset_the_count(self) -> None:
        """Four, a success, and one more."""
        assert said("B2", FIVE, **failing([0] * 4 + [200] + [0])).status == "fail"

    def test_is_not_exercised_where_nothing_failed(self) -> None:
        """Only successes."""
        assert said("B2", FIVE, **failing([200] * 9, last_rejected=False)).status == "not_exercised"

    def test_a_call_may_wait_for_the_very_try_that_opens_it(self) -> None:
        """The first refused call begins 60 ms before the fifth failure ends, and is refused right after it."""
        tables = failing([200] + [0] * 5, last_rejected=False)
        tables["calls"] = tables["calls"].replace("6 observe 1200 1210", "6 observe 1148 1210")
        waited = "\n7 observe 1150 1211 rejected breaker_open"
        assert said("B2", FIVE, calls=tables["calls"] + waited, attempts=tables["attempts"]).status == "pass"

    def test_a_breaker_on_a_ratio_is_held_to_its_own_form(self) -> None:
        """Half of at least ten calls: five failures may open it, four may not."""
        ratio = promise({"breaker": {"failure_ratio": 0.5, "min_calls": 10, "window": 60.0, "reset_timeout": 3.0}})
        assert said("B2", ratio, **failing([200, 0] * 5)).status == "pass"
        assert said("B2", ratio, **failing([200, 0] * 4)).status == "fail"

    def test_a_share_below_the_ratio_may_not_open_it_however_many_failed(self) -> None:
        """Five of ten may, five of eleven may not."""
        ratio = promise({"breaker": {"failure_ratio": 0.5, "min_calls": 10, "window": 60.0, "reset_timeout": 3.0}})
        half = [0, 200, 200, 0, 200, 0, 200, 0, 200, 0]
        assert said("B2", ratio, **failing(half)).status == "pass"
        assert said("B2", ratio, **failing([0, 200, *half[1:]])).status == "fail"

    def test_simulated_breakers(self) -> None:
        """A count that is never set back opens in the third blip."""
        blips = tuple((at, at + 0.1) for at in (3.0, 6.0, 9.0, 12.0, 15.0))
        assert simulated("B2", down=blips, poisson=False).status == "pass"
        assert simulated("B2", down=blips, poisson=False, resets=False).status == "fail"


class TestB3:
    """The right failures are counted."""

    def test_passes_where_5xx_open_it(self) -> None:
        """Five answers of 503, then a rejection."""
        assert said("B3", FIVE, **failing([200] + [503] * 5)).status == "pass"

    def test_fails_by_one_call_let_through(self) -> None:
        """The same with a sixth try instead of the rejection."""
        found = said("B3", FIVE, **failing([200] + [503] * 6, last_rejected=False))
        assert (found.status, calls_of(found), found.bound) == ("fail", [7], "5")

    def test_fails_where_a_503_between_resets_the_count(self) -> None:
        """[cut ×4, 503]*: five in a row, again and again, and never open."""
        found = said("B3", FIVE, **failing([0, 0, 0, 0, 503, 0, 0, 0, 0, 503], last_rejected=False))
        assert (found.status, calls_of(found)) == ("fail", [6, 7, 8, 9, 10])

    def test_a_success_between_resets_the_count(self) -> None:
        """Four and four failures with a success between needn't open anything."""
        assert said("B3", FIVE, **failing([503] * 4 + [200] + [503] * 4, last_rejected=False)).status == "not_exercised"

    def test_calls_that_were_under_way_are_not_held_against_it(self) -> None:
        """Six calls at once, all 503: none started after the count was full."""
        calls = ["call op start_ms end_ms outcome error"] + [
            f"{n} observe 100 {200 + n} error 5xx" for n in range(1, 7)
        ]
        attempts = ["call attempt start_ms end_ms status"] + [f"{n} 1 100 {200 + n} 503" for n in range(1, 7)]
        found = said("B3", FIVE, calls="\n".join(calls), attempts="\n".join(attempts))
        assert found.status == "inconclusive"

    def test_fails_where_4xx_open_it(self) -> None:
        """Five answers of 422 are the caller's mistakes."""
        found = said("B3", FIVE, **failing([200] + [422] * 5))
        assert found.status == "fail"
        assert "4xx" in found.reason

    def test_does_not_apply_without_a_breaker(self) -> None:
        """No breaker is declared or read."""
        assert said("B3", NONE, **failing([503] * 6, last_rejected=False)).status == "not_applicable"

    def test_counts_that_were_only_read_lower_nothing(self) -> None:
        """Code that counts 5xx as success is the defect; a declaration is a promise."""
        counts = {"breaker": {"counts": ["connect_error"]}}
        known = {"breaker": {"fail_max": 5, "reset_timeout": 3.0}}
        case = failing([503] * 6, last_rejected=False)
        assert said("B3", promise(known, counts), **case).status == "fail"
        assert said("B3", promise({"breaker": known["breaker"] | counts["breaker"]}), **case).status == "not_exercised"

    def test_a_simulated_correct_breaker_passes(self) -> None:
        """It opens on 503, with and without a fallback that hides its error."""
        assert simulated("B3", how="503").status == "pass"
        assert simulated("B3", how="503", fallback=True).status == "pass"

    def test_a_simulated_breaker_that_ignores_503_fails(self) -> None:
        """It never opens in seven seconds of 503."""
        assert simulated("B3", how="503", counts=lambda how: how != "503").status == "fail"

    def test_refusals_alone_are_not_its_matter(self) -> None:
        """Without any 5xx there is nothing to say."""
        assert simulated("B3").status == "not_exercised"


class TestB8:
    """Calls run side by side."""

    def flow(self, serial: bool, count: int = 20) -> dict[str, str]:
        """Calls 50 ms apart, of 1 s each: one at a time or together."""
        calls, attempts = ["call op start_ms end_ms outcome"], ["call attempt start_ms end_ms status"]
        for n in range(1, count + 1):
            begin = 1000 * n if serial else 50 * n
            calls.append(f"{n} observe {50 * n} {begin + 1000} ok")
            attempts.append(f"{n} 1 {begin} {begin + 1000} 200")
        return {"calls": "\n".join(calls), "attempts": "\n".join(attempts)}

    def test_passes_where_attempts_overlap(self) -> None:
        """Twenty at once."""
        slow = "name kind applied_ms effective_ms cleared_ms\nslow latency 0 0 100"
        found = said("B8", NONE, faults=slow, **self.flow(serial=False))
        assert (found.status, found.measured) == ("pass", "20")

    def test_fails_where_calls_wait_for_each_other(self) -> None:
        """One attempt at a time, with nineteen calls waiting."""
        assert said("B8", NONE, **self.flow(serial=True)).status == "fail"

    def test_is_not_exercised_by_few_calls(self) -> None:
        """Nine in flight are no crowd."""
        assert said("B8", NONE, **self.flow(serial=True, count=9)).status == "not_exercised"

    def test_waits_between_retries_are_no_queue(self) -> None:
        """Twenty calls that failed at once and wait two seconds each before they try again, one after the other."""
        calls, attempts = ["call op start_ms end_ms outcome"], ["call attempt start_ms end_ms result status"]
        for n in range(1, 21):
            calls.append(f"{n} observe {10 * n} {2000 + 100 * n} ok")
            attempts += [f"{n} 1 {10 * n} {10 * n + 1} reset 0", f"{n} 2 {1910 + 100 * n} {2000 + 100 * n} - 200"]
        found = said("B8", NONE, calls="\n".join(calls), attempts="\n".join(attempts))
        assert found.status == "not_exercised"

    def test_a_limit_on_the_rate_is_no_queue_for_a_lock(self) -> None:
        """Ten a second, 20 ms each, with a crowd waiting for its turn."""
        calls, attempts = ["call op start_ms end_ms outcome"], ["call attempt start_ms end_ms status"]
        for n in range(1, 31):
            calls.append(f"{n} observe {n} {100 * n + 20} ok")
            attempts.append(f"{n} 1 {100 * n} {100 * n + 20} 200")
        found = said("B8", NONE, calls="\n".join(calls), attempts="\n".join(attempts))
        assert found.status != "fail"


class TestB9:
    """What is awaited is counted."""

    def asynchronous(self, **plan: Any) -> Any:
        history = simulate(Plan(**plan))[0]
        size = len(history.attempts)
        attempts = table("attempts", {**history.attempts.columns, "via": ["httpx_async"] * size})
        return verdict("B9", replace(history, attempts=attempts), FIVE)

    def test_passes_where_calls_were_rejected(self) -> None:
        """Its breaker opened."""
        assert self.asynchronous().status == "pass"

    def test_fails_where_an_outage_let_everything_through(self) -> None:
        """140 failures and no rejection."""
        assert self.asynchronous(counts=lambda how: False).status == "fail"

    def test_is_not_exercised_without_an_outage(self) -> None:
        """Nothing failed."""
        assert self.asynchronous(down=()).status == "not_exercised"

    def test_does_not_apply_to_synchronous_clients(self) -> None:
        """The simulated client's attempts came through no asynchronous transport."""
        assert simulated("B9").status == "not_applicable"
