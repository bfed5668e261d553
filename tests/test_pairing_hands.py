"""Whose observe it was that a consumer put in words of its own, on literal tables."""

from __future__ import annotations

import numpy as np

from harness.evidence.hands import by_hand
from harness.evidence.history import History
from harness.evidence.table import Table

CALLS = "call op session start_ms end_ms outcome"


def told(messages: str, arrivals: str, calls: int = 9) -> list[int]:
    """The calls of the arrivals (their time in ms, session and words), when messages 1 to `calls` went to session s,
    and message 90 to session t; `messages` are rows of event, call, connection, number and time in ms."""
    made = [f"{call} observe s {call} {call} ok" for call in range(1, calls + 1)]
    rows = [row.split() for row in arrivals.split(", ")]
    history = History.literal(
        calls="\n".join([CALLS, *made, "90 observe t 1 2 ok"]),
        messages="event call connection number time_ms\n" + messages.replace(", ", "\n"),
        arrivals="\n".join(["call op session arrive_ms", *(f"0 observe {row[1]} {row[0]}" for row in rows)]),
    )
    spoken = Table({**history.arrivals.columns, "payload": np.array([int(row[2]) for row in rows])})
    return by_hand(spoken, history.calls, history.messages).tolist()


def test_an_observe_is_that_of_the_message_in_hand() -> None:
    """While it is in the consumer's hands, from its delivery to its ack; before and after it is nobody's."""
    one = "delivered 1 1 1 10, acked 1 1 1 20"
    assert told(one, "15 s 5") == [1]
    assert told(one, "9 s 5, 10 s 5, 20 s 5, 21 s 5") == [0, 1, 1, 0]


def test_a_message_of_another_session_is_not_meant() -> None:
    """Both are in hand; each session has its own."""
    both = "delivered 1 1 1 10, delivered 90 1 2 11, acked 1 1 1 20, acked 90 1 2 21"
    assert told(both, "15 s 5, 16 t 5, 17 u 5") == [1, 90, 0]


def test_of_two_messages_in_hand_nobody_knows_which() -> None:
    """A consumer that takes ten at once, of one session."""
    assert told("delivered 1 1 1 10, delivered 2 1 2 10, acked 1 1 1 20, acked 2 1 2 21", "15 s 5, 16 s 6") == [0, 0]


def test_the_second_observe_of_a_message_is_the_same_or_none() -> None:
    """Sent again it has the same words; a consumer that makes two of one message has doubled nothing."""
    one = "delivered 1 1 1 10, acked 1 1 1 20"
    assert told(one, "15 s 5, 16 s 5, 17 s 6") == [1, 1, 0]


def test_a_message_comes_back_with_its_connection() -> None:
    """What was in hand when the connection was lost is so no more, until it is delivered again."""
    again = "delivered 1 1 1 10, closed 0 1 0 20, delivered 1 2 1 30, requeued 1 2 1 40, delivered 1 2 2 50"
    assert told(again, "15 s 5, 25 s 5, 35 s 5, 45 s 5, 55 s 5") == [1, 0, 1, 0, 1]


def handled(first: str, second: str, count: int = 6, gap: int = 10) -> str:
    """The same two events for messages 1 to `count`, `gap` ms after each other."""
    return ", ".join(f"{first} {n} 1 {n} {gap * n}, {second} {n} 1 {n} {gap * n + 1}" for n in range(1, count + 1))


def test_a_consumer_that_acks_first_works_on_what_it_acked() -> None:
    """Its observe comes when the message is gone, the next one maybe there: in order."""
    acked_first = handled("delivered", "acked")
    assert told(acked_first, ", ".join(f"{10 * n + 3} s {n}" for n in range(1, 7))) == [1, 2, 3, 4, 5, 6]
    late = ", ".join(f"{10 * n + 3} s {n}" for n in range(1, 6)) + ", 70.5 s 6"
    assert told(acked_first + ", delivered 7 1 7 70, acked 7 1 7 71", late) == [1, 2, 3, 4, 5, 6]


def test_who_works_before_the_ack_sends_nothing_for_what_it_acked_without_work() -> None:
    """Message 7 was acked while KATO was away: the observe of message 8 is its own."""
    works = ", ".join(f"delivered {n} 1 {n} {10 * n}, acked {n} 1 {n} {10 * n + 5}" for n in range(1, 9))
    seen = ", ".join(f"{10 * n + 2} s {n}" for n in (1, 2, 3, 4, 5, 6, 8))
    assert told(works, seen) == [1, 2, 3, 4, 5, 6, 8]


def test_without_a_practice_an_acked_message_leaves_the_next_in_doubt() -> None:
    """Two observes only: who knows whether the second is a late one of message 1?"""
    rows = "delivered 1 1 1 10, acked 1 1 1 15, delivered 2 1 2 20, acked 2 1 2 25"
    assert told(rows, "22 s 5") == [0]
