"""The gates at their edges: what is a stall and whose, what the evidence must add up to, and what is said of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from law_cases import MS, S, calls_of, promise, said, share, whole
from test_law_gates import BASELINE, NOTHING, TestX2

from harness.evidence.history import History
from harness.laws import LAWS
from harness.laws.case import Case
from harness.laws.clocks import too_far_apart
from harness.laws.gates import saturated
from harness.laws.generator import Health, health
from harness.laws.lag import LagProfile
from harness.model import Span

SAMPLES = "process time_ms lag_ms cpu"


def calls(*spans: tuple[int, int], outcome: str = "ok") -> str:
    """Calls that were due and began at these times (ms), and took 10 ms."""
    rows = [
        f"{n} observe baseline {due} {due} {start} {start + 10} {outcome}" for n, (due, start) in enumerate(spans, 1)
    ]
    return "\n".join([BASELINE, *rows])


class TestX1:
    """Every fault was effective."""

    def test_says_what_was_wrong_with_which(self) -> None:
        """Never applied, or without effect; and how soon the others worked."""
        head = "name kind applied_ms effective_ms"
        found = said("X1", NOTHING, faults=f"{head}\na refuse - -\nb refuse 10 -\nc refuse 10 30")
        assert (found.reason, found.measured) == ("not every fault was applied: a, b", "1 of 3")
        found = said("X1", NOTHING, faults=f"{head}\nb refuse 10 -\nc refuse 10 30")
        assert found.reason == "not every fault showed its effect to the canary: b"
        found = said("X1", NOTHING, faults=f"{head}\nb refuse 10 20\nc refuse 10 30")
        assert (found.status, found.measured) == ("pass", "2 of 2")
        assert found.reason == "2 faults proved effective, at the latest 20 ms after it was applied"


class TestCleanExit:
    """The evidence adds up (X2)."""

    FACTS = TestX2.FACTS

    def test_says_what_is_left_and_what_is_missing(self) -> None:
        """In numbers, each with a cure of its own."""
        facts = self.FACTS | {"leftovers": ["a", "b"]}
        assert whole("X2", NOTHING, facts, calls=TestX2.CALLS) == ("fail", [], "2 left", "0", None)
        missing = said("X2", NOTHING, self.FACTS | {"issued": 1200}, calls=TestX2.CALLS)
        assert (missing.measured, missing.bound) == ("1", "1200")
        assert missing.reason == "1,200 calls were issued and 1 are in the evidence"
        assert "died before it wrote" in missing.cure
        cut = said("X2", NOTHING, self.FACTS | {"finished": False}, calls=TestX2.CALLS)
        assert cut.cure == "run it again"
        unknown = {"leftovers": []}
        found = said("X2", NOTHING, unknown, calls=TestX2.CALLS)
        assert (found.status, found.reason) == ("pass", "nothing is left, and all 1 call are accounted for")

    @pytest.mark.parametrize(("counted", "times", "status"), [
        (15, 5, "pass"), (16, 5, "fail"), (9, 5, "pass"), (8, 5, "fail"), (99, 4, "pass"), (0, 5, "pass"),
    ])  # fmt: skip
    def test_calls_in_flight_are_between_those_that_ran_and_those_that_were_due(
        self, counted: int, times: int, status: str
    ) -> None:
        """Ten ran, four more were due, one opened a session: within a twentieth and one; five samples tell."""
        rows = [f"{n} observe 0 0 0 10000 ok 0" for n in range(1, 11)]
        rows += [f"{n} observe 100 100 9000 10000 ok 0" for n in range(11, 15)]
        rows += ["15 open_session 9000 9000 9000 10000 ok 0", "16 observe 0 0 0 10000 ok 1"]
        samples = ["process time_ms in_flight", *(f"generator-0 {1000 * n} {counted}" for n in range(1, times + 1))]
        texts = {
            "calls": "\n".join(["call op intended_ms ready_ms start_ms end_ms outcome worker", *rows]),
            "samples": "\n".join(samples),
        }
        assert said("X2", NOTHING, self.FACTS | {"issued": 16}, **texts).status == status

    @pytest.mark.parametrize(("counted", "status"), [
        ((8, 9), "pass"), ((8, 8), "fail"), ((22, 22), "pass"), ((23, 23), "fail"),
    ])  # fmt: skip
    def test_openings_may_be_counted_or_not(self, counted: tuple[int, int], status: str) -> None:
        """Ten calls run, ten open sessions: 8.5 is a twentieth and one below ten, 22 as much above twenty; ten more
        were over before anybody counted."""
        rows = [f"{n} {'observe' if n <= 10 else 'open_session'} 0 0 0 10000 ok 0" for n in range(1, 21)]
        rows += [f"{n} observe 0 0 0 500 ok 0" for n in range(21, 31)]
        samples = ["process time_ms in_flight", *(f"generator-0 {1000 * n} {counted[n % 2]}" for n in range(1, 7))]
        texts = {
            "calls": "\n".join(["call op intended_ms ready_ms start_ms end_ms outcome worker", *rows]),
            "samples": "\n".join(samples),
        }
        assert said("X2", NOTHING, self.FACTS | {"issued": 30}, **texts).status == status

    def test_each_process_is_held_to_its_own_rows(self) -> None:
        """The first is sampled too rarely, the second counted twice as many as it has."""
        rows = [f"{n} observe 0 0 0 10000 ok {n % 2}" for n in range(1, 21)]
        samples = ["process time_ms in_flight", "generator-0 1000 10"]
        samples += [f"generator-1 {1000 * n} 20" for n in range(1, 6)]
        texts = {
            "calls": "\n".join(["call op intended_ms ready_ms start_ms end_ms outcome worker", *rows]),
            "samples": "\n".join(samples),
        }
        found = said("X2", NOTHING, self.FACTS | {"issued": 20}, **texts)
        assert "generator-1 counted 20.0 calls in flight and its rows say 10.0 to 10.0" in found.reason


def state(*spans: tuple[int, int], samples: str = "", phases: tuple[Span, ...] = (), **more: Any) -> Any:
    """The generator's health."""
    texts = {"calls": calls(*spans, **more)} | ({"samples": f"{SAMPLES}\n{samples}"} if samples else {})
    return health(Case(History.literal(phases, **texts), NOTHING))


EVEN = tuple((10 * n, 10 * n) for n in range(1, 100))
"""A hundred a second, on time, from 10 to 1,000 ms."""


class TestHealth:
    """How a generator kept its schedule."""

    def test_a_call_later_than_25_ms_is_a_stall(self) -> None:
        """From when it was due to when it began; two that overlap are one, two that don't are two."""
        assert (state(*EVEN, (500, 525)).stalls, state(*EVEN, (500, 525)).longest_ns) == (0, 0)
        one = state(*EVEN, (500, 526))
        assert (one.stalls, one.longest_ns, one.behind) == (1, 26 * MS, pytest.approx(26 / 990))
        both = state(*EVEN, (500, 560), (540, 600))
        assert (both.stalls, both.longest_ns) == (1, 100 * MS)
        inner = state(*EVEN, (500, 600), (540, 570))
        assert (inner.stalls, inner.longest_ns) == (1, 100 * MS)
        apart = state(*EVEN, (500, 560), (561, 600))
        assert (apart.stalls, apart.longest_ns, apart.behind) == (2, 60 * MS, pytest.approx(99 / 990))
        assert state(*EVEN, (500, 560), outcome="overflow").stalls == 0
        assert (state(*EVEN, (500, 560), (560, 600)).stalls, state(*EVEN).worst_phase) == (1, "")
        assert state(*EVEN, (500, 560), (600, 660), (650, 700)).stalls == 2

    def test_what_the_loop_overslept_is_a_stall_up_to_its_sample(self) -> None:
        """More than 100 ms of it."""
        assert state(*EVEN, samples="generator-0 600 100 0.5").stalls == 0
        found = state(*EVEN, samples="generator-0 600 101 0.5")
        assert (found.stalls, found.longest_ns, found.cpu) == (1, 101 * MS, 0.5)

    def test_only_judged_phases_count(self) -> None:
        """What lies in warm-up is nobody's; a phase with more of it is the worst."""
        phases = (
            Span("warmup", 0, 300 * MS),
            Span("baseline", 300 * MS, 600 * MS),
            Span("fault:x", 600 * MS, S),
            Span("cooldown", S, 2 * S),
        )
        assert state(*EVEN, (100, 200), phases=phases).stalls == 0
        found = state(*EVEN, (550, 650), (750, 800), phases=phases)
        assert (found.stalls, found.behind, found.worst, found.worst_phase) == (
            2, pytest.approx(150 / 700), pytest.approx(100 / 400), "fault:x",
        )  # fmt: skip

    def test_a_run_of_one_moment_has_no_share(self) -> None:
        """Nor has one of nothing."""
        assert state((10, 10)).behind == 0.0
        assert (state().behind, state().could, state().stalls, state().refused) == (0.0, 0.0, 0, 0.0)

    @pytest.mark.parametrize(("code", "words"), [
        ("EMFILE", "the generator had no descriptor left"), ("ENFILE", "the machine had no descriptor left"),
        ("EADDRNOTAVAIL", "the machine had no local port left"), ("ENOBUFS", "the machine had no buffer left"),
        ("ECONNREFUSED", ""),
    ])  # fmt: skip
    def test_what_was_missing_for_a_socket_is_named(self, code: str, words: str) -> None:
        """One of four calls met it; or one of four attempts."""
        share = 0.25 if words else 0.0
        lines = calls(*EVEN[:4]).splitlines()
        details = "\n".join([f"{lines[0]} detail", f"{lines[1]} OSError({code})", *(f"{line} -" for line in lines[2:])])
        by_call = health(Case(History.literal(calls=details), NOTHING))
        tries = f"call attempt start_ms end_ms detail\n1 1 10 20 OSError({code})\n" + "\n".join(
            f"{n} 1 10 20 -" for n in (2, 3, 4)
        )
        by_attempt = health(Case(History.literal(calls=calls(*EVEN[:4]), attempts=tries), NOTHING))
        assert (by_call.refused, by_attempt.refused) == (share, share)
        assert not share or by_call.words == f"{words} for 25.00% of the calls ({code})"
        assert bool(by_call.cure) == bool(by_attempt.cure) == bool(words)

    def test_says_how_much_it_could_have_carried(self) -> None:
        """A hundred a second: all of it, but for the time in stalls; of a full core four fifths."""
        assert state(*EVEN).could == pytest.approx(100.0)
        late = state(*EVEN, (500, 599), samples="generator-0 700 0 0.5\ngenerator-1 700 0 0.7\nhost 700 0 1.0")
        assert (late.cpu, late.could) == (0.7, pytest.approx(100 / 0.99 * 0.9))
        full = state(*EVEN, (500, 599), samples="generator-0 700 0 0.9\ngenerator-0 1700 0 0.1")
        assert (full.cpu, full.could) == (0.9, pytest.approx(100 / 0.99 * 0.8 / 0.9))
        assert (full.words, late.words) == (
            "the generator's core was full (90%)",
            "the generator was kept from running (its core was 70% busy): paused, or other work here",
        )
        assert state(*EVEN, (500, 599), outcome="overflow").could == 0.0

    def test_without_a_stall_or_a_sample_of_it_no_core_is_known(self) -> None:
        """Nobody looked at the generator while it was late; over two seconds half as many calls start each."""
        assert (state(*EVEN).cpu, state(*EVEN, samples="generator-0 600 0 0.5").cpu) == (0.0, 0.0)
        assert state(*EVEN, (500, 599)).cpu == 0.0
        late = state(*EVEN, (500, 599), samples="host 600 0 0.5")
        assert (late.cpu, late.words) == (0.0, "the generator was saturated or kept from running")
        assert state(*EVEN, phases=(Span("baseline", 0, 2 * S),)).could == 49.5

    def test_cpu_is_that_of_the_seconds_with_a_stall(self) -> None:
        """The one before it and the one after it say nothing."""
        samples = "\n".join(f"generator-0 {at} 0 {cpu}" for at, cpu in ((400, 0.1), (1400, 0.6), (2700, 0.2)))
        assert state(*EVEN, (500, 600), (2800, 2800), samples=samples).cpu == 0.6


@pytest.mark.parametrize(("bad", "kept"), [
    ({}, False), ({"refused": 0.001}, False), ({"refused": 0.0011}, True), ({"behind": 0.05}, False),
    ({"behind": 0.0501}, True), ({"worst": 1 / 3}, False), ({"worst": 0.34}, True), ({"longest_ns": S}, False),
    ({"longest_ns": S + 1}, True),
])  # fmt: skip
def test_a_thousandth_a_twentieth_a_third_and_a_second_are_allowed(bad: dict[str, Any], kept: bool) -> None:
    """Of calls without a socket, of the time, of a phase, and of a stall."""
    well = Health(1, 1, behind=0.0, worst=0.0, worst_phase="", refused=0.0, lacking="", cpu=0.0, could=1.0)
    assert saturated(replace(well, **bad)) is kept


class TestX3:
    """The harness is not the bottleneck."""

    def test_names_the_latest_calls_and_what_they_are_of(self) -> None:
        """Two of a hundred and one, in a stall of more than a second."""
        tables = calls(*EVEN[:98], (985, 2100), (1000, 2200), (3000, 3024))
        found = said("X3", NOTHING, calls=tables)
        assert (found.status, calls_of(found)) == ("fail", [100, 99])
        assert found.witnesses[0]["dispatch_delay_ns"] == 1200 * MS
        assert share("X3", NOTHING, calls=tables) == 2 / 101
        assert found.measured.startswith("p99 1115.0 ms, in stalls 40.2% of the time, overflow 0.00%")
        assert "2 calls of 101 started late or not at all" in found.reason
        assert found.bound == "p99 25 ms or stalls ≤ 5 % of the time"

    @pytest.mark.parametrize(("step_ms", "status"), [(100, "pass"), (101, "fail"), (-101, "fail")])
    def test_a_tenth_of_a_second_of_the_wall_clock_is_nothing(self, step_ms: int, status: str) -> None:
        """Forwards or back."""
        found = said("X3", NOTHING, {"wall_step_ns": step_ms * MS}, calls=calls(*EVEN))
        assert (found.status, found.bound) == (
            status,
            "0.1 s" if status == "fail" else "p99 25 ms or stalls ≤ 5 % of the time",
        )

    def test_a_stall_that_is_allowed_for_is_told(self) -> None:
        """One of forty milliseconds in a second; nothing, where calls were in time."""
        assert said("X3", NOTHING, calls=calls(*EVEN, *((500 + n, 540) for n in range(10)))).reason == (
            "calls started when they were due but for 1 stall of at most 40 ms, which the laws allow for"
        )
        assert said("X3", NOTHING, calls=calls(*EVEN)).reason == "calls started when they were due"

    @pytest.mark.parametrize(("stall_ms", "length_ms", "status"), [
        (99, 300, "pass"), (101, 300, "fail"), (1000, 5000, "pass"), (1001, 5000, "fail"),
    ])  # fmt: skip
    def test_a_third_of_a_phase_and_a_second_are_allowed(self, stall_ms: int, length_ms: int, status: str) -> None:
        """In thirty seconds that are well otherwise."""
        phases = (Span("baseline", 0, 30 * S), Span("fault:x", 30 * S, 30 * S + length_ms * MS))
        tables = calls(*((100 * n, 100 * n) for n in range(1, 300)), (30_010, 30_010 + stall_ms))
        assert said("X3", NOTHING, None, phases, calls=tables).status == status

    @pytest.mark.parametrize(("over", "said_"), [(1, False), (2, True)])
    def test_a_thousandth_over_the_bound_in_flight_is_nothing(self, over: int, said_: bool) -> None:
        """Of a thousand calls."""
        rows = calls(*((10 * n, 10 * n) for n in range(1, 1001 - over))).splitlines()
        rows += calls(*[(5000, 5000)] * over, outcome="overflow").splitlines()[1:]
        found = said("X3", NOTHING, calls="\n".join(rows))
        assert (found.status, "too many were in flight" in found.reason) == ("pass", said_)

    def test_overflow_is_counted_and_left_to_the_client(self) -> None:
        """Ten of 110 calls never began; how late they would have been says nothing of the others."""
        over = calls(*((10 * n, 10 * n + 5000) for n in range(1, 11)), outcome="overflow").splitlines()[1:]
        found = said("X3", NOTHING, calls="\n".join([calls(*EVEN, (1000, 1000)), *over]))
        assert (found.status, found.measured) == ("pass", "p99 0.0 ms, in stalls 0.0% of the time, overflow 9.09%")
        assert found.bound == "p99 25 ms or stalls ≤ 5 % of the time"
        assert found.reason == (
            "calls started when they were due; that too many were in flight is the client's: P5 judges that"
        )

    def test_says_how_late_it_was_where_the_integration_held_the_processor(self) -> None:
        """P5's matter, with X3's numbers."""
        rows = "\n".join(f"generator {1000 * s} 0 0 0.9 0.9" for s in range(1, 4))
        samples = f"{SAMPLES} busy in_integration\n{rows}"
        found = said("X3", NOTHING, calls=calls(*EVEN, (500, 1700)), samples=samples)
        assert (found.status, found.bound) == ("pass", "p99 25 ms or stalls ≤ 5 % of the time")
        assert found.measured.startswith("p99 ")

    def test_only_calls_of_judged_phases_are_looked_at(self) -> None:
        """Baseline, faults and recovery."""
        phases = (Span("baseline", 0, 2 * S),)
        tables = calls(*EVEN, (500, 1700))
        for phase, status in (
            ("baseline", "fail"),
            ("recovery", "fail"),
            ("fault:x", "fail"),
            ("warmup", "inconclusive"),
        ):
            assert said("X3", NOTHING, None, phases, calls=tables.replace("baseline", phase)).status == status


class TestLag:
    """How late the harness was, when."""

    def lag(self, start_ms: int, end_ms: int, facts: Any = None) -> int:
        """The worst of it (ms), of a call 40 ms late at 5 s, and a sample of 70 ms at 9 s."""
        texts = {"calls": calls((1000, 1000), (5000, 5040), (9500, 9500)), "samples": f"{SAMPLES}\ng 9000 70 0"}
        profile = LagProfile(History.literal((), facts, **texts))
        return int(profile.over(np.array([start_ms * MS]), np.array([end_ms * MS]))[0]) // MS

    @pytest.mark.parametrize(("start", "end", "worst"), [
        (0, 4800, 0), (0, 5000, 40), (5040, 6000, 40), (5070, 6000, 0), (5200, 7800, 0), (7990, 8000, 70),
        (8500, 8600, 70), (9000, 9000, 70), (9200, 20_000, 0), (0, 20_000, 70), (5000, 9000, 70),
    ])  # fmt: skip
    def test_is_the_worst_of_what_was_seen_in_that_stretch(self, start: int, end: int, worst: int) -> None:
        """A call's around when it was due and began, a sample's for the second that it ends."""
        assert self.lag(start, end) == worst

    @pytest.mark.parametrize(("start", "end", "worst"), [
        (100_000, 100_010, 2000), (100_200, 101_800, 0), (102_000, 102_010, 2000), (104_700, 104_800, 0),
        (105_000, 105_010, 300), (105_300, 105_310, 300), (105_500, 107_500, 0), (100_000, 120_000, 2000),
        (105_100, 109_000, 300), (99_000, 99_500, 0), (90_000, 91_000, 0),
    ])  # fmt: skip
    def test_a_late_call_is_lag_when_it_was_due_and_when_it_began(self, start: int, end: int, worst: int) -> None:
        """The first one by two seconds, long after the clock's zero."""
        late = calls((100_000, 102_000), (105_000, 105_300), (109_500, 109_500))
        profile = LagProfile(History.literal(calls=late, samples=f"{SAMPLES}\ng 109000 70 0"))
        assert profile.over(np.array([start * MS]), np.array([end * MS])).tolist() == [worst * MS]

    def test_clocks_that_are_apart_are_lag_everywhere(self) -> None:
        """By the worst of the hosts."""
        hosts = {"hosts": [{"host": "a", "uncertainty_ns": 3 * MS}, {"host": "b", "uncertainty_ns": 8 * MS}]}
        assert self.lag(0, 100, hosts) == 8
        assert LagProfile(History.literal()).over(np.array([5]), np.array([9])).tolist() == [0]


def test_clocks_too_far_apart_silence_the_laws_that_compare_them() -> None:
    """More than 100 ms, of the host that is named."""
    hosts = [{"host": "a", "uncertainty_ns": 3 * MS}, {"host": "b", "uncertainty_ns": 101 * MS}]
    words = "the clock of b is known to ±101 ms only, and this law compares it with ours to 100 ms"
    silenced = " ".join(law for law in LAWS if too_far_apart(law, {"hosts": hosts}))
    assert silenced == ("T1 T2 T3 T6 T7 R2 R3 R6 R7 R10 R12 B3 B4 B10 F1 F3 F4 P1 P4 M1 M2 M3 D6 D7")
    assert too_far_apart("T1", {"hosts": hosts}) == words
    assert too_far_apart("T1", {"hosts": [{"host": "a", "uncertainty_ns": 100 * MS}]}) == ""
    assert too_far_apart("T1", {}) == ""


def test_promises_stay_silent_about_gates() -> None:
    """Whatever the client promises, a gate says the same."""
    assert said("X3", promise({"timeout": {"total": 1.0}}), calls=calls(*EVEN)).status == "pass"
