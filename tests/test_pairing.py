"""Which call an arrival belongs to, on literal tables."""

from __future__ import annotations

import numpy as np

from harness.data import fingerprint, fingerprint_of
from harness.evidence.history import History
from harness.evidence.pairing import pair_arrivals, without_misnamed, without_names
from harness.evidence.table import Table

CALLS = "call op session node_id outcome start_ms end_ms content"


def paired(calls: str, arrivals: str) -> list[tuple[int, str]]:
    """(call, paired by) of the arrivals; their last column but one is the payload."""
    rows = [line.split() for line in arrivals.split("\n")]
    told = "\n".join(" ".join([*row[:4], row[5]]) for row in rows)
    history = History.literal(calls=f"{CALLS}\n{calls}", arrivals=f"call op session arrive_ms commit_seq\n{told}")
    payload = np.array([int(row[4]) for row in rows])
    found = pair_arrivals(Table({**history.arrivals.columns, "payload": payload}), history.calls)
    return list(zip(found["call"].tolist(), found["paired_by"].tolist(), strict=True))


def test_a_replay_belongs_to_the_call_that_said_the_same() -> None:
    """Call 1 was put aside, and its observe came from a thread of the client's while call 2 was under way."""
    calls = "1 observe s n degraded 10 20 7\n2 observe s n ok 30 60 8"
    assert paired(calls, "2 observe s 31 8 1\n0 observe s 40 7 2") == [(2, "header"), (1, "content")]


def test_what_a_thread_sends_within_its_call_belongs_to_that_call() -> None:
    """No header, but the call is under way and says the same; an older one with the same words has had its own."""
    calls = "1 observe s n ok 10 20 7\n2 observe s n ok 30 60 7"
    assert paired(calls, "0 observe s 11 7 1\n0 observe s 40 7 2") == [(1, "time"), (2, "time")]


def test_alike_observes_accuse_nobody_as_long_as_there_is_a_call_for_each() -> None:
    """Two put aside with the same words, two replays: one each; only the third is one too many."""
    calls = "1 observe s n degraded 10 20 7\n2 observe s n degraded 30 40 7"
    replays = "0 observe s 50 7 1\n0 observe s 60 7 2"
    assert [call for call, _ in paired(calls, replays)] == [1, 2]
    assert sorted(call for call, _ in paired(calls, f"{replays}\n0 observe s 70 7 3")) == [1, 1, 2]


def test_a_call_that_sends_what_had_waited_may_have_said_the_same_itself() -> None:
    """Its own words come last, under its name; the same words before them are the older call's, named or not."""
    calls = "1 observe s n degraded 10 20 7\n2 observe s n ok 30 60 7\n3 observe s n degraded 70 75 8"
    assert [call for call, _ in paired(calls, "0 observe s 40 7 1\n2 observe s 40 7 2")] == [1, 2]
    assert sorted(paired(calls, "2 observe s 40 7 1\n2 observe s 41 7 2\n0 observe s 90 8 3")) == [
        (1, "content"), (2, "header"), (3, "content"),
    ]  # fmt: skip


def test_a_replay_is_none_of_a_call_that_ended_in_an_error() -> None:
    """Nobody sends again what its caller was told to be lost, if another call fits."""
    calls = "1 observe s n error 10 20 7\n2 observe s n degraded 30 40 7"
    assert paired(calls, "0 observe s 50 7 1") == [(2, "content")]


def test_a_call_is_not_older_than_what_it_sent() -> None:
    """The only one with these words began later."""
    assert paired("1 observe s n ok 30 40 7", "0 observe s 20 7 1") == [(0, "")]


def test_of_two_calls_back_to_back_each_gets_its_own() -> None:
    """In virtual time one ends in the instant in which the next begins; calls side by side can't be told apart."""
    calls = "1 predict s n ok 10 20 0\n2 predict s n ok 20 30 0"
    assert [call for call, _ in paired(calls, "0 predict s 20 0 0\n0 predict s 20 0 0")] == [1, 2]
    assert paired("1 predict s n ok 10 25 0\n2 predict s n ok 20 30 0", "0 predict s 22 0 0") == [(0, "")]


def test_a_name_of_another_sessions_call_is_none() -> None:
    """A worker that call 1 started sends what call 2 asked for under the name of call 1; so it does with a session."""
    history = History.literal(
        calls=f"{CALLS}\n1 observe s n ok 10 50 7\n2 observe t m ok 20 30 8",
        arrivals="""
        call attempt op session node_id arrive_ms
        1 1 observe s n 11
        1 2 observe t m 21
        1 3 open_session u m 22
        """,
        attempts="call attempt start_ms end_ms\n1 1 10 12\n1 2 20 22\n1 3 22 23",
    )
    unsaid = Table({**history.arrivals.columns, "payload": np.array([7, 8, 0])})
    arrivals, names = without_misnamed(unsaid, history.calls)
    attempts = without_names(history.attempts, names)
    assert arrivals["call"].tolist() == attempts["call"].tolist() == [1, 0, 0]


def named(payloads: list[int]) -> list[int]:
    """The calls of four observes sent under the names of calls 1, 2, 3 and 3: session s said 7, 8 and 9."""
    history = History.literal(
        calls=f"{CALLS}\n1 observe s n degraded 10 20 7\n2 observe s n ok 30 40 8\n3 observe s n ok 50 90 9",
        arrivals="call op session arrive_ms\n1 observe s 11\n2 observe s 31\n3 observe s 51\n3 observe s 60",
    )
    spoken = Table({**history.arrivals.columns, "payload": np.array(payloads)})
    return without_misnamed(spoken, history.calls)[0]["call"].tolist()


def test_a_name_of_a_call_that_said_something_else_is_none() -> None:
    """Call 3 has its user's older observation flushed, under its own name: it is call 1's. What nobody said stays: the
    client may put it in other words; and where most words are nobody's nothing is told by them."""
    assert named([7, 8, 9, 7]) == [1, 2, 3, 0]
    assert named([7, 8, 9, 70]) == [1, 2, 3, 3]
    assert named([8, 9, 7, 7]) == [0, 0, 0, 0]
    assert named([70, 71, 72, 7]) == [1, 2, 3, 3]


def test_a_fingerprint_is_what_kato_learns_and_not_how_it_is_written() -> None:
    """Absent, empty and whole numbers are alike; another symbol, another number or no JSON is not."""
    said = fingerprint({"strings": ["a"], "vectors": [[1]], "emotives": {}})
    assert said == fingerprint_of(b'{"vectors": [[1.0]], "strings": ["a"], "metadata": {"x": 1}}') > 0
    assert said != fingerprint({"strings": ["b"], "vectors": [[1]]})
    assert fingerprint_of(b"{") == fingerprint_of(b"[]") == fingerprint_of(b'{"vectors": 3}') == 0
