"""Which attempts make a herd (M3), one at a time: 24 a second in peace, so that 64 in a second after a fault are the
most that half as many more and chance explain."""

from __future__ import annotations

import pytest
from law_cases import calls_of, said
from test_law_recovery import CLIENT, FAULTS, PHASES

from harness.model import Span, Verdict

MOST = 64
"""Of 24 a second: 64 − 3.5 √64 = 1.5 × 24."""

Row = tuple[int, int, int, int, str, int]
"""Of an attempt: number within its call, ms of start and end, status, result, connection."""


class Client:
    """Calls and their attempts, as they come."""

    def __init__(self, rate: int = 24, peace_ms: int = 10_000) -> None:
        self.calls = ["call op phase intended_ms ready_ms start_ms end_ms outcome"]
        self.attempts = ["call attempt start_ms end_ms status result connection"]
        self.number = 0
        for n in range(rate * peace_ms // 1000):
            self.call((1, n * 1000 // rate, n * 1000 // rate + 5, 200, "-", 1), phase="baseline")

    def call(
        self, *tries: Row, due_ms: int | None = None, ready_ms: int | None = None, phase: str = "fault:out"
    ) -> int:
        """A call with its attempts, due and ready when the first of them began."""
        self.number += 1
        begun, ended = tries[0][1], tries[-1][2]
        due, ready = (begun if at is None else at for at in (due_ms, ready_ms))
        self.calls.append(f"{self.number} observe {phase} {due} {ready} {begun} {ended} ok")
        self.attempts += [f"{self.number} {' '.join(map(str, row))}" for row in tries]
        return self.number

    def replays(self, count: int, at_ms: int = 14_250, apart_ms: int = 1) -> None:
        """Attempts of no call."""
        for n in range(count):
            self.attempts.append(f"0 1 {at_ms + n * apart_ms} {at_ms + n * apart_ms + 5} 200 - 1")

    def again(self, count: int, lost_ms: int, result: str = "reset", faults_end_ms: int = 14_000) -> None:
        """Re-tries within half a second of a fault's end, of attempts that ended at `lost_ms`."""
        for n in range(count):
            at, status = faults_end_ms + 200 + 5 * n, 200 if result == "-" else 0
            self.call((1, lost_ms - 500, lost_ms, status, result, 1), (2, at, at + 5, 200, "-", 1))

    def says(self, faults: str = FAULTS, phases: tuple[Span, ...] = PHASES) -> Verdict:
        """M3, of a load that goes on for a minute."""
        for at in (20_000, 60_000):
            self.call((1, at, at + 5, 200, "-", 1), phase="recovery")
        tables = {"calls": "\n".join(self.calls), "attempts": "\n".join(self.attempts)}
        return said("M3", CLIENT, phases=phases, faults=faults, **tables)


def passes(client: Client, faults: str = FAULTS) -> bool:
    """Whether M3 passes; else it fails."""
    found = client.says(faults)
    assert found.status in ("pass", "fail")
    return found.status == "pass"


@pytest.mark.parametrize(("count", "status"), [(MOST, "pass"), (MOST + 1, "fail")])
def test_chance_is_three_and_a_half_roots(count: int, status: str) -> None:
    """A second from a quarter of one on holds them all."""
    client = Client()
    client.replays(count - 1)
    client.replays(1, at_ms=15_249)
    found = client.says()
    assert (found.status, found.measured, found.bound) == (status, f"{count}/s", "1.5 × 24/s")


def test_of_seconds_with_as_many_the_first_is_named() -> None:
    """It begins with the fault's end, and who ended in that moment is of it; so is who began in its last one."""
    client = Client()
    ended, last = (client.call((1, at, at + 100, 200, "-", 1)) for at in (13_900, 14_999))
    client.replays(100, at_ms=14_800)
    assert calls_of(client.says()) == [ended, last]


@pytest.mark.parametrize(("rate", "peace_ms", "span_ms", "told"), [
    (5, 2_000, 2_000, True), (5, 2_000, 2_001, False), (5, 2_000, 1_999, False), (6, 2_000, 2_400, True),
])  # fmt: skip
def test_two_seconds_of_five_attempts_are_a_baseline(rate: int, peace_ms: int, span_ms: int, told: bool) -> None:
    """Fewer of either are none."""
    client = Client(rate, peace_ms)
    client.replays(100)
    found = client.says(phases=(Span("baseline", 0, span_ms * 1_000_000),))
    assert found.status == ("fail" if told else "not_applicable")


@pytest.mark.parametrize(("late_ms", "own"), [(20, True), (50, True), (51, False), (80, False)])
def test_who_began_fifty_milliseconds_after_being_due_had_waited(late_ms: int, own: bool) -> None:
    """For a session: that is the load's doing."""
    client = Client()
    for n in range(100):
        at = 14_000 + n % 20
        client.call((1, at, at + 5, 200, "-", 1), due_ms=at - late_ms)
    assert passes(client) is not own


@pytest.mark.parametrize(("lost_ms", "result", "own"), [
    (12_000, "reset", True), (13_949, "reset", True), (13_951, "reset", False), (14_100, "reset", False),
    (13_990, "-", True),
])  # fmt: skip
def test_retries_of_what_the_faults_end_cut_off_are_its_doing(lost_ms: int, result: str, own: bool) -> None:
    """From 50 ms before it on; not those of what was lost earlier, or of an answer."""
    client = Client()
    client.again(100, lost_ms, result)
    assert passes(client) is not own


@pytest.mark.parametrize(("lost_ms", "own"), [(14_999, False), (15_001, True)])
def test_what_was_lost_a_second_after_the_end_was_not_cut_off_by_it(lost_ms: int, own: bool) -> None:
    """Re-tries that come 200 ms after that second."""
    client = Client()
    for n in range(100):
        client.call((1, 14_100 + 5 * n, lost_ms, 0, "reset", 1), (2, 15_200 + 5 * n, 15_205 + 5 * n, 200, "-", 1),
                    due_ms=12_000)  # fmt: skip
    assert passes(client) is not own


def test_each_of_several_faults_has_its_herd_and_its_end() -> None:
    """The first one's herd is seen before the second; and what each cut off is its own."""
    twice = f"{FAULTS}\nagain refuse 40000 40001 40002 44000"
    first, both = Client(), Client()
    first.replays(100)
    assert not passes(first, twice)
    for end_ms in (14_000, 44_000):
        both.again(100, end_ms, faults_end_ms=end_ms)
    assert passes(both, twice)


def test_the_first_call_of_a_run_is_a_call() -> None:
    """Its re-try is counted once, not among the replays of none as well."""
    client = Client(rate=0)
    client.call((1, 0, 5, 503, "-", 1), (2, 14_300, 14_305, 200, "-", 1))
    for n in range(1, 240):
        at = n * 1000 // 24
        client.call((1, at, at + 5, 200, "-", 1))
    client.replays(MOST - 1)
    assert passes(client)


class TestGate:
    """Calls that waited in the client, and were let go together."""

    def held(self, count: int, replays: int, spread_ms: int = 1, ready_ms: int = 12_000, took_ms: int = 4) -> Client:
        """So many from 14.2 s on, on connections of their own, beside replays around them."""
        client = Client()
        for n in range(count):
            at = 14_200 + n % spread_ms
            client.call((1, at, at + took_ms, 200, "-", 100 + n), due_ms=12_000, ready_ms=ready_ms)
        client.replays(replays, at_ms=14_300)
        return client

    def given_back(self, client: Client, count: int, at_ms: int) -> None:
        """Connections given back at that moment, after a second."""
        for n in range(count):
            client.call((1, at_ms - 1000, at_ms, 200, "-", 500 + n))

    @pytest.mark.parametrize(("ready_ms", "own"), [(12_000, True), (14_149, True), (14_150, False), (14_190, False)])
    def test_who_waited_for_a_session_was_held_by_the_load(self, ready_ms: int, own: bool) -> None:
        """It was ready at most 50 ms before."""
        assert passes(self.held(100, 0, ready_ms=ready_ms)) is not own

    @pytest.mark.parametrize(("count", "own"), [(10, False), (11, True)])
    def test_more_than_ten_are_let_go_by_a_gate(self, count: int, own: bool) -> None:
        """And count with what else came in that second."""
        assert passes(self.held(count, MOST + 1 - count)) is not own

    def test_a_gate_opens_within_ten_milliseconds(self) -> None:
        """A hundred in ten moments are together; six and six in two times ten are not."""
        assert not passes(self.held(100, 0, spread_ms=10))
        assert passes(self.held(12, MOST - 11, spread_ms=20))
        assert not passes(self.held(12, MOST - 11, spread_ms=10))

    @pytest.mark.parametrize(("at_ms", "own"), [
        (14_185, True), (14_195, False), (14_205, False), (14_215, True),
    ])  # fmt: skip
    def test_a_pool_lets_one_in_for_each_it_lets_out(self, at_ms: int, own: bool) -> None:
        """Within those ten milliseconds, or the ten before."""
        client = self.held(100, 0)
        self.given_back(client, 50, at_ms)
        assert passes(client) is not own

    @pytest.mark.parametrize(("count", "own"), [(12, False), (13, True)])
    def test_twice_as_many_as_were_given_back_and_ten_are_a_pools(self, count: int, own: bool) -> None:
        """One was."""
        client = self.held(count, MOST + 1 - count)
        self.given_back(client, 1, 14_195)
        assert passes(client) is not own

    def test_what_took_ten_milliseconds_gave_nothing_back(self) -> None:
        """The hundred themselves end in the moment in which they began."""
        assert not passes(self.held(100, 0, took_ms=4))
