"""What the time-out laws say in numbers and words, of several calls and operations."""

from __future__ import annotations

from law_cases import promise, said, whole
from retry_cases import history, tries

HEAD = "call op start_ms end_ms outcome"
TRIES = "call attempt start_ms end_ms result status"
POOL = {"timeout": {"pool": 0.5}}
TOTAL = promise({"timeout": {"total": 1.0}})
HOLE = "name kind applied_ms effective_ms felt_ms cleared_ms\nhole timeout 1000 1010 1100 {}"


class TestT1:
    """Every call is bounded."""

    def test_names_the_longest_first_with_the_bound_of_its_operation(self) -> None:
        """Three of four, of which predictions may take twice as long."""
        two = promise({"timeout": {"total": 1.0}, "calls": {"predict": {"timeout": {"total": 2.0}}}})
        calls = f"{HEAD}\n1 observe 0 1400 ok\n2 predict 0 2900 ok\n3 observe 0 1500 ok\n4 observe 0 900 timeout"
        assert whole("T1", two, calls=calls) == ("fail", [2, 3, 1], "2.90 s", "2.25 s", 0.75)
        assert said("T1", two, calls=calls).reason == "3 calls outlived their bound; the longest lasted 2.90 s"

    def test_says_how_long_calls_took_where_all_ended_in_time(self) -> None:
        """Two, one of them by a time-out of its own that no attempt shows."""
        calls = f"{HEAD}\n1 observe 0 700 ok\n2 observe 0 900 timeout"
        assert whole("T1", TOTAL, calls=calls)[:4] == ("pass", [], "0.90 s", "1.25 s")
        assert said("T1", TOTAL, calls=calls).reason == "all 2 calls ended within their bound, 1 by a time-out"

    def test_says_of_an_unbounded_call_what_ended_it(self) -> None:
        """The fault's end; the bound is known by nobody."""
        calls = f"{HEAD}\n1 observe 1100 13010 ok\n2 observe 1100 13012 ok"
        found = said("T1", promise(), calls=calls, faults=HOLE.format(13_000))
        assert (found.measured, found.bound) == ("11.91 s", "none known")
        assert "2 calls were held until the fault was gone, without any time-out" in found.reason

    def test_ten_seconds_of_a_hold_are_scaled_with_the_scenario(self) -> None:
        """6 s at half the times; 4 s are too few."""
        for end, status in ((7_100, "fail"), (5_100, "inconclusive")):
            calls = f"{HEAD}\n1 observe 1100 {end + 10} ok"
            found = said("T1", promise(scale=0.5), calls=calls, faults=HOLE.format(end))
            assert found.status == status, end

    def test_an_undeclared_bound_of_two_operations_is_k2s_matter_for_both(self) -> None:
        """Each ended by another time-out than was read of it."""
        read = promise(read={"timeout": {"read": 1.0}, "retry": {"max_attempts": 1}})
        calls = f"{HEAD}\n1 observe 0 3000 timeout\n2 predict 0 3000 timeout"
        attempts = f"{TRIES}\n1 1 0 3000 read_timeout 0\n2 1 0 3000 read_timeout 0"
        assert said("T1", read, calls=calls, attempts=attempts).status != "fail"

    def test_a_retry_of_an_aiohttp_call_ends_within_what_is_rounded_up(self) -> None:
        """6 s and a second more: R11 has nothing to say of one that began at 6.1 s and ended at 7.2."""
        long = promise({"timeout": {"total": 6.0}, "retry": {"max_attempts": 2}})
        calls = f"{HEAD}\n1 observe 10 7200 timeout"
        head = "call attempt start_ms end_ms result via"
        rounded = f"{head}\n1 1 10 6000 read_timeout aiohttp\n1 2 6110 7200 read_timeout aiohttp"
        assert said("R11", long, calls=calls, attempts=rounded).status != "fail"
        assert said("R11", long, calls=calls, attempts=rounded.replace("aiohttp", "httpx")).status == "fail"

    def test_each_operation_is_rounded_by_its_own_time_outs(self) -> None:
        """aiohttp's 6 s of an observe have a second more, the 2 s of a prediction none."""
        two = promise({"timeout": {"total": 6.0}, "calls": {"predict": {"timeout": {"total": 2.0}}}})
        attempts = (
            "call attempt start_ms end_ms result via\n1 1 10 7200 read_timeout aiohttp\n2 1 10 {} read_timeout aiohttp"
        )
        for end, status in ((2100, "pass"), (3000, "fail")):
            calls = f"{HEAD}\n1 observe 10 7200 timeout\n2 predict 10 {end} timeout"
            assert said("T1", two, calls=calls, attempts=attempts.format(end)).status == status

    def test_only_the_operation_whose_time_out_is_long_is_rounded(self) -> None:
        """Both promise 6 s; a prediction's requests were given 3, of which aiohttp rounds nothing."""
        told = {"calls": {"observe": {"timeout": {"total": 6.0}}, "predict": {"timeout": {"total": 3.0}}}}
        both = promise({"timeout": {"total": 6.0}}, told)
        attempts = "call attempt start_ms end_ms result via\n1 1 10 7200 read_timeout aiohttp"
        for op, status in (("observe", "pass"), ("predict", "fail")):
            other = "predict" if op == "observe" else "observe"
            calls = f"{HEAD}\n1 {op} 10 7200 timeout\n2 {other} 10 20 ok"
            assert said("T1", both, calls=calls, attempts=attempts).status == status, op

    def test_each_step_that_is_rounded_up_adds_a_second(self) -> None:
        """6 s for the pool, 6 for the handshake, 1 for the answer: 13 s and two more."""
        steps = promise({"timeout": {"pool": 6.0, "connect": 6.0, "read": 1.0}, "retry": {"max_attempts": 1}})
        attempts = "call attempt start_ms end_ms result via\n1 1 10 {} read_timeout aiohttp"
        for end, status in ((15_200, "pass"), (15_300, "fail")):
            tables = {"calls": f"{HEAD}\n1 observe 10 {end} timeout", "attempts": attempts.format(end)}
            assert said("T1", steps, **tables).status == status

    def test_a_hold_counts_from_ten_seconds_to_the_fault_s_end(self) -> None:
        """To the moment."""
        for start, end, status in (
            (3000, 13_000, "fail"),
            (3001, 13_000, "inconclusive"),
            (3000, 12_999, "inconclusive"),
        ):
            calls = f"{HEAD}\n1 observe {start} {end} ok"
            assert said("T1", promise(), calls=calls, faults=HOLE.format(13_000)).status == status, (start, end)


def test_t2_allows_for_what_aiohttp_rounds_up() -> None:
    """6 s in drips, and up to a second more."""
    long = promise({"timeout": {"total": 6.0}})
    faults = "name kind applied_ms effective_ms cleared_ms\ndrip slicer 1 1 20000"
    attempts = "call attempt start_ms end_ms result status via\n1 1 10 {} - 200 aiohttp"
    for end, status in ((6_200, "pass"), (7_200, "pass"), (7_300, "fail")):
        tables = {"calls": f"{HEAD}\n1 observe 10 {end} ok", "attempts": attempts.format(end)}
        assert said("T2", long, faults=faults, **tables).status == status, end


class TestT7:
    """Waits for a connection of the pool."""

    def test_counts_those_that_found_it_full(self) -> None:
        """One of two waited too long."""
        calls = f"{HEAD}\n1 observe 10 1010 timeout\n2 observe 10 510 timeout\n3 observe 10 20 ok"
        attempts = f"{TRIES}\n1 1 10 1010 pool_timeout 0\n2 1 10 510 pool_timeout 0\n3 1 10 20 - 200"
        found = whole("T7", promise(POOL), calls=calls, attempts=attempts)
        assert (found[0], found[1], found[4]) == ("fail", [1], 0.5)

    def test_a_full_pool_is_tried_again_where_the_policy_says_so(self) -> None:
        """Of each operation by itself: an observe's policy names it, and a prediction does nothing of the kind."""
        named = {"retry": {"max_attempts": 2, "on": ["pool_timeout"]}}
        promised = promise({**POOL, "calls": {"observe": named, "predict": named}})
        calls = f"{HEAD}\n1 observe 10 900 ok\n2 predict 10 30 ok"
        attempts = f"{TRIES}\n1 1 10 510 pool_timeout 0\n1 2 700 900 - 200\n2 1 10 30 - 200"
        assert said("T7", promised, calls=calls, attempts=attempts).status == "pass"
        assert said("T7", promise(POOL), calls=calls, attempts=attempts).status == "fail"

    def test_a_library_that_was_told_the_promise_keeps_it_for_its_own_operation_only(self) -> None:
        """httpx was told the observe's 0.5 s; the prediction's it never heard of."""
        promised = promise(POOL, {"calls": {"observe": {"timeout": {"pool": 0.5}}}})
        for late, status in ((1, "pass"), (2, "fail")):
            calls = f"{HEAD}\n1 observe 10 3000 timeout\n2 predict 10 3000 timeout"
            ends = [1010 if number == late else 510 for number in (1, 2)]
            attempts = "\n".join([TRIES, *(f"{n} 1 10 {end} pool_timeout 0" for n, end in enumerate(ends, 1))])
            assert said("T7", promised, calls=calls, attempts=attempts).status == status, late


class TestT3:
    """The handshake ends within its own time-out."""

    def test_says_the_longest_handshake_and_what_was_allowed(self) -> None:
        """0.2 s for the connection, 0.3 s for the pool, and half a second."""
        known = promise({"timeout": {"connect": 0.2, "pool": 0.3, "read": 0.5}})
        calls = f"{HEAD}\n1 observe 10 1300 timeout\n2 observe 10 900 timeout"
        attempts = f"{TRIES}\n1 1 10 1300 connect_timeout 0\n2 1 10 900 connect_timeout 0"
        assert whole("T3", known, calls=calls, attempts=attempts)[:4] == ("fail", [1], "1.29 s", "1.00 s")
        longer = promise({"timeout": {"connect": 1.0, "read": 0.5}})
        assert whole("T3", longer, calls=calls, attempts=attempts)[:4] == ("pass", [], "1.29 s", "")


def test_no_number_of_attempts_bounds_what_has_no_time_out() -> None:
    """A call of two attempts of 0.5 s and 0.3 s between them, and one of an operation without any time-out."""
    known = promise({"calls": {"observe": {"timeout": {"read": 0.5}, "retry": {"max_attempts": 2}}}})
    tables = history([tries("read_timeout", "read_timeout")], "observe")
    assert said("T1", known, **tables).status == "pass"
    free = history([tries("read_timeout", "read_timeout")], "predict")
    assert said("T1", known, **free).status == "inconclusive"
