"""Messaging laws at their edges: the accounts of a run, what is too often or too long, and who is named."""

from __future__ import annotations

from typing import Any

import pytest
from law_cases import MS, calls_of, promise, share
from test_law_messaging import (
    AWAY,
    CALLS,
    COMMITS,
    DOWN,
    FACTS,
    GOOD,
    HEAD,
    NAMED,
    PHASES,
    POISON,
    TestQ3,
    TestQ4,
    judged,
    plus,
    without,
)  # fmt: skip

from harness.laws.queue_view import unmatched


class TestQ1:
    """None is lost, and all are accounted for."""

    def test_accounts_for_every_message(self) -> None:
        """Six of them: two lost, one dead, one doubled that came twice, one unconfirmed, one in order."""
        calls = "\n".join(
            [
                "call op start_ms end_ms outcome",
                *(f"{n} observe 0 5 {'timeout' if n == 5 else 'ok'}" for n in range(1, 7)),
                "7 predict 0 5 ok",
            ]
        )
        seen = "\n".join(
            [COMMITS.splitlines()[0], *(f"{n} 1 observe 20 25 200 {n}" for n in (4, 5, 6)), "4 2 observe 30 31 200 9"]
        )
        rows = [f"delivered 0 0 1 observations - {n} {n} 18" for n in range(1, 7)] + [
            "delivered 1 0 1 observations - 4 9 28"
        ]
        rows += ["delivered 1 0 1 observations - 3 9 28", "acked 0 0 1 - - 2 2 19", "dropped 0 0 1 - - 1 1 19",
                 "dead 0 0 0 observations.dead - 3 0 80"]  # fmt: skip
        found = judged("Q1", "\n".join([HEAD, *rows]), calls=calls, arrivals=seen)
        assert (found.status, calls_of(found), found.bound) == ("fail", [1, 2], "0 lost")
        assert found.measured == "2 lost, 1 doubled, 1 recovered, 1 dead, 1 unconfirmed"
        assert found.reason.startswith("2 confirmed messages of 5 lost: neither")
        notes = ("deliveries", "acked", "dropped", "commits", "commit_ns", "acked_ns")
        assert [found.witnesses[0][name] for name in notes] == [1, 0, 1, 0, 0, 0]
        assert [found.witnesses[1][name] for name in notes] == [1, 1, 0, 0, 0, 19 * MS]

    def test_says_where_messages_wait(self) -> None:
        """One that was committed waits for nobody."""
        one = without(COMMITS, "2 ")
        left = plus(GOOD, "left 0 0 0 later - 2 0 80", "left 0 0 0 other - 0 0 80")
        found = judged("Q1", left, arrivals=one)
        assert (found.status, found.reason) == ("inconclusive", "1 message still in later at the end: it must drain")
        assert found.measured == "0 lost, 0 doubled, 0 recovered, 0 dead, 0 unconfirmed"
        assert judged("Q1", left).status == "pass"

    def test_says_what_clean_messages_leave_possible(self) -> None:
        """Of two."""
        found = judged("Q1", GOOD)
        assert (found.reason, found.bound) == ("none of 2 confirmed messages lost", "at most 78 % with 95 % confidence")
        unconfirmed = CALLS.replace(" ok", " timeout")
        assert judged("Q1", GOOD, calls=unconfirmed).status == "not_exercised"

    @pytest.mark.parametrize(("end", "place", "status"), [
        ("acked", "", "fail"), ("dropped", "", "fail"), ("dropped", "dead", "pass"), ("dropped", "left_dead", "pass"),
        ("acked", "left", "pass"), ("closed", "", "pass"),
    ])  # fmt: skip
    def test_poison_ends_as_a_dead_letter_or_waits(self, end: str, place: str, status: str) -> None:
        """Whatever was done with it; a message of somebody else's is nobody's poison."""
        rows = ["delivered 0 0 1 observations poison-bad-1 0 3 44", f"{end} 0 0 1 - poison-bad-1 0 3 45"]
        rows += [f"{place} 0 0 0 observations.dead poison-bad-1 0 0 46"] if place else []
        found = judged("Q1", plus(GOOD, *rows), faults=POISON)
        assert found.status == status
        assert status == "pass" or found.reason.startswith("poison poison-bad-1 dropped without a dead letter: neither")
        assert (
            judged("Q1", plus(GOOD, *(row.replace("poison-bad-1", "stranger") for row in rows)), faults=POISON).status
            == "pass"
        )

    def test_every_poison_that_was_published_counts(self) -> None:
        """Three of one fault."""
        three = POISON.replace("{}", '{"count":3}')
        rows = [f"dropped 0 0 1 - poison-bad-{n} 0 3 45" for n in (1, 3, 4)]
        assert "poison poison-bad-1, poison-bad-3 dropped" in judged("Q1", plus(GOOD, *rows), faults=three).reason


class TestQ2:
    """What comes again is committed once."""

    def test_names_the_worst_first(self) -> None:
        """Twice and thrice, of two that came again."""
        seen = plus(COMMITS, "1 2 observe 30 31 200 3", "2 2 observe 70 71 200 4", "2 3 observe 72 73 200 5")
        again = plus(GOOD, "delivered 1 0 1 observations - 1 3 90", "delivered 1 0 1 observations - 2 4 90")
        found = judged("Q2", again, arrivals=seen)
        assert (calls_of(found), found.measured, found.bound) == ([2, 1], "3 doubled, 2 redelivered", "0")
        assert found.reason == "2 messages committed more often than once"
        fine = judged("Q2", again)
        assert (fine.status, fine.measured, fine.bound) == ("pass", "0 doubled, 2 redelivered", "0")


class TestQ3Edges:
    """Nothing is delivered for ever."""

    def test_says_how_often_the_worst_came(self) -> None:
        """Of two, with the poison's name, as witnesses of its own."""
        found = judged("Q3", TestQ3.again(23, 2000), faults=POISON)
        assert (found.measured, found.bound) == ("0 redeliveries/s", "20, 1/s")
        assert found.reason == "1 message came again and again, one of them 23 times (poison-bad-1)"
        witness = found.witnesses[0]
        assert (witness["message"], witness["start_ns"], witness["end_ns"]) == ("poison-bad-1", 100 * MS, 44_100 * MS)
        load = judged("Q3", TestQ3.again(23, 2000, "-", 2), faults=AWAY)
        assert (load.reason, calls_of(load)) == ("1 message came again and again, one of them 24 times", [2])
        named = judged("Q3", TestQ3.again(23, 2000, "m-1", 1), faults=AWAY)
        assert (named.reason, calls_of(named)) == ("1 message came again and again, one of them 24 times", [1])
        both = plus(TestQ3.again(30, 2000), *TestQ3.again(23, 2000, "-", 2).split("\n")[-24:])
        assert judged("Q3", both, faults=POISON).reason.startswith("2 messages came again and again, one of them 30 ")

    @pytest.mark.parametrize(("count", "every_ms", "status"), [
        (5, 10, "pass"), (6, 10, "fail"), (6, 1000, "pass"), (6, 999, "fail"), (21, 1000, "pass"), (22, 1000, "fail"),
    ])  # fmt: skip
    def test_a_rate_takes_five_redeliveries(self, count: int, every_ms: int, status: str) -> None:
        """More than one a second of them, or more than twenty at any rate."""
        assert judged("Q3", TestQ3.again(count, every_ms), faults=POISON).status == status

    def test_says_how_often_anything_came(self) -> None:
        """Three times, twice again; once, where nothing came again."""
        found = judged("Q3", TestQ3.again(3, 2000), faults=POISON)
        assert (found.reason, found.measured, found.bound) == (
            "no message was delivered more than 3 times", "2 redeliveries", "20",
        )  # fmt: skip
        once = judged("Q3", GOOD, faults=AWAY)
        assert (once.status, once.reason) == ("pass", "no message was delivered more than 1 time")
        again = plus(GOOD, "delivered 1 0 1 observations - 2 3 90")
        assert judged("Q3", again).status == "pass"

    @pytest.mark.parametrize("kind", ["refuse", "status", "kill", "latency"])
    def test_kato_away_is_exercise_enough(self, kind: str) -> None:
        """Slow it is not."""
        status = "not_exercised" if kind == "latency" else "pass"
        assert judged("Q3", GOOD, faults=DOWN.replace("broker_down", kind)).status == status

    HELD = plus(without(GOOD, "acked 0 0 1 - - 2"), "delivered 0 0 1 observations poison-bad-1 0 9 44",
                "left 1 0 0 observations - 2 0 99000")  # fmt: skip

    @pytest.mark.parametrize(("row", "status"), [
        ("acked", "pass"), ("dropped", "pass"), ("dead", "pass"), ("left_dead", "pass"), ("copy_confirmed", "pass"),
        ("connected", "fail"),
    ])  # fmt: skip
    def test_whoever_gave_it_up_held_nobody(self, row: str, status: str) -> None:
        """In whichever way."""
        given = plus(self.HELD, f"{row} 0 0 1 - poison-bad-1 0 9 45")
        assert judged("Q3", given, faults=POISON).status == status

    def test_says_for_how_long_it_was_held(self) -> None:
        """A hundred seconds from when it came; from when the last other fault was over, if that is later."""
        found = judged("Q3", self.HELD, faults=POISON)
        assert (found.measured, found.status) == ("held 100 s", "fail")
        assert found.reason.endswith("in 100 s, and 1 message waited behind it to the end")
        later = POISON + "\nout refuse {} 60000 60001 60002 70000"
        assert judged("Q3", self.HELD, faults=later).measured == "held 30 s"
        for end, status in ((95_001, "inconclusive"), (95_000, "fail")):
            ended = POISON + f"\nout refuse {{}} 60000 60001 60002 {end}"
            assert judged("Q3", self.HELD, faults=ended).status == status

    def test_a_message_that_passed_it_shows_that_it_stands_in_nobodys_way(self) -> None:
        """Later than a second after it came."""
        for at, status in ((1044, "fail"), (1045, "inconclusive")):
            passed = plus(self.HELD, f"acked 0 0 1 - - 1 9 {at}")
            assert judged("Q3", passed, faults=POISON).status == status
        assert judged("Q3", without(self.HELD, "left "), faults=POISON).status == "inconclusive"


class TestQ4Edges:
    """The ack comes after the effect."""

    def test_says_how_many_of_how_many(self) -> None:
        """One of two, and one poison."""
        early = GOOD.replace("acked 0 0 1 - - 2 2 70", "acked 0 0 1 - - 2 2 59")
        rows = ("delivered 0 0 1 observations poison-bad-1 0 3 44", "acked 0 0 1 - poison-bad-1 0 3 45")
        both = judged("Q4", plus(early, *rows), faults=POISON)
        assert (both.measured, both.bound) == ("2 of 3", "0")
        assert both.reason == "2 messages acked without a commit before it (poison poison-bad-1)"
        found = judged("Q4", early, faults=AWAY)
        assert (found.measured, found.witnesses[0]["commit_ns"]) == ("1 of 2", 60 * MS)
        assert found.reason == "1 message acked without a commit before it"
        one = judged("Q4", without(GOOD, "acked 0 0 1 - - 2"), faults=DOWN.replace("broker_down", "refuse"))
        assert (one.measured, one.reason) == ("0 of 1", "all of 1 ack came after their commit")
        fine = judged("Q4", GOOD, arrivals=plus(COMMITS, "2 1 observe 59 60 400 0"))
        assert (fine.status, fine.measured, fine.bound) == ("pass", "0 of 2", "at most 78 % with 95 % confidence")
        assert fine.reason == "all of 2 acks came after their commit"

    @pytest.mark.parametrize(("kind", "status"), [
        ("refuse", "pass"), ("kill", "pass"), ("drop_before_commit", "pass"), ("poison", "pass"),
        ("latency", "not_exercised"),
    ])  # fmt: skip
    def test_kato_must_have_refused_something(self, kind: str, status: str) -> None:
        """By a fault that does so; an answer of 399 is none."""
        seen = plus(COMMITS, "2 1 observe 59 60 399 0")
        assert judged("Q4", GOOD, arrivals=seen, faults=DOWN.replace("broker_down", kind)).status == status

    @pytest.mark.parametrize("row", ["dead", "left_dead", "copy_confirmed"])
    def test_poison_that_is_a_dead_letter_too_was_put_there_first(self, row: str) -> None:
        """By whatever way it came there."""
        rows = ("acked 0 0 1 - poison-bad-1 0 3 45", f"{row} 0 0 2 dead poison-bad-1 0 1 46")
        assert judged("Q4", plus(GOOD, *rows), faults=POISON).status == "pass"

    def test_each_early_ack_takes_a_copy_of_its_own(self) -> None:
        """Two acks before the commit, one copy; a commit that never came leaves none early enough."""
        late = plus(COMMITS.replace("60 65 200 2", "64 65 200 2"), "2 1 observe 59 60 500 0")
        retried = plus(GOOD, *TestQ4.RETRIED.strip().splitlines(), "acked 0 0 1 - - 2 4 63")
        assert calls_of(judged("Q4", retried, arrivals=late, faults=AWAY)) == [2]
        never = without(late, "2 1 observe 64")
        copied = plus(retried, "copy_confirmed 0 0 2 retry - 2 5 62", "copy_confirmed 0 0 2 retry - 2 6 62")
        assert judged("Q4", copied, arrivals=never, faults=AWAY).status == "pass"


@pytest.mark.parametrize(("needing", "given", "left"), [
    ([1, 2], [1, 2], []), ([1, 2], [2], [0]), ([1, 2], [1], [1]), ([3], [3, 4], []), ([3], [4], [0]), ([], [1], []),
    ([1, 2, 3], [1, 1], [2]), ([1, 2, 3], [1, 1, 1], []),
])  # fmt: skip
def test_each_need_takes_one_that_came_no_later(needing: list[int], given: list[int], left: list[int]) -> None:
    """In order."""
    assert unmatched(needing, given) == left


def test_the_last_ack_counts_and_the_first_commit() -> None:
    """An earlier ack is of a copy's forerunner."""
    messages: dict[str, Any] = {"arrivals": plus(COMMITS, "2 2 observe 90 91 200 3"), "faults": AWAY}
    found = judged("Q2", plus(GOOD, "acked 0 0 1 - - 2 2 95"), **messages)
    assert (found.witnesses[0]["acked_ns"], found.witnesses[0]["commit_ns"]) == (95 * MS, 60 * MS)


class TestFirst:
    """The first call's message is one like any; what has neither a name nor a call is none."""

    def test_it_comes_again_waits_and_is_recovered(self) -> None:
        """As any other's."""
        load = judged("Q3", TestQ3.again(23, 2000, "-", 1), faults=AWAY)
        assert (load.reason, calls_of(load)) == ("1 message came again and again, one of them 24 times", [1])
        again = plus(GOOD, "delivered 1 0 1 observations - 1 3 90")
        assert judged("Q3", again).status == "pass"
        assert judged("Q1", again).measured == "0 lost, 0 doubled, 1 recovered, 0 dead, 0 unconfirmed"
        left = plus(GOOD, "left 0 0 0 later - 1 0 80")
        found = judged("Q1", left, arrivals=without(COMMITS, "1 "))
        assert found.reason == "1 message still in later at the end: it must drain"

    def test_poison_that_nobody_got_and_messages_of_nobody_exercise_nothing(self) -> None:
        """Neither was delivered again."""
        assert judged("Q3", GOOD, faults=POISON).status == "not_exercised"
        assert judged("Q3", TestQ3.again(23, 2000, "-", 0), faults=POISON).status == "not_exercised"

    def test_a_poison_is_one_unless_its_fault_says_more(self) -> None:
        """A second one is somebody else's message."""
        gone = plus(GOOD, "delivered 0 0 1 observations poison-bad-2 0 3 44", "dropped 0 0 1 - poison-bad-2 0 3 45")
        assert judged("Q1", gone, faults=POISON).status == "pass"

    def test_what_is_acked_and_lost_is_accounted_for_where_nobody_can_tell(self) -> None:
        """A commit of nobody's may be its."""
        stray = without(COMMITS, "2 ") + "\n0 0 observe 60 65 200 2"
        assert judged("Q1", GOOD, arrivals=stray).measured.startswith("1 lost, 0 doubled")
        assert judged("Q1", GOOD).measured.startswith("0 lost, 0 doubled")
        opened = stray.replace("0 0 observe", "0 0 open_session")
        assert [judged(law, GOOD, arrivals=opened, faults=AWAY).status for law in ("Q1", "Q4")] == ["fail"] * 2

    def test_deliveries_need_no_oracle(self) -> None:
        """Nor do connections."""
        assert judged("Q3", TestQ3.again(23, 2000), faults=POISON, facts={"oracle": "none"}).status == "fail"
        closed = plus(GOOD, "closed 1 0 1 - - 0 0 8000")
        assert judged("Q5", closed, facts={"oracle": "none"}).status == "fail"

    def test_a_stranger_is_a_witness_of_no_call(self) -> None:
        """By its name."""
        assert judged("Q3", TestQ3.again(23, 2000), faults=POISON).witnesses[0]["call"] == 0


def part(law: str, messages: str, faults: str = DOWN, arrivals: str = COMMITS, **facts: Any) -> float | None:
    """How many of the messages that could have broken a law did."""
    texts = {"calls": CALLS, "arrivals": arrivals, "messages": messages, "faults": faults}
    return share(law, promise(), FACTS | facts, PHASES, **texts)


def test_a_message_of_no_call_counts_for_its_share() -> None:
    """Poison that is lost, comes again or is acked, and predictions that name nobody: an acceptance is held to them."""
    gone = plus(GOOD, "delivered 0 0 1 observations poison-bad-1 0 3 44", "acked 0 0 1 - poison-bad-1 0 3 45")
    assert (part("Q1", gone, POISON), part("Q4", gone, POISON)) == (1 / 3, 1 / 3)
    assert part("Q1", gone, POISON, without(COMMITS, "2 ")) == 2 / 3
    assert part("Q4", gone.replace("- - 2 2 70", "- - 2 2 59"), POISON) == 2 / 3
    hot = TestQ3.again(23, 2000)
    assert part("Q3", hot, POISON) == 1.0
    assert part("Q3", plus(hot, "delivered 1 0 1 observations - 2 3 90"), POISON) == 0.5
    assert part("Q3", TestQ3Edges.HELD, POISON) == 0.5
    fleeting = GOOD.replace("output 1 1 1 predictions - 2", "output 1 0 1 predictions - 2")
    assert part("Q6", fleeting) == 0.5
    assert part("Q6", plus(fleeting, *["output 1 0 1 predictions - 2 2 66"] * 5)) == 1.0
    assert part("Q6", without(GOOD, "collected 0 0 0 predictions - 2")) == 0.5
    nameless = GOOD.replace("predictions - 1", "predictions - 0").replace("predictions - 2", "predictions - 0")
    assert part("Q6", without(nameless, "collected 0 0 0 predictions - 0 0 69"), messaging=NAMED) == 0.5
