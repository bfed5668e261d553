"""Messaging laws on literal histories, each failed by one row."""

from __future__ import annotations

from typing import Any

import pytest
from law_cases import MS, calls_of, promise, said

from harness.model import Span, Verdict

FACTS: dict[str, Any] = {"oracle": "twin", "messaging": {"heartbeat_s": 2}, "subject": {"exits": []}}
NAMED = {"heartbeat_s": 2, "outputs": "predictions"}
CALLS = "call op start_ms end_ms outcome\n1 observe 0 5 ok\n2 observe 10 15 ok"
COMMITS = "call attempt op arrive_ms reply_ms status commit_seq\n1 1 observe 20 25 200 1\n2 1 observe 60 65 200 2"
HEAD = "event flag count connection queue message call number time_ms"
GOOD = f"""
{HEAD}
connected 0 2 1 - - 0 0 1
delivered 0 0 1 observations - 1 1 18
output 1 1 1 predictions - 1 1 26
output_confirmed 0 0 1 predictions - 1 1 28
collected 0 0 0 predictions - 1 0 29
acked 0 0 1 - - 1 1 30
delivered 0 0 1 observations - 2 2 58
output 1 1 1 predictions - 2 2 66
output_confirmed 0 0 1 predictions - 2 2 68
collected 0 0 0 predictions - 2 0 69
acked 0 0 1 - - 2 2 70
"""
DOWN = "name kind params requested_ms applied_ms effective_ms cleared_ms\npower broker_down {} 40 41 42 50"
AWAY = DOWN.replace("power broker_down", "away status")
POISON = DOWN.replace("power broker_down", "bad poison")
PHASES = (Span("baseline", 0, 40 * MS), Span("recovery", 50 * MS, 100_000 * MS))


def judged(law: str, messages: str, *, faults: str = DOWN, calls: str = CALLS, arrivals: str = COMMITS,
           facts: dict[str, Any] | None = None) -> Verdict:  # fmt: skip
    """The verdict on two messages of the load."""
    return said(
        law, promise(), FACTS | (facts or {}), PHASES, calls=calls, arrivals=arrivals, messages=messages, faults=faults
    )


def without(text: str, *starts: str) -> str:
    """The table without the rows that begin like this."""
    return "\n".join(line for line in text.splitlines() if not line.startswith(starts))


def plus(text: str, *rows: str) -> str:
    """The table with these rows at its end."""
    return text.rstrip() + "\n" + "\n".join(rows)


@pytest.mark.parametrize("law", ["Q1", "Q2", "Q3", "Q4", "Q5", "Q6"])
def test_a_run_without_a_broker_has_no_messages_to_judge(law: str) -> None:
    """Whatever its calls."""
    assert said(law, promise(), {"oracle": "twin"}, calls=CALLS).status == "not_applicable"


@pytest.mark.parametrize("law", ["Q1", "Q2", "Q4", "Q6"])
def test_without_an_oracle_nobody_knows_what_was_committed(law: str) -> None:
    """On a KATO whose commits nobody sees."""
    assert judged(law, GOOD, facts={"oracle": "none"}).status == "inconclusive"


class TestQ1:
    """No confirmed message is lost."""

    ONE = without(COMMITS, "2 ")

    def test_passes_where_all_were_committed(self) -> None:
        """Two confirmed, two committed."""
        assert judged("Q1", GOOD).status == "pass"

    def test_fails_by_one_that_was_acked_without_a_commit(self) -> None:
        """It is nowhere."""
        found = judged("Q1", GOOD, arrivals=self.ONE)
        assert (found.status, calls_of(found)) == ("fail", [2])
        assert found.measured.startswith("1 lost")
        assert found.witnesses[0]["acked"] == 1

    def test_a_commit_that_is_nobodys_may_be_that_of_a_message_without_one(self) -> None:
        """A consumer that says it in words of its own; where more are missing than are nobody's, some are lost."""
        stray = "\n0 0 observe 60 65 200 2"
        found = judged("Q1", GOOD, arrivals=self.ONE + stray)
        told = "1 commit belong to no one message, and may be those of 1 without one: "
        assert (found.status, found.reason) == ("inconclusive", f"{told}the consumer says it in words of its own")
        assert judged("Q1", GOOD, arrivals=without(self.ONE, "1 ") + stray).status == "fail"

    def test_a_commit_of_another_session_replaces_none(self) -> None:
        """Nobody's commit is that of a message of its own session, or, where no message names that, of any."""
        calls = "call session op start_ms end_ms outcome\n1 a observe 0 5 ok\n2 b observe 10 15 ok"
        for session, status in (("b", "inconclusive"), ("a", "fail"), ("elsewhere", "inconclusive")):
            seen = f"call session op arrive_ms commit_seq\n1 a observe 20 1\n0 {session} observe 60 2"
            assert judged("Q1", GOOD, calls=calls, arrivals=seen).status == status, session

    def test_a_dead_letter_is_not_lost(self) -> None:
        """Neither when it came out, nor when it lay there at the end."""
        for event in ("dead", "left_dead"):
            row = f"{event} 0 0 0 observations.dead - 2 0 80"
            assert judged("Q1", plus(GOOD, row), arrivals=self.ONE).status == "pass"

    def test_one_that_waits_in_the_queue_is_undecided(self) -> None:
        """The queue must drain before anybody can say."""
        row = "left 0 0 0 observations - 2 0 80"
        assert judged("Q1", plus(GOOD, row), arrivals=self.ONE).status == "inconclusive"

    def test_an_unconfirmed_publish_is_never_lost(self) -> None:
        """Its publisher was told nothing."""
        calls = CALLS.replace("15 ok", "15 timeout")
        assert judged("Q1", GOOD, calls=calls, arrivals=self.ONE).status == "pass"

    def test_poison_that_was_dropped_without_a_dead_letter_is_lost(self) -> None:
        """It is no dead letter; once it is, all is well."""
        gone = plus(GOOD, "delivered 0 0 1 observations poison-bad-1 0 3 44", "dropped 0 0 1 - poison-bad-1 0 3 45")
        assert judged("Q1", gone, faults=POISON).status == "fail"
        kept = plus(gone, "dead 0 0 0 observations.dead poison-bad-1 0 0 46")
        assert judged("Q1", kept, faults=POISON).status == "pass"

    def test_is_not_exercised_in_peace(self) -> None:
        """Nothing could have lost a message."""
        assert judged("Q1", GOOD, faults="name kind params").status == "not_exercised"


class TestQ2:
    """What comes again is committed once."""

    AGAIN = plus(GOOD, "delivered 1 1 1 observations - 2 3 90", "acked 0 0 1 - - 2 3 95")

    def test_passes_where_a_redelivered_message_has_one_commit(self) -> None:
        """Read back instead of observed again."""
        found = judged("Q2", self.AGAIN)
        assert (found.status, found.measured) == ("pass", "0 doubled, 1 redelivered")

    def test_fails_by_a_second_commit(self) -> None:
        """The event stands twice."""
        found = judged("Q2", self.AGAIN, arrivals=plus(COMMITS, "2 1 observe 91 93 200 3"))
        assert (found.status, calls_of(found), found.witnesses[0]["commits"]) == ("fail", [2], 2)

    def test_is_not_exercised_without_a_redelivery(self) -> None:
        """Each came once."""
        assert judged("Q2", GOOD).status == "not_exercised"


class TestQ3:
    """Nothing is delivered for ever."""

    @staticmethod
    def again(count: int, every_ms: int, name: str = "poison-bad-1", call: int = 0) -> str:
        """A message that is delivered so often at that distance."""
        rows = [f"delivered 1 0 1 observations {name} {call} {9 + n} {100 + n * every_ms}" for n in range(count)]
        return plus(GOOD, *rows, f"dropped 0 0 1 - {name} {call} {8 + count} {101 + count * every_ms}")

    def test_fails_by_a_poison_that_is_held_while_all_others_wait(self) -> None:
        """Tried again within the consumer for ever: it is delivered but once, and nothing gets past it."""
        held = plus(without(GOOD, "acked 0 0 1 - - 2"), "delivered 0 0 1 observations poison-bad-1 0 9 44",
                    "left 1 0 0 observations - 2 0 99000")  # fmt: skip
        found = judged("Q3", held, faults=POISON)
        assert (found.status, calls_of(found)) == ("fail", [2])
        assert "poison-bad-1 was never given up" in found.reason

    def test_is_inconclusive_where_a_poison_is_still_held_and_others_pass_it(self) -> None:
        """It may yet be given up."""
        others = plus(GOOD, "delivered 0 0 1 observations poison-bad-1 0 9 44", "acked 0 0 1 - - 2 3 9000")
        assert judged("Q3", others, faults=POISON).status == "inconclusive"

    def test_passes_where_poison_came_once_and_is_dead(self) -> None:
        """Bounded at one."""
        assert judged("Q3", self.again(1, 1), faults=POISON).status == "pass"

    def test_fails_by_one_delivery_more_than_the_bound(self) -> None:
        """22 deliveries are 21 redeliveries, however slow."""
        assert judged("Q3", self.again(21, 2_000), faults=POISON).status == "pass"
        found = judged("Q3", self.again(22, 2_000), faults=POISON)
        assert (found.status, found.witnesses[0]["deliveries"]) == ("fail", 22)
        assert "poison-bad-1" in found.reason

    def test_fails_by_a_hot_loop(self) -> None:
        """Six deliveries in half a second."""
        found = judged("Q3", self.again(6, 100), faults=POISON)
        assert (found.status, found.measured) == ("fail", "10 redeliveries/s")

    def test_a_message_of_the_load_is_a_witness(self) -> None:
        """KATO is away, and it goes round and round."""
        found = judged("Q3", self.again(9, 10, "-", 2), faults=AWAY)
        assert (found.status, calls_of(found)) == ("fail", [2])

    def test_is_not_exercised_where_nothing_came_again(self) -> None:
        """The broker's death alone is no poison."""
        assert judged("Q3", GOOD).status == "not_exercised"


class TestQ4:
    """The ack comes after the effect."""

    def test_passes_where_every_ack_came_after_its_commit(self) -> None:
        """While KATO refused others."""
        assert judged("Q4", GOOD, arrivals=plus(COMMITS, "2 1 observe 59 60 500 0"), faults=AWAY).status == "pass"

    def test_fails_by_one_ack_before_the_commit(self) -> None:
        """By a millisecond."""
        found = judged("Q4", GOOD.replace("acked 0 0 1 - - 2 2 70", "acked 0 0 1 - - 2 2 59"), faults=AWAY)
        assert (found.status, calls_of(found)) == ("fail", [2])

    def test_a_commit_that_is_nobodys_may_have_come_before_an_ack(self) -> None:
        """Not before that of a message whose own commit came later, nor before more acks than there are commits."""
        stray = without(COMMITS, "2 ") + "\n0 0 observe 60 65 200 2"
        found = judged("Q4", GOOD, faults=AWAY, arrivals=stray)
        assert (found.status, found.reason) == (
            "inconclusive", "1 commit belong to no one message, and may be those of 1 acked")  # fmt: skip
        late = COMMITS.replace("2 1 observe 60 65", "2 1 observe 80 85") + "\n0 0 observe 60 65 200 3"
        assert judged("Q4", GOOD, faults=AWAY, arrivals=late).status == "fail"
        assert judged("Q4", GOOD, faults=AWAY, arrivals=without(stray, "1 ")).status == "fail"

    def test_fails_by_an_ack_of_what_kato_refused(self) -> None:
        """A 500 and an ack."""
        refused = COMMITS.replace("60 65 200 2", "60 65 500 0")
        found = judged("Q4", GOOD, arrivals=refused, faults=AWAY)
        assert (found.status, calls_of(found)) == ("fail", [2])

    def test_fails_by_poison_that_was_acked(self) -> None:
        """Its session never was."""
        rows = ("delivered 0 0 1 observations poison-bad-1 0 3 44", "acked 0 0 1 - poison-bad-1 0 3 45")
        assert judged("Q4", plus(GOOD, *rows), faults=POISON).status == "fail"

    RETRIED = """
copy 1 1 2 retry - 2 1 59
copy_confirmed 0 0 2 retry - 2 1 61
acked 0 0 1 - - 2 2 62
delivered 0 0 1 observations - 2 3 63"""

    def test_passes_where_a_copy_was_confirmed_before_what_it_repeats_was_acked(self) -> None:
        """A queue of the consumer's own, where messages wait for their next try."""
        late, refused = COMMITS.replace("60 65 200 2", "64 65 200 2"), "2 1 observe 59 60 500 0"
        retried = plus(GOOD, *self.RETRIED.strip().splitlines())
        assert judged("Q4", retried, arrivals=plus(late, refused), faults=AWAY).status == "pass"
        hasty = retried.replace("copy_confirmed 0 0 2 retry - 2 1 61", "copy_confirmed 0 0 2 retry - 2 1 63")
        assert calls_of(judged("Q4", hasty, arrivals=plus(late, refused), faults=AWAY)) == [2]

    def test_passes_where_the_consumer_itself_publishes_the_dead_letter(self) -> None:
        """And then acks what it was."""
        rows = ("delivered 0 0 1 observations poison-bad-1 0 3 44", "copy_confirmed 0 0 2 dead poison-bad-1 0 1 45",
                "acked 0 0 1 - poison-bad-1 0 3 46")  # fmt: skip
        assert judged("Q4", plus(GOOD, *rows), faults=POISON).status == "pass"

    def test_names_auto_ack(self) -> None:
        """The broker forgets each message as it delivers it."""
        early = GOOD.replace("acked 0 0 1 - - 1 1 30", "acked 1 0 1 - - 1 1 18")
        found = judged("Q4", early.replace("acked 0 0 1 - - 2 2 70", "acked 1 0 1 - - 2 2 58"), faults=AWAY)
        assert (found.status, calls_of(found)) == ("fail", [1, 2])
        assert "all by auto-ack" in found.reason

    def test_is_not_exercised_where_kato_refused_nothing(self) -> None:
        """Nobody could have acked too early and been wrong."""
        assert judged("Q4", GOOD).status == "not_exercised"


class TestQ5:
    """The connection lives, and comes back."""

    SLOW = GOOD.replace("acked 0 0 1 - - 2 2 70", "acked 0 0 1 - - 2 2 9070")
    PAUSE = DOWN.replace("power broker_down", "hang pause")

    def test_passes_where_a_long_message_cost_no_connection(self) -> None:
        """Nine seconds, heartbeats of two."""
        assert judged("Q5", self.SLOW, faults=self.PAUSE).status == "pass"

    def test_fails_by_one_connection_lost_in_a_stall(self) -> None:
        """Nothing was wrong with the connection."""
        found = judged("Q5", plus(self.SLOW, "closed 1 1 1 - - 0 0 8000"), faults=self.PAUSE)
        assert (found.status, found.witnesses[0]["by_broker"]) == ("fail", True)

    def test_a_connection_that_the_fault_ends_counts_only_if_none_follows(self) -> None:
        """It was back after two seconds; or never."""
        lost = plus(without(GOOD, "delivered 0 0 1 observations - 2"), "closed 1 1 1 - - 0 0 45")
        assert judged("Q5", plus(lost, "connected 0 2 2 - - 0 0 2050")).status == "pass"
        assert judged("Q5", lost).status == "fail"

    def test_fails_by_a_consumer_that_ended_by_itself(self) -> None:
        """An exception ended it."""
        exits = {"subject": {"exits": [{"time_ns": 60 * MS, "exit_code": 1}]}}
        found = judged("Q5", GOOD, facts=exits)
        assert (found.status, found.witnesses[0]["exit"]) == ("fail", 1)

    def test_the_end_of_the_run_is_no_loss(self) -> None:
        """The harness ends the consumer."""
        assert judged("Q5", plus(self.SLOW, "closed 0 0 1 - - 0 0 100001"), faults=self.PAUSE).status == "pass"

    def test_is_not_exercised_by_quick_messages(self) -> None:
        """No handler was ever long at it."""
        assert judged("Q5", GOOD, faults=AWAY).status == "not_exercised"


class TestQ6:
    """Predictions are confirmed before the ack."""

    def test_passes_where_the_confirm_came_first(self) -> None:
        """And all came out."""
        assert judged("Q6", GOOD).status == "pass"

    def test_fails_by_one_without_a_confirm(self) -> None:
        """Nobody knows whether it is in the queue."""
        found = judged("Q6", without(GOOD, "output_confirmed 0 0 1 predictions - 2"))
        assert (found.status, calls_of(found)) == ("fail", [2])

    def test_predictions_that_name_nobody_confirm_one_message_each(self) -> None:
        """They may be published on another connection, without a correlation id."""
        nameless = GOOD.replace("predictions - 1", "predictions - 0").replace("predictions - 2", "predictions - 0")
        assert judged("Q6", nameless).status == "pass"
        one = without(nameless, "output_confirmed 0 0 1 predictions - 0 2")
        assert calls_of(judged("Q6", one)) == [2]
        lost = judged("Q6", without(nameless, "collected 0 0 0 predictions - 0 0 69"), facts={"messaging": NAMED})
        assert (lost.status, "1 prediction confirmed and never seen again" in lost.reason) == ("fail", True)

    def test_asks_for_no_predictions_of_what_was_put_aside_for_a_later_try(self) -> None:
        """KATO committed it, its answer was lost, and the run ended before the next try."""
        aside = without(
            GOOD,
            "output 1 1 1 predictions - 2",
            "output_confirmed 0 0 1 predictions - 2",
            "collected 0 0 0 predictions - 2",
        )
        copied = aside.replace("acked 0 0 1 - - 2 2 70", "copy_confirmed 0 0 1 retry - 2 1 69\nacked 0 0 1 - - 2 2 70")
        assert judged("Q6", copied).status == "pass"

    def test_fails_by_a_confirm_after_the_ack(self) -> None:
        """A crash between the two would lose it."""
        assert judged("Q6", GOOD.replace("- 2 2 68", "- 2 2 71")).status == "fail"

    def test_fails_by_one_that_never_came_out(self) -> None:
        """Confirmed, and gone."""
        found = judged("Q6", without(GOOD, "collected 0 0 0 predictions - 2"))
        assert (found.status, calls_of(found)) == ("fail", [2])

    def test_fails_by_one_that_is_not_persistent(self) -> None:
        """A restart of the broker forgets it."""
        found = judged("Q6", GOOD.replace("output 1 1 1 predictions - 2", "output 1 0 1 predictions - 2"))
        assert found.status == "fail"
        assert "not persistent" in found.reason

    def test_does_not_apply_to_a_consumer_that_only_observes(self) -> None:
        """It owes nobody predictions; one that forgets them now and then does."""
        silent = without(GOOD, "output", "collected")
        assert judged("Q6", silent).status == "not_applicable"
        assert judged("Q6", plus(silent, "output 1 1 1 predictions - 1 1 26")).status == "fail"

    def test_is_not_exercised_where_nothing_was_done(self) -> None:
        """No commit, no predictions."""
        assert judged("Q6", f"{HEAD}\nconnected 0 2 1 - - 0 0 1").status == "not_exercised"
