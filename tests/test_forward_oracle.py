"""The commit oracle: an unacknowledged observe is marked committed only where KATO's own counters prove it."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.twin.forward.oracle import MAX_LENGTH, CommitOracle


@dataclass(eq=False)
class Observe:
    """As much of an exchange as the oracle looks at."""

    session: str = "s"
    call: int = 0
    commit_seq: int = 0
    observations: int = 1


@dataclass
class Notes:
    """Takes what is written down."""

    rows: list[Observe] = field(default_factory=list)

    @property
    def recorded(self) -> int:
        return len(self.rows)

    def record(self, exchange: Observe) -> None:
        self.rows.append(exchange)


class Bench:
    """An oracle with one session whose KATO the test plays."""

    def __init__(self) -> None:
        self.notes = Notes()
        self.commits = 0
        self.now_ns = 0
        self.oracle = CommitOracle(self.notes, lambda: self.now_ns, self._next)  # type: ignore[arg-type]
        self.oracle.opened("s")

    def _next(self, exchange: Observe) -> int:
        self.commits += 1
        return self.commits

    def ack(self, time: int, length: int) -> None:
        self.oracle.begun("s")
        self.oracle.acknowledged("s", time, length)

    def lose(self, call: int = 0, observations: int = 1) -> Observe:
        exchange = Observe(call=call, observations=observations)
        self.oracle.begun("s")
        self.oracle.lost(exchange)  # type: ignore[arg-type]
        self.oracle.record(exchange)  # type: ignore[arg-type]
        return exchange


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_the_next_reply_proves_a_lost_one(bench: Bench) -> None:
    """KATO's counter grew by two where one observe was acknowledged."""
    bench.ack(1, 1)
    lost = bench.lose()
    assert bench.notes.rows == []
    bench.ack(3, 3)
    assert lost.commit_seq > 0
    assert bench.notes.rows == [lost]


def test_a_counter_that_grew_by_one_keeps_the_question_open(bench: Bench) -> None:
    """The lost one may still be at work in KATO; a later reply proves it."""
    lost = bench.lose()
    bench.ack(1, 1)
    assert bench.notes.rows == []
    bench.ack(3, 3)
    assert lost.commit_seq > 0


def test_reading_back_decides_a_quiet_session(bench: Bench) -> None:
    """One event more than the last reply said: committed. None more: not."""
    bench.ack(1, 1)
    first = bench.lose()
    bench.oracle.read_back("s", 2)
    second = bench.lose()
    bench.oracle.read_back("s", 2)
    assert (first.commit_seq > 0, second.commit_seq) == (True, 0)
    assert bench.notes.rows == [first, second]


def test_two_lost_of_which_one_was_committed_prove_nothing(bench: Bench) -> None:
    """Which one it was can't be known."""
    lost = [bench.lose(call=1), bench.lose(call=2)]
    bench.ack(2, 2)
    assert [one.commit_seq for one in lost] == [0, 0]
    assert bench.notes.rows == lost


def test_two_lost_attempts_of_one_call_prove_that_call(bench: Bench) -> None:
    """One of them was committed, and it is the call that counts."""
    lost = [bench.lose(call=7), bench.lose(call=7)]
    bench.ack(2, 2)
    assert sorted(one.commit_seq > 0 for one in lost) == [False, True]


def test_a_lost_sequence_counts_for_all_that_it_holds(bench: Bench) -> None:
    """KATO commits all of it or none; one observation more is another's."""
    bench.ack(1, 1)
    lost = bench.lose(observations=3)
    bench.oracle.begun("s")
    bench.oracle.acknowledged("s", 6, 6, 2)
    other = bench.lose(observations=3)
    bench.ack(8, 8)
    assert (lost.commit_seq > 0, other.commit_seq) == (True, 0)


def test_of_two_sequences_of_one_call_half_the_counter_proves_one(bench: Bench) -> None:
    """Of one that holds two and one that holds one, nobody knows which."""
    same = [bench.lose(call=7, observations=2), bench.lose(call=7, observations=2)]
    bench.ack(3, 3)
    assert sorted(one.commit_seq > 0 for one in same) == [False, True]
    odd = [bench.lose(call=8, observations=2), bench.lose(call=8)]
    bench.oracle.read_back("s", 4)
    assert [one.commit_seq for one in odd] == [0, 0]


def test_nothing_is_proven_while_others_are_in_flight(bench: Bench) -> None:
    """Their part of the counter is unknown until they are answered."""
    lost = bench.lose()
    bench.oracle.begun("s")
    bench.ack(3, 3)
    assert lost.commit_seq == 0
    bench.oracle.acknowledged("s", 2, 2)
    assert lost.commit_seq > 0


@pytest.mark.parametrize("length", [None, MAX_LENGTH])
def test_a_memory_that_says_nothing_proves_nothing(bench: Bench, length: int | None) -> None:
    """KATO didn't answer, or its memory is full and forgets."""
    bench.ack(999, 999)
    lost = bench.lose()
    bench.oracle.read_back("s", length)
    assert lost.commit_seq == 0
    assert bench.notes.rows == [lost]


def test_a_learn_starts_the_memory_anew(bench: Bench) -> None:
    """One event after it is one observe more."""
    bench.ack(1, 1)
    bench.ack(2, 2)
    bench.oracle.learnt("s")
    lost = bench.lose()
    bench.oracle.read_back("s", 1)
    assert lost.commit_seq > 0


def test_a_learn_leaves_the_counter_alone(bench: Bench) -> None:
    """A lost observe before it is proven by the next reply after it."""
    bench.ack(1, 1)
    lost = bench.lose()
    bench.oracle.learnt("s")
    bench.ack(3, 1)
    assert lost.commit_seq > 0


def test_a_cleared_session_counts_from_nothing(bench: Bench) -> None:
    """What was lost before it stays unproven; what is lost after it is proven as ever."""
    bench.ack(1, 1)
    before = bench.lose()
    bench.oracle.cleared("s")
    after = bench.lose()
    bench.ack(2, 2)
    assert (before.commit_seq, after.commit_seq > 0) == (0, True)


def test_only_quiet_sessions_are_read_back(bench: Bench) -> None:
    """Not while anything is in flight, and not before the time."""
    bench.lose()
    assert bench.oracle.waiting(1000) == []
    bench.now_ns = 1000
    assert [session for session, _ in bench.oracle.waiting(1000)] == ["s"]
    bench.oracle.begun("s")
    assert bench.oracle.waiting(0) == []


def test_closing_writes_down_what_is_open(bench: Bench) -> None:
    """As not committed, as far as is known."""
    lost = bench.lose()
    bench.oracle.close()
    assert bench.notes.rows == [lost]
    assert bench.oracle.recorded == 1


@given(st.lists(st.sampled_from(["ack", "lost committed", "lost"]), max_size=30))
def test_a_sequential_client_is_never_told_a_false_commit(steps: list[str]) -> None:
    """Whatever gets lost: what is marked was committed, and each observe is written down once."""
    bench = Bench()
    time = 0
    truth: dict[Observe, bool] = {}
    for call, step in enumerate(steps, 1):
        time += step != "lost"
        if step == "ack":
            bench.ack(time, time)
        else:
            truth[bench.lose(call)] = step == "lost committed"
    bench.oracle.read_back("s", time)
    bench.oracle.close()
    assert all(truth[one] for one in bench.notes.rows if one.commit_seq)
    assert sorted(map(id, bench.notes.rows)) == sorted(map(id, truth))
