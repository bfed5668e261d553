"""Time-out laws on literal histories."""

from __future__ import annotations

import pytest
from law_cases import calls_of, promise, said

TOTAL = promise({"timeout": {"total": 1.0}})
READ = promise({"timeout": {"connect": 0.2, "read": 0.5}, "retry": {"max_attempts": 2, "backoff": {"initial": 0.1}}})
FAULT = """
name kind applied_ms effective_ms felt_ms cleared_ms
hole timeout 1000 1010 1100 13000
"""


class TestT1:
    """Every call is bounded."""

    ATTEMPTS = """
    call attempt start_ms end_ms result
    1    1       0        900    read_timeout
    """

    def calls(self, end_ms: int) -> str:
        return f"""
        call op      start_ms end_ms outcome
        1    observe 0        900    timeout
        2    observe 0        {end_ms} ok
        """

    def test_passes_where_every_call_ended_in_time(self) -> None:
        """1.2 s is within a total of 1 s + ε, and a time-out was needed."""
        found = said("T1", TOTAL, calls=self.calls(1200), attempts=self.ATTEMPTS)
        assert (found.status, found.bound) == ("pass", "1.25 s")

    def test_fails_by_one_late_call(self) -> None:
        """One call of 1.3 s is one too many."""
        found = said("T1", TOTAL, calls=self.calls(1300), attempts=self.ATTEMPTS)
        assert (found.status, calls_of(found), found.measured) == ("fail", [2], "1.30 s")

    def test_what_aiohttp_rounds_up_is_allowed_for(self) -> None:
        """Its time-outs above 5 s end with a whole second; 7.2 s of 6 s are late of anything else, and so are 7.3."""
        long, calls = promise({"timeout": {"total": 6.0}}), "call op start_ms end_ms outcome\n1 observe 10 {} timeout"
        attempts = "call attempt start_ms end_ms result via\n1 1 10 {0} read_timeout {1}"
        for end, via, status in ((7200, "aiohttp", "pass"), (7300, "aiohttp", "fail"), (7200, "httpx", "fail")):
            tables = {"calls": calls.format(end), "attempts": attempts.format(end, via)}
            assert said("T1", long, **tables).status == status
        tables = {"calls": calls.format(1800), "attempts": attempts.format(1800, "aiohttp")}
        assert said("T1", TOTAL, **tables).status == "fail"

    def test_no_slack_where_aiohttp_rounds_nothing(self) -> None:
        """6 s kept by two attempts of 3, or by a task's own deadline beside aiohttp's five minutes; its `sock_read` is
        never rounded, its wait for the pool is, and two attempts of 6 s are twice."""
        cases = [
            ({"total": 6.0}, {"total": 3.0}, 7200, "fail"), ({"total": 6.0}, {"total": 300.0}, 7200, "fail"),
            ({"total": 6.0}, {"read": 6.4}, 6400, "fail"),
            ({"total": 6.0}, {"total": 5.0}, 7200, "not_exercised"), ({"total": 6.0}, {"total": 4.9}, 7200, "fail"),
            ({}, {"connect": 1.0, "read": 6.0}, 8200, "fail"),
            ({}, {"connect": 6.0, "read": 1.0}, 8200, "not_exercised"),
            ({}, {"connect": 6.0, "read": 1.0}, 8300, "fail"),
        ]  # fmt: skip
        for declared, read, end, status in cases:
            promised = promise({"timeout": declared} if declared else {}, {"timeout": read})
            attempts = f"call attempt start_ms end_ms result via\n1 1 10 {end} reset aiohttp"
            calls = f"call op start_ms end_ms outcome\n1 observe 10 {end} error"
            assert said("T1", promised, calls=calls, attempts=attempts).status == status, read
        twice = promise({"retry": {"max_attempts": 2}}, {"timeout": {"total": 6.0}})
        for end, status in ((14_200, "not_exercised"), (14_300, "fail")):
            tries = f"call attempt start_ms end_ms result via\n1 1 10 7000 reset aiohttp\n1 2 7000 {end} reset aiohttp"
            calls = f"call op start_ms end_ms outcome\n1 observe 10 {end} error"
            assert said("T1", twice, calls=calls, attempts=tries).status == status, end

    def test_lag_of_the_harness_is_allowed_for(self) -> None:
        """100 ms of lag during the call excuse the 50 ms."""
        lag = """
        process time_ms lag_ms
        generator 1000 100
        """
        assert said("T1", TOTAL, calls=self.calls(1300), attempts=self.ATTEMPTS, samples=lag).status == "pass"

    def test_the_injectors_error_is_allowed_for(self) -> None:
        """The measured injector error is part of ε."""
        found = said("T1", TOTAL, {"injector_error_ns": 60_000_000}, calls=self.calls(1300), attempts=self.ATTEMPTS)
        assert found.status == "pass"

    def test_is_not_exercised_without_a_time_out(self) -> None:
        """Calls that are merely quick prove nothing."""
        calls = "call op start_ms end_ms outcome\n1 observe 0 20 ok"
        found = said("T1", TOTAL, calls=calls, attempts="call attempt start_ms end_ms status\n1 1 0 20 200")
        assert found.status == "not_exercised"
        assert "timeout" in found.reason

    def test_sums_attempts_and_back_off_without_a_total(self) -> None:
        """Two attempts of 0.7 s and one wait of 0.1 s: 1.5 s + ε."""
        attempts = """
        call attempt start_ms end_ms result
        1    1       0        700    read_timeout
        1    2       800      1500   read_timeout
        """
        calls = "call op start_ms end_ms outcome\n1 observe 0 {} timeout"
        assert said("T1", READ, calls=calls.format(1740), attempts=attempts).status == "pass"
        assert said("T1", READ, calls=calls.format(1760), attempts=attempts).status == "fail"

    def test_a_second_request_in_the_same_call_has_its_own_bound(self) -> None:
        """A client that opens its session within observe makes two requests, each bounded."""
        attempts = """
        call attempt start_ms end_ms result status
        1    1       0        600    -      200
        1    2       600      1300   read_timeout 0
        1    3       1400     2000   read_timeout 0
        """
        calls = "call op start_ms end_ms outcome\n1 observe 0 2000 timeout"
        assert said("T1", READ, calls=calls, attempts=attempts).status == "pass"

    def test_unknown_retries_are_judged_by_attempt(self) -> None:
        """Where only the attempt's time-outs were read, re-tries that nobody could read break nothing."""
        read = promise(read={"timeout": {"connect": 0.2, "read": 0.5}})
        attempts = """
        call attempt start_ms end_ms result
        1    1       0        700    read_timeout
        1    2       1700     2400   read_timeout
        """
        calls = "call op start_ms end_ms outcome\n1 observe 0 2400 timeout"
        assert said("T1", read, calls=calls, attempts=attempts).status == "pass"

    def test_a_wait_for_its_turn_breaks_nothing_that_was_only_read(self) -> None:
        """A limit on the rate holds the call back for 3 s; its one attempt is as quick as promised."""
        attempts = "call attempt start_ms end_ms result status\n1 1 3000 3600 read_timeout 0"
        calls = "call op start_ms end_ms outcome\n1 observe 10 3600 timeout"
        timeout = {"timeout": {"connect": 0.2, "read": 0.5}, "retry": {"max_attempts": 1}}
        assert said("T1", promise(read=timeout), calls=calls, attempts=attempts).status == "pass"
        assert said("T1", promise(timeout), calls=calls, attempts=attempts).status == "fail"

    def test_fails_a_call_without_time_out_that_only_the_faults_end_ended(self) -> None:
        """Held from 1.1 s until the black hole was gone at 13 s."""
        calls = "call op start_ms end_ms outcome\n1 observe 1100 13010 ok"
        found = said("T1", promise(), calls=calls, faults=FAULT)
        assert (found.status, found.bound) == ("fail", "none known")

    def test_a_call_without_known_time_out_that_ended_by_itself_is_no_failure(self) -> None:
        """It ended at 9 s, in mid-fault: something bounds it, though nobody knows what."""
        calls = "call op start_ms end_ms outcome\n1 observe 1100 9000 timeout"
        assert said("T1", promise(), calls=calls, faults=FAULT).status == "inconclusive"

    def test_dripped_calls_are_left_to_t2_where_no_total_is_declared(self) -> None:
        """A read time-out is per chunk, so a dripped reply breaks no promise of it."""
        faults = "name kind applied_ms effective_ms cleared_ms\ndrip drip 1 10 9000"
        calls = "call op start_ms end_ms outcome\n1 observe 0 8000 ok\n2 observe 0 700 timeout"
        attempts = "call attempt start_ms end_ms result status\n1 1 0 8000 - 200\n2 1 0 700 read_timeout 0"
        assert said("T1", READ, calls=calls, attempts=attempts, faults=faults).status == "pass"


class TestT2:
    """A dripping answer ends within the declared total."""

    FAULTS = "name kind applied_ms effective_ms cleared_ms\ndrip drip 1 10 9000"
    ARRIVALS = "call attempt op arrive_ms reply_ms status fault\n1 1 observe 12 5000 200 drip"

    def tables(self, end_ms: int) -> dict[str, str]:
        return {
            "faults": self.FAULTS,
            "arrivals": self.ARRIVALS,
            "calls": f"call op start_ms end_ms outcome\n1 observe 10 {10 + end_ms} timeout",
            "attempts": f"call attempt start_ms headers_ms end_ms result\n1 1 10 15 {10 + end_ms} read_timeout",
        }

    def test_passes_where_the_call_was_cut_off(self) -> None:
        """A total of 1 s ended it after 1.2 s."""
        assert said("T2", TOTAL, **self.tables(1200)).status == "pass"

    def test_fails_by_one_call_that_outlived_its_total(self) -> None:
        """1.3 s is more than 1 s + ε."""
        found = said("T2", TOTAL, **self.tables(1300))
        assert (found.status, calls_of(found), found.bound) == ("fail", [1], "1.00 s")

    def test_a_drip_that_ends_early_proves_nothing(self) -> None:
        """The answer was whole after 300 ms."""
        tables = self.tables(300)
        tables["calls"] = tables["calls"].replace("timeout", "ok")
        tables["attempts"] = tables["attempts"].replace("read_timeout", "-")
        assert said("T2", TOTAL, **tables).status == "not_exercised"

    def test_does_not_apply_without_a_declared_total(self) -> None:
        """Read time-outs are per chunk, and nobody promised more."""
        assert said("T2", READ, **self.tables(9000)).status == "not_applicable"

    def test_t1_leaves_dripped_calls_to_it(self) -> None:
        """One defect, one law."""
        assert said("T1", TOTAL, **self.tables(1300)).status == "pass"


class TestT3:
    """The handshake ends within its own time-out."""

    def tables(self, end_ms: int) -> dict[str, str]:
        return {
            "calls": f"call op start_ms end_ms outcome\n1 observe 10 {10 + end_ms} timeout",
            "attempts": f"call attempt start_ms end_ms result\n1 1 10 {10 + end_ms} connect_timeout",
        }

    def test_passes_within_half_a_second_more(self) -> None:
        """0.2 s + 0.5 s."""
        assert said("T3", READ, **self.tables(690)).status == "pass"

    def test_fails_by_one_longer_handshake(self) -> None:
        """710 ms is too long."""
        found = said("T3", READ, **self.tables(710))
        assert (found.status, calls_of(found)) == ("fail", [1])

    def test_a_number_that_was_only_read_fails_nobody(self) -> None:
        """Another time-out may have been given with the call."""
        read = promise(read={"timeout": {"connect": 0.2, "read": 0.5}})
        assert said("T3", read, **self.tables(710)).status == "inconclusive"

    def test_is_not_exercised_by_toxiproxy(self) -> None:
        """It accepts at once."""
        tables = {name: text.replace("connect_timeout", "read_timeout") for name, text in self.tables(700).items()}
        assert said("T3", READ, **tables).status == "not_exercised"


class TestT6:
    """Work for attempts that were given up is counted."""

    CALLS = "call op start_ms end_ms outcome\n1 observe 10 110 timeout\n2 observe 10 110 timeout"
    ATTEMPTS = "call attempt start_ms end_ms result\n1 1 10 110 read_timeout\n2 1 10 110 read_timeout"
    ARRIVALS = "call attempt op arrive_ms commit_seq\n1 1 observe 12 {}\n2 1 observe 12 -"

    def test_counts_what_was_committed_for_nobody(self) -> None:
        """One of two; reported as information, never failed."""
        tables = {"calls": self.CALLS, "attempts": self.ATTEMPTS, "arrivals": self.ARRIVALS.format(1)}
        found = said("T6", READ, {"oracle": "twin"}, **tables)
        assert (found.status, found.severity, found.measured) == ("pass", "info", "50.0% wasted")

    def test_is_not_exercised_where_nothing_was_given_up(self) -> None:
        """Every attempt came to its end."""
        attempts = self.ATTEMPTS.replace("read_timeout", "-")
        tables = {"calls": self.CALLS, "attempts": attempts, "arrivals": self.ARRIVALS.format(1)}
        assert said("T6", READ, {"oracle": "twin"}, **tables).status == "not_exercised"


@pytest.mark.parametrize(("kind", "count", "status"), [
    ("refuse", 4, "not_exercised"), ("refuse", 5, "pass"), ("timeout", 1, "pass"), ("latency", 1, "pass"),
])  # fmt: skip
@pytest.mark.parametrize("law", ["T1", "T6"])
def test_a_few_time_outs_that_no_fault_makes_prove_nothing(law: str, kind: str, count: int, status: str) -> None:
    """A slow moment of the machine in a run of refused connections; the next run has none."""
    calls = ["call op start_ms end_ms outcome", *(f"{n} observe 10 110 timeout" for n in range(1, count + 1))]
    tries = ["call attempt start_ms end_ms result", *(f"{n} 1 10 110 read_timeout" for n in range(1, count + 1))]
    seen = ["call attempt op arrive_ms commit_seq", *(f"{n} 1 observe 12 {n}" for n in range(1, count + 1))]
    tables = {"calls": "\n".join(calls), "attempts": "\n".join(tries), "arrivals": "\n".join(seen)}
    faults = f"name kind applied_ms effective_ms cleared_ms\nf {kind} 200 201 300"
    found = said(law, promise({"timeout": {"total": 1.0}}), {"oracle": "twin"}, **tables, faults=faults)
    assert found.status == status


class TestT7:
    """A full pool is the client's own matter."""

    POOL = promise({"timeout": {"pool": 0.5}, "breaker": {"fail_max": 5, "reset_timeout": 3.0}})
    CALLS = "call op start_ms end_ms outcome\n1 observe 10 {} timeout"

    def attempts(self, end_ms: int, again: bool = False) -> str:
        more = f"\n1 2 {end_ms} {end_ms + 10} -" if again else ""
        return f"call attempt start_ms end_ms result\n1 1 10 {end_ms} pool_timeout{more}"

    def test_passes_where_the_wait_ended_in_time(self) -> None:
        """Half a second, and nothing came of it."""
        assert said("T7", self.POOL, calls=self.CALLS.format(700), attempts=self.attempts(700)).status == "pass"

    def test_fails_by_one_wait_that_was_too_long(self) -> None:
        """Longer than 0.5 s + ε."""
        assert said("T7", self.POOL, calls=self.CALLS.format(800), attempts=self.attempts(800)).status == "fail"

    def test_fails_by_one_retry_of_a_full_pool(self) -> None:
        """A second attempt after a PoolTimeout, unless the policy promises just that."""
        tables = {"calls": self.CALLS.format(520), "attempts": self.attempts(510, again=True)}
        assert said("T7", self.POOL, **tables).status == "fail"
        declared = promise({"timeout": {"pool": 0.5}, "retry": {"max_attempts": 2, "on": ["pool_timeout"]}})
        assert said("T7", declared, **tables).status == "pass"

    def test_fails_where_full_pools_opened_the_breaker(self) -> None:
        """Five PoolTimeouts, then a rejection."""
        calls = [f"{n} observe {100 * n} {100 * n + 50} timeout -" for n in range(1, 6)]
        attempts = [f"{n} 1 {100 * n} {100 * n + 50} pool_timeout" for n in range(1, 6)]
        head = "call op start_ms end_ms outcome error\n"
        found = said(
            "T7", self.POOL, calls=head + "\n".join([*calls, "6 observe 700 700 rejected breaker_open"]),
            attempts="call attempt start_ms end_ms result\n" + "\n".join(attempts),
        )  # fmt: skip
        assert (found.status, "breaker" in found.reason) == ("fail", True)

    def test_fails_by_one_wait_for_a_pool_that_hands_out_late(self) -> None:
        """One connection, for which the second call waited 0.8 s: nothing but its size is known, and no error came."""
        promised = promise({"timeout": {"pool": 0.5}}, {"limits": {"max_connections": 1}})
        calls = "call op start_ms end_ms outcome\n1 observe 10 {0} ok\n2 observe 20 1000 ok"
        attempts = "call attempt start_ms end_ms result status\n1 1 10 {0} - 200\n2 1 20 1000 - 200"
        arrivals = "call attempt op arrive_ms reply_ms status\n1 1 observe 11 {0} 200\n2 1 observe {0} 999 200"
        late = {"calls": calls.format(820), "attempts": attempts.format(820), "arrivals": arrivals.format(820)}
        found = said("T7", promised, **late)
        assert (found.status, calls_of(found)) == ("fail", [2])
        told = promise({"timeout": {"pool": 0.5}}, {"limits": {"max_connections": 1}, "timeout": {"pool": 0.5}})
        assert said("T7", told, **late).status == "not_exercised", "the library was told, and it is its matter"
        soon = {"calls": calls.format(700), "attempts": attempts.format(700), "arrivals": arrivals.format(700)}
        assert said("T7", promised, **soon).status == "not_exercised"
        slow = 'name kind applied_ms effective_ms cleared_ms params\nslow latency 5 6 900 {"direction":"upstream"}'
        assert said("T7", promised, **late, faults=slow).status == "not_exercised"

    def test_is_not_exercised_without_a_full_pool(self) -> None:
        """Nobody waited."""
        attempts = self.attempts(510).replace("pool_timeout", "-")
        assert said("T7", self.POOL, calls=self.CALLS.format(510), attempts=attempts).status == "not_exercised"


def test_three_requests_in_a_row_don_t_fit_into_one_total() -> None:
    """T5: each ended within its own second; together they outlived it. One row later nothing is said."""
    heads = "call op start_ms end_ms outcome"
    tries = "call attempt start_ms end_ms result status\n1 1 0 500 - 200\n1 2 500 1000 - 200\n1 3 1000 {end} - 200"
    promised = promise({"timeout": {"read": 1.0, "total": 1.0}})
    for end, status, late in ((1600, "warn", "fail"), (1100, "pass", "not_exercised")):
        calls = f"{heads}\n1 observe 0 {end} ok"
        assert said("T5", promised, calls=calls, attempts=tries.format(end=end)).status == status
        retried = tries.format(end=end).replace("- 200", "reset 0", 2)
        assert said("T1", promised, calls=calls, attempts=tries.format(end=end)).status == late, "no re-tries: T1's too"
        assert said("T1", promised, calls=calls, attempts=retried).status != "fail", "re-tries are R11's matter"
    assert said("T5", promise({}), calls=f"{heads}\n1 observe 0 1600 ok").status == "not_applicable"
