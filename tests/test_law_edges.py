"""Time-out, fallback and policy laws at their edges: which calls are named, and with which numbers."""

from __future__ import annotations

from typing import Any

import pytest
from law_cases import calls_of, promise, said, share
from test_law_fallback import FALLBACK, HEALTHY, ORACLE

from harness.evidence.history import History
from harness.laws.case import Case
from harness.laws.findings import differences

HEAD = "call op start_ms end_ms outcome"
READ = {"timeout": {"read": 0.5}}


def timed(*took_ms: int, result: str = "read_timeout") -> dict[str, str]:
    """Calls a second apart that ended with one attempt in a time-out."""
    spans = [(n, 1000 * n, 1000 * n + took) for n, took in enumerate(took_ms, 1)]
    return {
        "calls": "\n".join([HEAD, *(f"{n} observe {start} {end} timeout" for n, start, end in spans)]),
        "attempts": "\n".join(
            ["call attempt start_ms end_ms result", *(f"{n} 1 {s} {e} {result}" for n, s, e in spans)]
        ),
    }


class TestT1:
    """Every call is bounded."""

    TOTAL = promise({"timeout": {"total": 1.0}})

    def test_the_longest_is_named_first(self) -> None:
        """Three of four outlived their second: what they took, what they might, and how many they are."""
        tables = timed(1300, 900, 1500, 1400)
        found = said("T1", self.TOTAL, **tables)
        assert (found.status, calls_of(found)) == ("fail", [3, 4, 1])
        assert (found.measured, found.bound) == ("1.50 s", "1.25 s")
        assert "outlived" in found.reason
        assert share("T1", self.TOTAL, **tables) == 0.75

    def test_kept_bounds_are_said_in_seconds(self) -> None:
        """The longest call, and what it might have taken."""
        found = said("T1", self.TOTAL, **timed(900, 1100))
        assert (found.status, found.measured, found.bound) == ("pass", "1.10 s", "1.25 s")

    def test_a_wait_for_the_pool_is_a_time_out_too(self) -> None:
        """It was put to the test as well."""
        for result, status in (("pool_timeout", "pass"), ("reset", "pass"), ("-", "pass")):
            assert said("T1", self.TOTAL, **timed(900, result=result)).status == status
        served = {name: text.replace(" timeout", " error") for name, text in timed(900, result="reset").items()}
        assert said("T1", self.TOTAL, **served).status == "not_exercised"

    def test_held_by_each_fault_that_stalls(self) -> None:
        """No time-out is known, and calls ended only when latency of 10 s did, or a scaled second."""
        for scale, seconds, status in ((1.0, 12, "fail"), (1.0, 8, "inconclusive"), (0.1, 2, "fail")):
            held = f"{HEAD}\n1 observe 1000 {1000 * seconds + 1000} ok"
            fault = f"name kind applied_ms effective_ms cleared_ms\nslow latency 900 901 {1000 * seconds + 950}"
            found = said("T1", promise({}, scale=scale), calls=held, faults=fault)
            assert found.status == status
            assert status != "fail" or (found.bound, "held until" in found.reason) == ("none known", True)

    @pytest.mark.parametrize("fault", ["slicer", "bandwidth"])
    def test_a_drip_counts_only_against_a_declared_total(self, fault: str) -> None:
        """T2 of one byte at a time: of two operations one has a total."""
        calls = f"{HEAD}\n1 observe 1000 4000 ok\n2 predict 1000 4000 ok"
        attempts = "call attempt start_ms end_ms headers_ms status\n1 1 1000 4000 1100 200\n2 1 1000 4000 1100 200"
        faults = f"name kind applied_ms effective_ms cleared_ms\ndrip {fault} 900 901 5000"
        promised = promise({"calls": {"observe": {"timeout": {"total": 2.0}}}})
        found = said("T2", promised, calls=calls, attempts=attempts, faults=faults)
        assert (found.status, calls_of(found), found.measured, found.bound) == ("fail", [1], "3.00 s", "2.00 s")


class TestT3:
    """The handshake's own time-out."""

    def test_says_how_long_it_took_and_might_have(self) -> None:
        """0.2 s and half a second more."""
        tables = {
            name: text.replace(" timeout", " error") for name, text in timed(710, result="connect_timeout").items()
        }
        found = said("T3", promise({"timeout": {"connect": 0.2}}), **tables)
        assert (found.status, found.measured, found.bound) == ("fail", "0.71 s", "0.70 s")


class TestF1:
    """What a degraded answer is compared with."""

    def said(self, first: str, marked: int = 0, ask: Any = said) -> Any:
        calls = f"""
        call op start_ms end_ms outcome marked shape
        {first}
        2 predict 200 201 degraded {marked} {{predictions:list}}
        3 predict 210 211 degraded {marked} {HEALTHY}
        """
        faults = "name kind applied_ms effective_ms cleared_ms\nout refuse 100 101 900"
        return ask("F1", FALLBACK, calls=calls, faults=faults)

    def test_an_operation_that_never_had_another_answer_is_compared_with_nothing(self) -> None:
        """A write-behind client answers alike in peace and in trouble."""
        assert self.said(f"1 predict 10 20 degraded 0 {HEALTHY}").status == "inconclusive"
        assert self.said(f"1 predict 10 20 ok 0 {HEALTHY}").reason.startswith("2 degraded answers can't be told")

    def test_shows_both_shapes_and_how_many_are_wrong(self) -> None:
        """One of two."""
        found = self.said(f"1 predict 10 20 ok 0 {HEALTHY}", marked=1)
        assert (found.status, calls_of(found), found.bound) == ("fail", [2], HEALTHY)
        assert "{predictions:list}" in found.reason
        assert self.said(f"1 predict 10 20 ok 0 {HEALTHY}", 1, share) == 0.5


class TestF2:
    """Which writes claim to be done."""

    def test_learning_without_a_commit_is_one_where_learning_is_seen(self) -> None:
        """Two were told done and one was; where no learning was ever committed nobody can see it."""
        calls = "call op start_ms end_ms outcome\n1 learn 10 20 ok\n2 learn 200 220 ok\n3 observe 230 240 error"
        attempts = "call attempt start_ms end_ms status\n1 1 10 20 200\n2 1 200 220 503\n3 1 230 240 503"
        for commit, status in (("1", "fail"), ("-", "pass")):
            seen = f"call attempt op arrive_ms reply_ms status commit_seq\n1 1 learn 12 18 200 {commit}"
            tables = {"calls": calls, "attempts": attempts, "arrivals": seen}
            assert said("F2", FALLBACK, ORACLE, **tables).status == status


class TestF4:
    """When a run is over for what was put aside."""

    CALLS = "call op start_ms end_ms outcome marked\n1 observe 200 201 degraded 1\n2 observe 1000 {} ok 0"
    FAULTS = "name kind applied_ms effective_ms cleared_ms\nout refuse 100 101 900"

    @pytest.mark.parametrize(("op", "end_ms", "status"), [
        ("observe", 1900, "inconclusive"), ("observe", 2300, "fail"), ("open_session", 1900, "fail"),
    ])  # fmt: skip
    def test_a_replay_in_its_last_second_may_go_on(self, op: str, end_ms: int, status: str) -> None:
        """Of another observe, by a thread of the client's, 1.2 s into the run."""
        seen = f"""
        call op arrive_ms reply_ms status commit_seq paired_by
        2 observe 1002 1005 200 1 header
        2 {op} 1200 1201 200 2 content
        """
        attempts = f"call attempt start_ms end_ms status\n2 1 1000 {end_ms} 200"
        tables = {"calls": self.CALLS.format(end_ms), "attempts": attempts, "arrivals": seen, "faults": self.FAULTS}
        assert said("F4", FALLBACK, ORACLE, **tables).status == status


class TestK2:
    """What differs, in words."""

    CALLS = f"{HEAD}\n1 observe 10 20 ok"

    def test_names_three_and_counts_the_rest(self) -> None:
        """Five of five."""
        declared = {"timeout": {"read": 1.0, "connect": 1.0, "pool": 1.0, "write": 1.0}, "retry": {"max_attempts": 2}}
        read = {"timeout": {"read": 2.0, "connect": 2.0, "pool": 2.0, "write": 2.0}, "retry": {"max_attempts": 3}}
        found = said("K2", promise(declared, read), calls=self.CALLS)
        assert (found.status, found.measured) == ("fail", "5 of 5")
        assert "and 2 more" in found.reason
        three = {"timeout": {"read": 1.0, "connect": 1.0, "pool": 1.0}}
        assert "more" not in said("K2", promise(three, read), calls=self.CALLS).reason

    def test_of_two_lists_only_the_difference_is_said(self) -> None:
        """What the client catches beside KATO's failures is none; a time-out is both of its kinds."""

        def said_of(declared: list[str], read: list[str]) -> list[str]:
            promised = promise({"retry": {"on": declared}}, {"retry": {"on": read}})
            return [found.reason for found in differences(Case(History.literal(calls=self.CALLS), promised))]

        assert said_of(["timeout"], ["connect_timeout", "read_timeout", "decode", "breaker_open"]) == []
        assert said_of(["5xx", "reset"], ["reset", "4xx"]) == ["5xx declared and not read; 4xx read and not declared"]
        assert said_of(["5xx"], ["5xx", "reset"]) == ["reset read and not declared"]
