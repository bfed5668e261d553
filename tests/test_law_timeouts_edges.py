"""Time-out laws at their edges: the last moment that is in time, whose numbers count, and what the verdict says."""

from __future__ import annotations

from typing import Any

import pytest
from law_cases import calls_of, promise, said, share
from retry_cases import Try, history

from harness.evidence.history import History
from harness.laws.bounds import call_bounds_s
from harness.laws.case import Case

HEAD = "call op start_ms end_ms outcome"
TRIES = "call attempt start_ms end_ms result status"
TOTAL = promise({"timeout": {"total": 1.0}})


def one(took_ms: int, how: str = "read_timeout", op: str = "observe") -> dict[str, str]:
    """One call of one attempt that ended so."""
    status = 200 if how == "-" else 0
    return {
        "calls": f"{HEAD}\n1 {op} 10 {10 + took_ms} {'ok' if how == '-' else 'error'}",
        "attempts": f"{TRIES}\n1 1 10 {10 + took_ms} {how} {status}",
    }


def bounded(promised: Any, *tries: Try, op: str = "observe") -> str:
    """What T1 says of one call with these attempts."""
    return said("T1", promised, **history([tries], op)).status


class TestT1:
    """Every call is bounded, by the numbers of its own operation."""

    def test_the_last_moment_of_a_bound_is_within_it(self) -> None:
        """A second and ε."""
        for took, status in ((1250, "pass"), (1251, "fail")):
            assert said("T1", TOTAL, **one(took)).status == status

    def test_a_call_without_attempts_waited_for_none(self) -> None:
        """It took 5 s where attempts are bounded by what was read; another's first began much later."""
        calls = f"{HEAD}\n1 observe 0 5000 error\n2 observe 20000 20100 ok"
        read = promise(read={"timeout": {"read": 0.5}})
        found = said("T1", read, calls=calls, attempts=f"{TRIES}\n2 1 20000 20100 - 200")
        assert (found.status, calls_of(found)) == ("fail", [1])

    def test_a_few_that_timed_out_by_chance_say_nothing(self) -> None:
        """None, and one under a fault that holds nobody."""
        faults = "name kind applied_ms effective_ms cleared_ms\nout refuse 1 1 5"
        for how, told in (("reset", "no attempt"), ("read_timeout", "only 1 call")):
            found = said("T1", TOTAL, **one(900, how), faults=faults)
            assert found.reason.startswith(f"{told} ran into a time-out; it takes ")

    def test_a_call_that_never_ran_is_none_of_it(self) -> None:
        """Overflow waited for nobody: one of the two others was late."""
        calls = f"{HEAD}\n1 observe 0 1300 timeout\n2 observe 0 900 timeout\n3 observe 0 9000 overflow"
        tries = f"{TRIES}\n1 1 0 1300 read_timeout 0\n2 1 0 900 read_timeout 0"
        assert calls_of(said("T1", TOTAL, calls=calls, attempts=tries)) == [1]
        assert share("T1", TOTAL, calls=calls, attempts=tries) == 0.5

    @pytest.mark.parametrize("how", ["read_timeout", "connect_timeout", "pool_timeout"])
    def test_every_kind_of_time_out_puts_the_bound_to_the_test(self, how: str) -> None:
        """Also where the call says no more than that it failed."""
        assert said("T1", TOTAL, **one(900, how)).status == "pass"

    def test_who_queued_for_one_attempt_at_a_time_is_b8s_matter(self) -> None:
        """Twenty calls at once, each of which takes 200 ms after the one before it."""
        calls = "\n".join([HEAD, *(f"{n} observe 0 {200 * n} ok" for n in range(1, 21)), "21 predict 0 100 timeout"])
        tries = [f"{n} 1 {200 * (n - 1)} {200 * n} - 200" for n in range(1, 21)]
        attempts = "\n".join([TRIES, *tries, "21 1 0 100 read_timeout 0"])
        assert said("B8", TOTAL, calls=calls, attempts=attempts).status == "fail"
        assert said("T1", TOTAL, calls=calls, attempts=attempts).status == "pass"

    @pytest.mark.parametrize(("declared", "status"), [
        ({}, "pass"), ({"timeout": {"read": 0.5}}, "fail"), ({"timeout": {"total": 0.5}}, "fail"),
    ])  # fmt: skip
    def test_another_time_out_than_was_read_is_k2s_matter(self, declared: dict[str, Any], status: str) -> None:
        """It ended by one after 2 s; what is declared is held to."""
        assert said("T1", promise(declared, {"timeout": {"read": 0.5}}), **one(2000)).status == status

    def test_a_late_answer_is_no_other_time_out(self) -> None:
        """It was read that 0.5 s bound an attempt, and an answer came after 2 s; an observe by it excuses no other."""
        read = promise(read={"timeout": {"read": 0.5}})
        assert said("T1", read, **one(2000, "-")).status == "fail"
        calls = f"{HEAD}\n1 observe 0 2000 timeout\n2 predict 0 2000 timeout"
        tries = f"{TRIES}\n1 1 0 2000 read_timeout 0\n2 1 0 2000 read_timeout 0"
        both = promise(
            {"calls": {"predict": {"timeout": {"read": 0.5}}}}, {"calls": {"observe": {"timeout": {"read": 0.5}}}}
        )
        assert calls_of(said("T1", both, calls=calls, attempts=tries)) == [2]

    @pytest.mark.parametrize("kind", ["timeout", "pause", "latency", "delay", "store"])
    def test_whatever_stalls_may_hold_an_unbounded_call(self, kind: str) -> None:
        """For ten seconds, and no less; a second fault that held nothing excuses nobody."""
        for seconds, status in ((10.5, "fail"), (9.9, "inconclusive")):
            end = int(1000 * seconds) + 1000
            faults = f"name kind applied_ms effective_ms cleared_ms\nf {kind} 900 901 {end}\ng {kind} 50000 50001 60000"
            calls = f"{HEAD}\n1 observe 1000 {end + 10} ok"
            assert said("T1", promise(), calls=calls, faults=faults).status == status

    @pytest.mark.parametrize(("timeout", "most"), [
        ({"read": 0.5}, 1000), ({"read": 0.5, "connect": 0.2}, 700), ({"read": 0.5, "pool": 0.1}, 1100),
        ({"read": 0.5, "write": 0.3}, 1300), ({"read": 0.5, "total": 0.4}, 400),
    ])  # fmt: skip
    def test_an_attempt_may_wait_for_each_of_its_steps(self, timeout: dict[str, float], most: int) -> None:
        """Pool, connect (read, where nothing is said of it), write, read; a total is all of them."""
        promised = promise({"timeout": timeout, "retry": {"max_attempts": 1}})
        for took, status in ((most + 250, "pass"), (most + 251, "fail")):
            assert bounded(promised, (0, took, "read_timeout")) == status

    def test_a_body_may_take_as_long_as_a_read_after_its_headers(self) -> None:
        """Headers within a second, and half a second for what follows; not a second for a body of 0.7 s."""
        promised = promise({"timeout": {"read": 0.5}, "retry": {"max_attempts": 1}})
        head = f"{TRIES} headers_ms\n"
        for headers, end, status in (
            (900, 1700, "pass"),
            (1000, 1800, "fail"),
            (1600, 1700, "fail"),
            ("-", 1400, "fail"),
        ):
            calls = f"{HEAD}\n1 observe 10 {end} ok\n2 observe 10 20 timeout"
            tries = f"{head}1 1 10 {end} - 200 {headers}\n2 1 10 20 read_timeout 0 -"
            assert said("T1", promised, calls=calls, attempts=tries).status == status, (headers, end)

    def test_a_total_of_an_attempt_holds_for_its_body_too(self) -> None:
        """Headers after 0.9 s of the one second that was read, and the body 0.4 s later."""
        read = promise(read={"timeout": {"total": 1.0}, "retry": {"max_attempts": 1}})
        tries = f"{TRIES} headers_ms\n1 1 10 1310 - 200 910"
        assert said("T1", read, calls=f"{HEAD}\n1 observe 10 1310 ok", attempts=tries).status == "fail"

    def test_each_operation_has_its_own_total(self) -> None:
        """A second for observes, four for predictions."""
        each = promise({"calls": {"observe": {"timeout": {"total": 1.0}}, "predict": {"timeout": {"total": 4.0}}}})
        calls = f"{HEAD}\n1 observe 0 1300 timeout\n2 predict 0 1300 timeout"
        assert calls_of(said("T1", each, calls=calls)) == [1]

    def test_waits_that_were_seen_are_judged_by_others(self) -> None:
        """Two attempts of 0.4 s and as long a wait between them as R3 may think about; a call before it has no part."""
        promised = promise({"timeout": {"connect": 0.2, "read": 0.2}, "retry": {"max_attempts": 2}})
        long: tuple[Try, Try] = ((0, 400, "reset"), (2000, 2400, "read_timeout"))
        assert bounded(promised, *long) == "pass"
        assert said("T1", promised, **history([[(0, 10, "reset")], long])).status == "pass"
        hasty: tuple[Try, Try] = ((0, 10, "reset"), (20, 1300, "read_timeout"))
        assert said("T1", promised, **history([[(0, 10, "reset")], hasty])).status == "fail"
        assert (
            said("T1", promised, **history([[(0, 10, "read_timeout")], [(0, 1100, "read_timeout")]])).status == "fail"
        )

    def test_waits_that_are_promised_may_be_taken_between_all_attempts(self) -> None:
        """0.1 + 0.2 + 0.3 s, at most 0.3 each, and none after the last one."""
        backoff = {"initial": 0.1, "multiplier": 2.0, "max": 0.3}
        promised = promise({"timeout": {"connect": 0.1, "read": 0.1}, "retry": {"max_attempts": 4, "backoff": backoff}})
        for end, status in ((1650, "pass"), (1651, "fail")):
            assert bounded(promised, (0, end, "read_timeout")) == status

    def test_each_of_two_requests_has_all_its_attempts(self) -> None:
        """Of two: the second begins after an answer. Six attempts of 0.2 s are two too many; of another call they
        are none."""
        promised = promise({"timeout": {"connect": 0.1, "read": 0.1}, "retry": {"max_attempts": 2}})
        assert bounded(promised, (0, 400, 200), (400, 1050, "read_timeout")) == "pass"
        assert bounded(promised, (0, 400, 200), (400, 1051, "read_timeout")) == "fail"
        assert bounded(promised, (0, 400, 503), (400, 700, "read_timeout")) == "fail"
        two: list[list[Try]] = [[(0, 10, "read_timeout")], [(0, 400, 200), (400, 1050, "read_timeout")]]
        assert said("T1", promised, **history(two)).status == "pass"

    def test_no_attempts_are_seen_where_no_hook_fits(self) -> None:
        """Then the number of attempts must be known, and one that is known is enough."""
        calls = {"calls": f"{HEAD}\n1 observe 10 900 timeout"}
        known = {"timeout": {"connect": 0.1, "read": 0.5}, "retry": {"max_attempts": 1}}
        assert said("T1", promise({"timeout": known["timeout"]}), **calls).status == "inconclusive"
        assert said("T1", promise(known), **calls).status == "fail"
        assert said("T1", promise({"retry": {"max_attempts": 1}}), **calls).status == "inconclusive"

    def test_retries_without_a_number_are_allowed_as_they_were_seen(self) -> None:
        """A back-off alone says nothing about how often."""
        promised = promise({"timeout": {"connect": 0.1, "read": 0.1}, "retry": {"backoff": {"initial": 0.1}}})
        assert bounded(promised, (0, 200, "reset"), (200, 400, "reset"), (400, 800, "read_timeout")) == "pass"
        assert bounded(promised, (0, 451, "read_timeout")) == "fail"

    def test_only_a_declared_total_is_one_over_the_whole_call(self) -> None:
        """aiohttp's own, which is read, is one attempt's, of two that may be made."""
        total = {"timeout": {"total": 1.0}, "retry": {"max_attempts": 2}}
        assert said("T1", promise(read=total), **one(2300)).status == "pass"  # K2: another than was read ended it
        assert said("T1", promise(read=total), **one(2300, "-")).status == "fail"
        assert bounded(promise(read=total), (0, 2200, "read_timeout")) == "pass"
        assert bounded(promise(total), (0, 2200, "read_timeout")) == "fail"
        assert said("T2", promise(read=total), **one(900)).status == "not_applicable"


class TestT2:
    """The total ends a drip."""

    HEAD = f"{TRIES} headers_ms"
    FAULTS = "name kind applied_ms effective_ms cleared_ms\ndrip {} 1 2 90000"

    def said(self, *spans: tuple[int, int, str], kind: str = "slicer", ask: Any = said) -> Any:
        """Calls from 1 s to the first time, whose headers came at the second, if not 0."""
        calls = [
            f"{n} observe 1000 {end} {'ok' if how == '-' else 'timeout'}" for n, (end, _, how) in enumerate(spans, 1)
        ]
        tries = [f"{n} 1 1000 {end} {how} 200 {headers or '-'}" for n, (end, headers, how) in enumerate(spans, 1)]
        tables = {"calls": "\n".join([HEAD, *calls]), "attempts": "\n".join([self.HEAD, *tries])}
        return ask("T2", TOTAL, faults=self.FAULTS.format(kind), **tables)

    def test_names_the_longest_first_and_counts_those_that_dripped(self) -> None:
        """Two of three."""
        spans = ((2400, 1100, "-"), (1500, 1100, "-"), (2600, 1100, "-"))
        found = self.said(*spans)
        assert (found.status, calls_of(found), found.measured, found.bound) == ("fail", [3, 1], "1.60 s", "1.00 s")
        assert self.said(*spans, ask=share) == pytest.approx(2 / 3)

    @pytest.mark.parametrize(("end", "headers", "how", "status"), [
        (2250, 1100, "-", "pass"), (2251, 1100, "-", "fail"),
        (1801, 1100, "-", "pass"), (1800, 1100, "-", "not_exercised"),
        (1500, 1100, "read_timeout", "pass"), (1500, 0, "read_timeout", "not_exercised"),
    ])  # fmt: skip
    def test_an_answer_counts_near_its_total_or_where_it_was_given_up(
        self, end: int, headers: int, how: str, status: str
    ) -> None:
        """Four fifths of a second, or an end after its headers; what answered nothing did not drip."""
        found = self.said((end, headers, how))
        assert found.status == status
        assert status != "pass" or (found.measured, found.bound) == (f"{(end - 1000) / 1000:.2f} s", "1.00 s")

    def test_a_drip_without_a_total_proves_nothing_of_another_operations(self) -> None:
        """Predictions alone drip, and only observes have a total."""
        own = promise({"calls": {"observe": {"timeout": {"total": 1.0}}}})
        calls = f"{HEAD}\n1 predict 1000 2900 ok\n2 observe 500 600 ok"
        attempts = f"{TRIES}\n1 1 1000 2900 - 200\n2 1 500 600 - 200"
        faults = self.FAULTS.format("slicer").replace(" 1 2 ", " 700 701 ")
        assert said("T2", own, calls=calls, attempts=attempts, faults=faults).status == "not_exercised"

    def test_what_was_given_up_and_then_answered_was_not_cut_short(self) -> None:
        """A second attempt brought it, long before the total."""
        calls = f"{HEAD}\n1 observe 1000 1500 ok"
        attempts = f"{self.HEAD}\n1 1 1000 1400 reset 200 1100\n1 2 1450 1500 - 200 1490"
        faults = self.FAULTS.format("slicer")
        assert said("T2", TOTAL, calls=calls, attempts=attempts, faults=faults).status == "not_exercised"

    def test_a_call_that_was_never_sent_did_not_drip(self) -> None:
        """It was rejected late, and only its neighbour's answer dripped."""
        calls = f"{HEAD}\n1 observe 1000 1900 ok\n2 observe 1000 3000 rejected"
        attempts = f"{TRIES}\n1 1 1000 1900 - 200"
        found = said("T2", TOTAL, calls=calls, attempts=attempts, faults=self.FAULTS.format("bandwidth"))
        assert (found.status, found.measured) == ("pass", "0.90 s")

    def test_t1_leaves_every_kind_of_drip_to_it(self) -> None:
        """By bytes, by slices, by bandwidth."""
        for kind in ("drip", "slicer", "bandwidth"):
            faults = self.FAULTS.format(kind)
            assert said("T1", TOTAL, faults=faults, **one(3000, "-")).status == "not_exercised", kind


def test_how_long_a_call_may_last_by_operation() -> None:
    """A total over all attempts, or attempts of 0.8 s and waits of 0.1 and 0.2 s; nothing where nothing is known."""
    calls = f"{HEAD}\n1 observe 0 1 ok\n2 predict 0 1 ok\n3 learn 0 1 ok\n4 open_session 0 1 ok"
    attempt = {"timeout": {"connect": 0.5, "read": 0.3}}
    own = {
        "observe": {"timeout": {"total": 4.0}, "retry": {"max_attempts": 3}},
        "predict": {**attempt, "retry": {"max_attempts": 3, "backoff": {"initial": 0.1}}},
        "learn": attempt,
    }
    found = call_bounds_s(Case(History.literal(calls=calls), promise({"calls": own})))
    assert found == pytest.approx({"observe": 4.0, "predict": 2.7, "learn": 0.8})
