"""Tracing laws on literal histories."""

from __future__ import annotations

from typing import Any

import pytest
from law_cases import calls_of, promise, said

NOTHING = promise()
T1, T2 = "a" * 32, "b" * 32
FACTS = {"tracing": {"collector": "otlp"}}
CALLS = "call op start_ms end_ms outcome"
ATTEMPTS = "call attempt start_ms headers_ms end_ms result status trace"
SPANS = "trace span parent name kind start_ms end_ms status http_status resend"


def parent(trace: str, span: int) -> str:
    return f"00-{trace}-{span:016x}-01"


def attempts(*rows: tuple[int, int, int, str]) -> str:
    """Rows of (call, attempt, status, traceparent), 10 ms each, one after another; status 0 is a reset."""
    lines = [ATTEMPTS]
    for number, (call, nth, status, trace) in enumerate(rows):
        at = 10 * number
        result = "-" if status else "reset"
        lines.append(f"{call} {nth} {at} {at + 5 if status else 0} {at + 8} {result} {status} {trace}")
    return "\n".join(lines)


def spans(*rows: tuple[str, int, str, int, int]) -> str:
    """Rows of (trace, span, status, http status, resend)."""
    lines = [SPANS]
    for trace, span, status, http, resend in rows:
        lines.append(f"{trace} {span:016x} - GET client 0 8 {status} {http} {resend}")
    return "\n".join(lines)


ONE = f"{CALLS}\n1 predict 0 8 ok"
RETRIED = f"{CALLS}\n1 predict 0 18 ok"
TWO_TRIES = attempts((1, 1, 503, parent(T1, 1)), (1, 2, 200, parent(T1, 2)))
TWO_SPANS = spans((T1, 1, "error", 503, 0), (T1, 2, "unset", 200, 1))


def o1(calls: str, tries: str, exported: str = SPANS, facts: dict[str, Any] | None = None) -> Any:
    return said("O1", NOTHING, FACTS if facts is None else facts, calls=calls, attempts=tries, spans=exported)


def test_o1_passes_with_a_trace_a_call_and_a_span_an_attempt() -> None:
    """The re-send says that it is one, and the failed try is an error."""
    assert o1(RETRIED, TWO_TRIES, TWO_SPANS).status == "pass"


@pytest.mark.parametrize("trace", ["-", "00-" + "0" * 32 + "-" + "1" * 16 + "-01", "nonsense"])
def test_o1_fails_without_a_valid_traceparent(trace: str) -> None:
    """Missing, of zeros, or none at all."""
    verdict = o1(ONE, attempts((1, 1, 200, trace)))
    assert verdict.status == "fail"
    assert calls_of(verdict) == [1]
    assert "carried no traceparent" in verdict.reason


def test_o1_fails_when_a_call_is_spread_over_traces() -> None:
    """Each try began a trace of its own."""
    verdict = o1(RETRIED, attempts((1, 1, 503, parent(T1, 1)), (1, 2, 200, parent(T2, 2))))
    assert verdict.status == "fail" and "several traces" in verdict.reason


def test_o1_fails_when_attempts_share_a_span() -> None:
    """The span was made around the retry."""
    verdict = o1(RETRIED, attempts((1, 1, 503, parent(T1, 1)), (1, 2, 200, parent(T1, 1))))
    assert verdict.status == "fail" and "share one span" in verdict.reason


def test_o1_fails_when_no_span_was_exported() -> None:
    """Headers went out, spans never came."""
    verdict = o1(RETRIED, TWO_TRIES)
    assert verdict.status == "fail" and "no span came" in verdict.reason


def test_o1_asks_for_no_span_of_a_trace_that_was_not_sampled() -> None:
    """Its header says so; of a sampled one a span must come."""
    unsampled = parent(T1, 1).removesuffix("01") + "00"
    both = f"{CALLS}\n1 predict 0 8 ok\n2 predict 10 18 ok"
    tries = attempts((1, 1, 200, unsampled), (2, 1, 200, parent(T2, 2)))
    assert o1(both, tries, spans((T2, 2, "unset", 200, 0))).status == "pass"
    assert calls_of(o1(both, tries, spans((T1, 1, "unset", 200, 0)))) == [2]


def test_o1_fails_without_a_resend_count() -> None:
    """The second try looks like a first."""
    verdict = o1(RETRIED, TWO_TRIES, spans((T1, 1, "error", 503, 0), (T1, 2, "unset", 200, 0)))
    assert verdict.status == "fail" and "resend_count" in verdict.reason


@pytest.mark.parametrize("status", [503, 0, 404])
def test_o1_fails_when_a_failed_attempt_is_no_error(status: int) -> None:
    """Answers of 4xx and 5xx, and lost ones."""
    verdict = o1(ONE, attempts((1, 1, status, parent(T1, 1))), spans((T1, 1, "unset", status, 0)))
    assert verdict.status == "fail" and "without status ERROR" in verdict.reason


def test_o1_judges_headers_alone_in_virtual_time() -> None:
    """Nothing is exported there, and the verdict says so."""
    verdict = o1(RETRIED, TWO_TRIES, facts={"tracing": {"collector": ""}})
    assert verdict.status == "pass" and "nothing was exported" in verdict.reason


def test_o1_does_not_apply_to_a_client_that_says_nothing_of_tracing() -> None:
    """No collector, no header, no span."""
    assert o1(ONE, attempts((1, 1, 200, "-")), facts={}).status == "not_applicable"


def test_o1_asks_nothing_of_attempts_that_never_went_out() -> None:
    """A refused connection carried no header."""
    refused = f"{ATTEMPTS}\n1 1 0 0 1 connect_error 0 -\n1 2 5 7 8 - 200 {parent(T1, 2)}"
    assert o1(ONE, refused, spans((T1, 2, "unset", 200, 1))).status == "pass"


def test_o1_forgives_spans_lost_in_an_outage_of_the_collector() -> None:
    """A bounded queue drops; what came is judged."""
    faults = 'name kind params applied_ms cleared_ms\nhole timeout {"only":{"part":"collector"}} 1 9'
    calls = f"{CALLS}\n1 predict 0 8 ok\n2 predict 10 18 ok"
    tries = attempts((1, 1, 200, parent(T1, 1)), (2, 1, 200, parent(T2, 2)))
    exported = spans((T2, 2, "unset", 200, 0))
    assert said("O1", NOTHING, FACTS, calls=calls, attempts=tries, spans=exported, faults=faults).status == "pass"


class TestO2:
    """A collector that is gone costs nothing."""

    def tables(self, ms: float, failed: int = 0, calls: int = 400, samples: str = "") -> dict[str, str]:
        """As many calls before the outage as in it, which take `ms` there and 10 ms before."""
        rows = [CALLS]
        for n in range(2 * calls):
            took = 10 + n % 3 if n < calls else ms + n % 3
            outcome = "error" if calls <= n < calls + failed else "ok"
            rows.append(f"{n + 1} predict {100 * n} {100 * n + took} {outcome}")
        faults = (
            f'name kind params applied_ms cleared_ms\nhole timeout {{"only":{{"part":"collector"}}}} {100 * calls} '
        )
        faults += str(200 * calls)
        tables = {"calls": "\n".join(rows), "faults": faults, "spans": spans((T1, 1, "unset", 200, 0))}
        return tables | ({"samples": samples} if samples else {})

    def test_passes_where_nothing_changed(self) -> None:
        assert said("O2", NOTHING, FACTS, **self.tables(10)).status == "pass"

    def test_fails_where_calls_became_slow(self) -> None:
        """Each call waits for its export."""
        verdict = said("O2", NOTHING, FACTS, **self.tables(500))
        assert verdict.status == "fail" and verdict.witnesses

    def test_fails_where_few_but_slow_calls_were_made(self) -> None:
        """A client that stands still makes few calls: the interval of its p99 tells all the same."""
        tables = self.tables(10)
        lines = tables["calls"].split("\n")
        slow = [f"{900 + n} predict {40_000 + 900 * n} {40_890 + 900 * n} ok" for n in range(40)]
        tables["calls"] = "\n".join(lines[:401] + slow)
        assert said("O2", NOTHING, FACTS, **tables).status == "fail"

    def test_fails_where_calls_failed_for_it(self) -> None:
        assert said("O2", NOTHING, FACTS, **self.tables(10, failed=1)).status == "fail"

    def test_fails_where_memory_grew(self) -> None:
        """An unbounded queue."""
        samples = "process time_ms rss\ngenerator-0 41000 100000000\ngenerator-0 79000 200000000"
        assert said("O2", NOTHING, FACTS, **self.tables(10, samples=samples)).status == "fail"

    def test_is_inconclusive_with_few_calls(self) -> None:
        assert said("O2", NOTHING, FACTS, **self.tables(10, calls=50)).status == "inconclusive"

    def test_is_not_exercised_without_outage_or_spans(self) -> None:
        """Nothing to judge."""
        tables = self.tables(10)
        assert said("O2", NOTHING, FACTS, **(tables | {"spans": SPANS})).status == "not_exercised"
        del tables["faults"]
        assert said("O2", NOTHING, FACTS, **tables).status == "not_exercised"
