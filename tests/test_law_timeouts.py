"""Time-out laws on literal histories."""

from __future__ import annotations

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
