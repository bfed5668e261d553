"""Tracing laws at their edges: which requests need a span, which spans count, and what an outage may cost."""

from __future__ import annotations

from typing import Any

import pytest
from law_cases import calls_of, said, whole
from test_law_tracing import ATTEMPTS, CALLS, FACTS, NOTHING, SPANS, T1, T2, attempts, parent, spans

COLLECTOR = 'name kind params applied_ms cleared_ms\nhole timeout {"only":{"part":"collector"}} '


def o1(calls: int, tries: str, exported: str = SPANS, **more: str) -> tuple[Any, ...]:
    """All that O1 says, in numbers, of so many calls of 8 ms."""
    rows = "\n".join([CALLS, *(f"{n} predict {10 * n - 10} {10 * n - 2} ok" for n in range(1, calls + 1))])
    return whole("O1", NOTHING, FACTS, calls=rows, attempts=tries, spans=exported, **more)


class TestO1:
    """Every request is a span of its call's trace."""

    def test_says_how_many_requests_were_bare(self) -> None:
        """One of four requests, of one of two calls."""
        tries = attempts(
            (1, 1, 503, parent(T1, 1)), (1, 2, 200, "-"), (2, 1, 503, parent(T2, 3)), (2, 2, 200, parent(T2, 4))
        )
        assert o1(2, tries) == ("fail", [1], "75.0% traced", "100 %", 0.5)

    def test_names_the_calls_of_each_breach_among_all(self) -> None:
        """One of two, three times: several traces, a shared span, none that came."""
        several = attempts((1, 1, 200, parent(T1, 1)), (2, 1, 503, parent(T1, 2)), (2, 2, 200, parent(T2, 3)))
        assert o1(2, several) == ("fail", [2], "", "", 0.5)
        shared = attempts((1, 1, 200, parent(T1, 1)), (2, 1, 503, parent(T2, 2)), (2, 2, 200, parent(T2, 2)))
        assert o1(2, shared) == ("fail", [2], "", "", 0.5)
        two = attempts((1, 1, 200, parent(T1, 1)), (2, 1, 200, parent(T2, 2)))
        assert o1(2, two, spans((T1, 1, "unset", 200, 0))) == ("fail", [2], "1 spans", "", 0.5)

    def test_says_what_was_seen_where_all_is_well(self) -> None:
        """Three requests, one of them sent again."""
        tries = attempts((1, 1, 200, parent(T1, 1)), (2, 1, 503, parent(T2, 2)), (2, 2, 200, parent(T2, 3)))
        fine = spans((T1, 1, "unset", 200, 0), (T2, 2, "error", 503, 0), (T2, 3, "unset", 200, 1))
        assert o1(2, tries, fine) == ("pass", [], "100 % traced", "", None)
        calls = f"{CALLS}\n1 predict 0 8 ok\n2 predict 10 28 ok"
        found = said("O1", NOTHING, FACTS, calls=calls, attempts=tries, spans=fine)
        told = "3 requests carried a trace a call and a span an attempt, 1 of them sent again"
        assert found.reason == f"{told}; 3 spans exported"
        silent = said("O1", NOTHING, {"tracing": {}}, calls=calls, attempts=tries)
        assert silent.reason == f"{told}; nothing was exported, so spans themselves are not judged"
        assert silent.measured == "100 % traced"

    @pytest.mark.parametrize("result", ["connect_error", "connect_timeout", "pool_timeout", "cancelled"])
    def test_what_never_went_out_needs_no_header(self, result: str) -> None:
        """Alone, there was no request at all."""
        unsent = f"{ATTEMPTS}\n1 1 0 0 1 {result} 0 -"
        assert o1(1, unsent)[0] == "not_exercised"
        assert o1(1, unsent.replace(result, "reset"))[0] == "fail"

    @pytest.mark.parametrize(("trace", "status"), [
        (f"00-{T1}-{'0' * 16}-01", "fail"), (f"00-{T1}-{'1' * 16}-02", "pass"), (f"00-{T1}-{'1' * 16}-03", "fail"),
        (f"ff-{T1}-{'1' * 16}-00", "pass"), (f"00-{T1}-{'1' * 16}-10", "pass"), (f"00-{T1}-{'1' * 16}-0b", "fail"),
        (f"00-{T1}-{'1' * 15}-01", "fail"),
    ])  # fmt: skip
    def test_the_last_bit_asks_for_a_span(self, trace: str, status: str) -> None:
        """Whatever the others say; an id of zeros is none."""
        tries = attempts((1, 1, 200, trace), (2, 1, 200, parent(T2, 2)))
        assert o1(2, tries, spans((T2, 2, "unset", 200, 0)))[0] == status

    def test_an_outage_excuses_what_is_missing_unless_nothing_ever_came(self) -> None:
        """Then it was not the outage's doing."""
        tries = attempts((1, 1, 200, parent(T1, 1)), (2, 1, 200, parent(T2, 2)))
        hole = {"faults": f"{COLLECTOR}1 9"}
        assert o1(2, tries, spans((T2, 2, "unset", 200, 0)), **hole)[0] == "pass"
        assert o1(2, tries, **hole) == ("fail", [1, 2], "0 spans", "", 1.0)

    def test_a_request_of_nobodys_tells_of_no_tracing(self) -> None:
        """It carried a trace, and belongs to no known call."""
        calls = f"{CALLS}\n1 predict 0 8 ok"
        tries = attempts((77, 1, 200, parent(T1, 1)), (1, 1, 200, "-"))
        assert said("O1", NOTHING, {}, calls=calls, attempts=tries).status == "not_applicable"

    def test_names_who_does_not_tell_re_sends_or_errors(self) -> None:
        """A first try that says it is a second; a failure without an error, where another one has it."""
        tries = attempts((1, 1, 200, parent(T1, 1)), (2, 1, 503, parent(T2, 2)))
        assert o1(2, tries, spans((T1, 1, "unset", 200, 1), (T2, 2, "error", 503, 0)))[:2] == ("fail", [1])
        assert o1(2, tries, spans((T1, 1, "unset", 200, 0), (T2, 2, "unset", 503, 0)))[:2] == ("fail", [2])
        refused = attempts((1, 1, 400, parent(T1, 1)), (2, 1, 200, parent(T2, 2)))
        assert o1(2, refused, spans((T1, 1, "unset", 400, 0), (T2, 2, "unset", 200, 0)))[:2] == ("fail", [1])
        fine = attempts((1, 1, 399, parent(T1, 1)), (2, 1, 200, parent(T2, 2)))
        assert o1(2, fine, spans((T1, 1, "unset", 399, 0), (T2, 2, "unset", 200, 0)))[0] == "pass"

    def test_without_hooks_the_witness_tells(self) -> None:
        """Headers of what arrived, but requests that only list sessions; which were sent again nobody knows."""
        calls = f"{CALLS}\n1 predict 0 8 ok"
        head = "call attempt op arrive_ms status headers"
        rows = f"{head}\n1 1 predict 1 200 traceparent={parent(T1, 1)}\n1 2 other 2 200 -"
        exported = spans((T1, 1, "unset", 200, 0))
        found = said("O1", NOTHING, FACTS, calls=calls, arrivals=rows, spans=exported)
        assert found.status == "inconclusive"
        assert said("O1", NOTHING, FACTS, calls=calls, arrivals=rows.replace("other", "observe")).status == "fail"
        silent = said("O1", NOTHING, FACTS, calls=calls, arrivals=rows)
        assert (silent.status, silent.measured) == ("fail", "0 spans")

    def test_any_sign_of_tracing_makes_it_apply(self) -> None:
        """A header, or a span; the collector's name needs none."""
        bare = attempts((1, 1, 200, "-"))
        calls = f"{CALLS}\n1 predict 0 8 ok"
        for texts, status in (
            ({"attempts": bare}, "not_applicable"),
            ({"attempts": bare, "spans": spans((T1, 1, "unset", 200, 0))}, "fail"),
            ({"attempts": attempts((1, 1, 200, parent(T1, 1)))}, "pass"),
        ):  # fmt: skip
            assert said("O1", NOTHING, {}, calls=calls, **texts).status == status
            assert said("O2", NOTHING, {}, calls=calls, **texts).status == (
                "not_applicable" if status == "not_applicable" else "not_exercised"
            )


class TestO2:
    """What a collector's outage may cost."""

    def tables(
        self, took: float = 10, *, calls: int = 300, failed: int = 0, before: int = 0, more: str = "", samples: str = ""
    ) -> dict[str, str]:
        """As many calls of 10 ms before the outage as in it, where they take `took`, the nth 10 µs longer."""
        rows = [CALLS]
        for n in range(2 * calls):
            span = (10 if n < calls else took) + 0.01 * (n % calls)
            bad = n < before or calls <= n < calls + failed
            rows.append(f"{n + 1} predict {100 * n} {100 * n + span} {'error' if bad else 'ok'}")
        tables = {
            "calls": "\n".join(rows), "spans": spans((T1, 1, "unset", 200, 0)),
            "faults": f"{COLLECTOR}{100 * calls} {200 * calls}{more}",
        }  # fmt: skip
        return tables | ({"samples": f"process time_ms rss\n{samples}"} if samples else {})

    def found(self, *arguments: Any, **more: Any) -> tuple[Any, ...]:
        return whole("O2", NOTHING, FACTS, **self.tables(*arguments, **more))

    def test_names_the_slowest_calls_and_by_how_much(self) -> None:
        """Twice as slow: all of four hundred."""
        status, calls, measured, bound, share = self.found(20, calls=400)
        assert (status, calls, bound, share) == ("fail", [800, 799, 798, 797, 796], "+5 %", 1.0)
        assert measured == "+71.7%"
        tables = self.tables(20, calls=1000)
        tables["calls"] = tables["calls"].replace("\n7 predict 600 610.06 ok", "\n7 predict 600 700 ok")
        one_slow_in_peace = said("O2", NOTHING, FACTS, **tables)
        assert calls_of(one_slow_in_peace) == [2000, 1999, 1998, 1997, 1996]
        told = said("O2", NOTHING, FACTS, **self.tables(20, calls=400)).reason
        assert told == "p99 23.95 ms in the outage, 13.95 ms outside"

    def test_five_per_cent_are_allowed(self) -> None:
        """4.3 %; 6.2 % of three hundred, of which the intervals overlap; 14 % of four hundred, of which they don't."""
        assert self.found(10.6, calls=400)[:4] == ("pass", [], "+4.3%", "+5 %")
        assert self.found(10.8)[:4] == ("inconclusive", [], "+6.2%", "+5 %")
        assert self.found(12, calls=400)[0] == "fail"

    def test_three_hundred_calls_certify_a_p99(self) -> None:
        """299 on each side."""
        assert self.found(10, calls=299)[0] == "pass"
        few = said("O2", NOTHING, FACTS, **self.tables(10, calls=298))
        assert (few.status, few.reason) == (
            "inconclusive",
            "298 calls in the outage and 298 outside: p99 takes 299 of each",
        )

    def test_counts_calls_that_failed_for_it(self) -> None:
        """Two of three hundred; where calls fail without it nobody can tell."""
        assert self.found(failed=2) == ("fail", [301, 302], "2 failed", "0", 2 / 300)
        assert self.found(failed=2, before=1)[0] == "pass"
        tables = self.tables(failed=2, before=1)
        tables["calls"] = tables["calls"].replace("error", "degraded", 1)
        assert said("O2", NOTHING, FACTS, **tables).status == "fail"

    @pytest.mark.parametrize(("outcome", "status"), [
        ("degraded", "pass"), ("cancelled", "pass"), ("overflow", "pass"), ("timeout", "fail"),
    ])  # fmt: skip
    def test_a_substitute_is_no_failure_and_what_never_ran_is_no_call(self, outcome: str, status: str) -> None:
        """Whatever it took."""
        tables = self.tables(failed=1)
        tables["calls"] = tables["calls"].replace("error", outcome)
        assert said("O2", NOTHING, FACTS, **tables).status == status

    def test_another_fault_is_no_outage_and_no_peace(self) -> None:
        """What fails under both is nobody's; without a call in peace there is nothing to compare with."""
        other = "\ndown refuse {} 30000 30050"
        assert self.found(failed=1, more=other)[0] == "pass"
        everywhere = said("O2", NOTHING, FACTS, **self.tables(more="\nslow latency {} 1 29999"))
        assert everywhere.reason == "no call was made without a fault: nothing to compare with"
        both = said("O2", NOTHING, FACTS, **self.tables(more="\nslow latency {} 30000 60000"))
        assert both.reason == "no call was made while only the collector was out"

    @pytest.mark.parametrize(("samples", "status"), [
        ("generator-0 31000 0\ngenerator-0 59000 33554432", "pass"),
        ("generator-0 31000 0\ngenerator-0 59000 33554433", "fail"),
        ("kato 31000 0\nkato 59000 99000000", "pass"), ("generator-0 29000 0\ngenerator-0 59000 99000000", "pass"),
        ("generator-0 59000 99000000", "pass"), ("generator-1 30000 99000000\ngenerator-0 60000 0", "pass"),
        ("generator-0 30000 0\ngenerator-0 60000 99000000", "fail"),
        ("generator-0 31000 50000000\ngenerator-0 45000 10\ngenerator-0 59000 60000000", "pass"),
        ("generator-0 31000 0\ngenerator-0 45000 99000000\ngenerator-0 59000 0", "pass"),
        ("generator-0 31000 0\ngenerator-0 45000 99000000\ngenerator-0 59000 99000000", "fail"),
        ("generator-0 31000 0\nkato 59000 99000000", "pass"), ("generator-0 29000 0", "pass"),
    ])  # fmt: skip
    def test_a_queue_of_spans_takes_32_mib_at_most(self, samples: str, status: str) -> None:
        """In one generator, from the outage's first sample to its last."""
        found = said("O2", NOTHING, FACTS, **self.tables(samples=samples))
        assert found.status == status
        if "33554433" in samples:
            assert found.reason == "memory grew by 32 MiB in the collector's outage: the queue is unbounded"


def test_calls_are_named_by_their_ids() -> None:
    """The second of two."""
    rows = f"{CALLS}\n1 predict 0 8 ok\n2 predict 10 18 ok"
    tries = attempts((1, 1, 200, parent(T1, 1)), (2, 1, 200, "-"))
    assert calls_of(said("O1", NOTHING, FACTS, calls=rows, attempts=tries)) == [2]
