"""Pool laws on literal and generated histories."""

from __future__ import annotations

from dataclasses import replace

from law_cases import promise, said, verdict

from harness.evidence.history import History
from harness.laws.case import Case
from harness.laws.findings import findings_of
from harness.model import Span

NOTHING = promise()
S = 1_000_000_000
PHASES = (Span("baseline", 0, 10 * S), Span("fault:stall", 10 * S, 20 * S), Span("recovery", 20 * S, 40 * S))
HEAD = "call op phase intended_ms ready_ms start_ms end_ms outcome"


class TestP1:
    """A stalled operation leaves the others alone."""

    FAULTS = "name kind applied_ms effective_ms cleared_ms\nstall delay 10000 10001 20000"

    def tables(self, took_ms: int, failed: int = 0, stuck: int = 12) -> dict[str, str]:
        """400 observes, of which those in the stall take `took_ms`; `stuck` predictions hang."""
        rows, arrivals = [HEAD], ["call attempt op arrive_ms reply_ms status fault"]
        for n in range(400):
            at, inside = 50 * n, 50 * n >= 10_000
            took = took_ms if inside else 20 + n % 5
            outcome = "error" if inside and n < 200 + failed else "ok"
            phase = "fault:stall" if inside else "baseline"
            rows.append(f"{n + 1} observe {phase} {at} {at} {at} {at + took} {outcome}")
        for n in range(stuck):
            at = 11_000 + 10 * n
            rows.append(f"{1000 + n} predict fault:stall {at} {at} {at} {at + 5000} ok")
            arrivals.append(f"{1000 + n} 1 predict {at + 1} {at + 4999} 200 stall")
        return {"calls": "\n".join(rows), "arrivals": "\n".join(arrivals), "faults": self.FAULTS}

    def test_passes_where_observes_went_on(self) -> None:
        """As quick as before."""
        assert said("P1", NOTHING, phases=PHASES, **self.tables(22)).status == "pass"

    def test_fails_where_they_became_slow(self) -> None:
        """Half a second instead of 24 ms."""
        assert said("P1", NOTHING, phases=PHASES, **self.tables(500)).status == "fail"

    def test_fails_where_they_failed(self) -> None:
        """A quarter of them."""
        assert said("P1", NOTHING, phases=PHASES, **self.tables(22, failed=50)).status == "fail"

    def test_leaves_those_that_waited_for_one_attempt_at_a_time_to_b8(self) -> None:
        """All observes of the stall begin together and are sent one by one, 50 ms each."""
        tables = self.tables(22)
        head, *rows = tables["calls"].splitlines()
        attempts = ["call attempt start_ms end_ms status"]
        attempts += [f"{n + 1} 1 {50 * n} {50 * n + 20} 200" for n in range(200)]
        attempts += [f"{1000 + n} 1 {11_000 + 10 * n} {16_000 + 10 * n} 200" for n in range(12)]
        for n in range(200, 400):
            begin, at = 10_000 + n, 50 * n
            rows[n] = f"{n + 1} observe fault:stall {begin} {begin} {begin} {at + 49} ok"
            attempts.append(f"{n + 1} 1 {at} {at + 49} 200")
        serial = {**tables, "calls": "\n".join([head, *rows]), "attempts": "\n".join(attempts)}
        assert said("B8", NOTHING, phases=PHASES, **serial).status == "fail"
        assert said("P1", NOTHING, phases=PHASES, **serial).status == "not_exercised"

    def test_is_not_exercised_by_few_hanging_calls(self) -> None:
        """Nine share no pool to its limit."""
        assert said("P1", NOTHING, phases=PHASES, **self.tables(500, stuck=9)).status == "not_exercised"


class TestP4:
    """What is too much is shed at once."""

    def tables(self, served: int, reply_ms: int = 5, shed: int = 40) -> dict[str, str]:
        """10 s at 40 served a second, then 10 s at `served`, with `shed` refusals a second."""
        calls, arrivals, n = [HEAD], ["call op arrive_ms reply_ms status"], 0
        for second in range(20):
            for k in range(40 if second < 10 else served):
                n += 1
                at = 1000 * second + 20 * k
                calls.append(f"{n} observe - {at} {at} {at} {at + 10} ok")
            for k in range(shed if second >= 10 else 0):
                n += 1
                at = 1000 * second + 20 * k
                calls.append(f"{n} observe - {at} {at} {at} {at + reply_ms} error")
                arrivals.append(f"{n} observe {at} {at + reply_ms} 503")
        return {"calls": "\n".join(calls), "arrivals": "\n".join(arrivals)}

    def test_passes_where_goodput_stayed(self) -> None:
        """36 of 40 a second."""
        assert said("P4", NOTHING, **self.tables(36)).status == "pass"

    def test_fails_where_goodput_broke_down(self) -> None:
        """10 of 40."""
        assert said("P4", NOTHING, **self.tables(10)).status == "fail"

    def test_fails_where_refusals_are_slow(self) -> None:
        """150 ms each."""
        assert said("P4", NOTHING, **self.tables(36, reply_ms=150)).status == "fail"

    def test_is_not_exercised_below_capacity(self) -> None:
        """Nobody was shed."""
        assert said("P4", NOTHING, **self.tables(36, shed=0)).status == "not_exercised"


class TestP5:
    """The client carries the load."""

    def history(self, delay_ms: int, inside: float) -> History:
        calls = [HEAD] + [
            f"{n + 1} observe baseline {10 * n} {10 * n} {10 * n + delay_ms} {10 * n + delay_ms + 5} ok"
            for n in range(400)
        ]
        samples = ["process time_ms lag_ms busy in_integration"]
        samples += [f"generator-0 {1000 * s} 80 0.9 {inside}" for s in range(1, 6)]
        return History.literal(PHASES, calls="\n".join(calls), samples="\n".join(samples))

    def test_passes_where_calls_start_when_due(self) -> None:
        """2 ms late."""
        assert verdict("P5", self.history(2, 0.1), NOTHING).status == "pass"

    def test_fails_where_the_integration_holds_the_processor(self) -> None:
        """60 ms late, and 90 % of the busy samples are its own."""
        assert verdict("P5", self.history(60, 0.9), NOTHING).status == "fail"

    def test_is_inconclusive_where_the_lag_is_not_its_own(self) -> None:
        """Then X3 fails."""
        history = self.history(60, 0.2)
        assert verdict("P5", history, NOTHING).status == "inconclusive"
        assert verdict("X3", history, NOTHING).status == "fail"

    def test_is_inconclusive_on_few_calls(self) -> None:
        """Ninety-nine."""
        history = self.history(60, 0.9)
        assert (
            verdict("P5", replace(history, calls=history.calls.where(slice(0, 99))), NOTHING).status == "inconclusive"
        )


class TestFullPool:
    """A full pool is named as the reason, by its size."""

    def tables(self, busy: int) -> dict[str, str]:
        """`busy` attempts are at KATO for a second when twelve more begin, which arrive when those are done."""
        calls, attempts, arrivals = [HEAD], ["call attempt via start_ms end_ms status"], [
            "call attempt op arrive_ms reply_ms status"
        ]  # fmt: skip
        for n in range(1, busy + 13):
            begin, arrive, end = (0, 1, 1000) if n <= busy else (10, 1001, 1010)
            calls.append(f"{n} observe - {begin} {begin} {begin} {end} ok")
            attempts.append(f"{n} 1 httpx {begin} {end} 200")
            arrivals.append(f"{n} 1 observe {arrive} {end} 200")
        return {"calls": "\n".join(calls), "attempts": "\n".join(attempts), "arrivals": "\n".join(arrivals)}

    def findings(self, busy: int, read: dict[str, object]) -> list[str]:
        case = Case(History.literal(**self.tables(busy)), promise(read=read))
        return [finding.reason for finding in findings_of(case) if finding.where == "limits.max_connections"]

    def test_waits_behind_a_full_pool_are_counted(self) -> None:
        """Twelve waited 0.99 s for one of twenty."""
        case = Case(History.literal(**self.tables(20)), promise(read={"limits": {"max_connections": 20}}))
        assert ("P5", "info") in {(finding.rule, finding.severity) for finding in findings_of(case)}
        (reason,) = self.findings(20, {"limits": {"max_connections": 20}})
        assert "pool of 20 connections was full: 12 attempts waited up to 0.99 s" in reason

    def test_a_late_arrival_with_connections_to_spare_is_not_the_pools(self) -> None:
        """Twenty of a hundred were in use: the network was slow."""
        assert self.findings(20, {"limits": {"max_connections": 100}}) == []

    def test_a_pool_of_unknown_size_is_not_accused(self) -> None:
        """Nothing was read."""
        assert self.findings(20, {}) == []
