"""Messaging laws of connections at their edges: what counts as lost or late, and which predictions are confirmed."""

from __future__ import annotations

import pytest
from law_cases import MS, calls_of, promise, said
from test_law_messaging import CALLS, COMMITS, DOWN, FACTS, GOOD, HEAD, NAMED, TestQ5, judged, plus, without


class TestQ5Edges:
    """The connection lives, and comes back."""

    @pytest.mark.parametrize(
        ("held_ms", "beat", "status"), [(4000, 2, "not_exercised"), (4001, 2, "pass"), (9000, None, "not_exercised")]
    )
    def test_a_stall_is_longer_than_two_heartbeats(self, held_ms: int, beat: int | None, status: str) -> None:
        """Of sixty seconds where nobody says."""
        slow = GOOD.replace("acked 0 0 1 - - 2 2 70", f"acked 0 0 1 - - 2 2 {58 + held_ms}")
        found = judged("Q5", slow, faults=TestQ5.PAUSE, facts={"messaging": {"heartbeat_s": beat}})
        assert found.status == status
        if status == "pass":
            assert (found.measured, found.bound) == ("4.0 s", "> 4 s")
            assert found.reason == "no connection was lost while a message took 4.0 s"
        else:
            assert f"two heartbeats of {beat or 60} s" in found.reason

    def test_says_what_was_lost_and_who_died(self) -> None:
        """Two connections, and a consumer with its exit code."""
        lost = plus(TestQ5.SLOW, "closed 1 0 1 - - 0 0 8000", "closed 0 0 2 - - 0 0 8500")
        exits = {"subject": {"exits": [{"time_ns": 60 * MS, "exit_code": 7}]}}
        found = judged("Q5", lost, faults=TestQ5.PAUSE, facts=exits)
        assert (found.measured, found.bound) == ("2 lost", "0")
        assert found.reason == "2 connections lost without a fault on it; the consumer ended by itself with exit code 7"
        assert found.witnesses == (
            {"call": 0, "connection": 1, "end_ns": 8000 * MS, "by_broker": True},
            {"call": 0, "connection": 2, "end_ns": 8500 * MS, "by_broker": False},
            {"call": 0, "end_ns": 60 * MS, "exit": 7},
        )
        died = judged("Q5", TestQ5.SLOW, faults=TestQ5.PAUSE, facts=exits)
        assert died.reason == "no connection lost; the consumer ended by itself with exit code 7"
        alone = judged("Q5", lost, faults=TestQ5.PAUSE, facts={"subject": {}})
        assert alone.reason == "2 connections lost without a fault on it"
        many = plus(TestQ5.SLOW, *(f"closed 0 0 {n} - - 0 0 8{n}00" for n in range(6)))
        assert len(judged("Q5", many, faults=TestQ5.PAUSE).witnesses) == 5

    @pytest.mark.parametrize(("at", "status"), [(14, "fail"), (15, "not_exercised")])
    def test_without_phases_a_run_ends_with_its_last_call(self, at: int, status: str) -> None:
        """What is closed then is closed by us; without calls nothing took long."""
        rows = f"{HEAD}\nclosed 0 0 1 - - 0 0 {at}"
        assert said("Q5", promise(), FACTS, calls=CALLS, messages=rows).status == status
        assert said("Q5", promise(), FACTS, messages=f"{HEAD}\nconnected 0 0 1 - - 0 0 1").status == "not_exercised"

    def test_a_connection_that_outlived_the_fault_need_not_come_back(self) -> None:
        """Nothing was closed, and nobody connected."""
        alive = judged("Q5", without(GOOD, "connected", "delivered"))
        assert (alive.status, alive.measured, alive.bound) == ("pass", "0.0 s", "> 4 s")

    def test_a_message_that_took_less_than_two_heartbeats_stood_in_nobodys_way(self) -> None:
        """Three seconds, of four; what is told is the fault."""
        slow = GOOD.replace("acked 0 0 1 - - 2 2 70", "acked 0 0 1 - - 2 2 3058")
        assert judged("Q5", slow, faults=TestQ5.PAUSE).status == "not_exercised"
        back = plus(slow, "closed 0 0 1 - - 0 0 45", "connected 0 2 2 - - 0 0 5100")
        assert judged("Q5", back).reason == "no connection was lost while it was back after 1 fault"

    @pytest.mark.parametrize(
        ("at", "status"),
        [(39, "fail"), (40, "pass"), (5049, "pass"), (5050, "fail"), (99_999, "fail"), (100_000, "pass")],
    )
    def test_a_faults_connections_end_with_it_or_a_moment_later(self, at: int, status: str) -> None:
        """Five seconds; and the end of the run ends all."""
        rows = (f"closed 0 0 1 - - 0 0 {at}", "connected 0 2 2 - - 0 0 5100")
        assert judged("Q5", plus(GOOD, *rows)).status == status

    @pytest.mark.parametrize(("kind", "params", "status"), [
        ("broker_down", "{}", "pass"), ("kill_subject", "{}", "pass"), ("timeout", "{}", "fail"),
        ("timeout", '{"only":{"part":"broker"}}', "pass"),
    ])  # fmt: skip
    def test_which_faults_end_connections(self, kind: str, params: str, status: str) -> None:
        """Of the broker, of the consumer, on the way between them."""
        faults = DOWN.replace("broker_down {}", f"{kind} {params}")
        rows = ("closed 0 0 1 - - 0 0 45", "connected 0 2 2 - - 0 0 5100")
        assert judged("Q5", plus(GOOD, *rows), faults=faults).status == status

    @pytest.mark.parametrize(("at", "event", "status"), [
        (30_050, "connected", "pass"), (30_051, "connected", "fail"), (30_050, "delivered", "pass"),
        (49, "connected", "fail"), (50, "connected", "pass"), (30_050, "acked", "fail"),
    ])  # fmt: skip
    def test_it_is_back_within_thirty_seconds_of_the_faults_end(self, at: int, event: str, status: str) -> None:
        """Connected or delivered to; killed by us it need not be."""
        lost = plus(without(GOOD, "delivered 0 0 1 observations - 2"), "closed 1 1 1 - - 0 0 45")
        rows = plus(lost, f"{event} 0 2 2 - - 0 0 {at}")
        found = judged("Q5", rows)
        assert found.status == status
        assert status == "pass" or found.reason == "the consumer was not back 30 s after power"
        assert judged("Q5", rows, faults=DOWN.replace("broker_down", "kill_subject")).status == "pass"

    def test_a_run_that_ended_sooner_can_t_tell(self) -> None:
        """Less than thirty seconds after the fault; back after one fault is said."""
        for end, status in ((70_001, "inconclusive"), (70_000, "fail")):
            faults = DOWN.replace("40 41 42 50", f"60000 60000 60000 {end}")
            found = judged("Q5", plus(GOOD, "closed 1 1 1 - - 0 0 60001"), faults=faults)
            assert found.status == status
            if status == "inconclusive":
                assert found.reason == "no consumer after power, but the run ended"
        fine = judged("Q5", plus(GOOD, "closed 0 0 1 - - 0 0 45", "connected 0 2 2 - - 0 0 5100"))
        assert fine.reason == "no connection was lost while it was back after 1 fault"


class TestQ6Edges:
    """Predictions are confirmed before the ack."""

    def test_says_how_many_were_confirmed_and_came_out(self) -> None:
        """One of two."""
        found = judged("Q6", without(GOOD, "output_confirmed 0 0 1 predictions - 2"))
        assert (found.measured, found.bound) == ("1 of 2 confirmed, 2 came out", "2 of 2")
        assert found.reason == "1 message acked before the broker confirmed the predictions"
        fine = judged("Q6", GOOD)
        assert (fine.reason, fine.measured, fine.bound) == (
            "predictions of 2 messages were confirmed first", "2 of 2 confirmed, 2 came out", "all",
        )  # fmt: skip

    def test_every_defect_is_said(self) -> None:
        """Unconfirmed, vanished, fleeting."""
        text = without(GOOD, "output_confirmed 0 0 1 predictions - 1", "collected 0 0 0 predictions - 2")
        found = judged("Q6", text.replace("output 1 1 1 predictions", "output 1 0 1 predictions"))
        assert found.reason == (
            "1 message acked before the broker confirmed the predictions; 1 prediction confirmed and never seen again; "
            "2 predictions not persistent"
        )
        assert calls_of(found) == [1, 2]

    @pytest.mark.parametrize(("at", "status"), [(70, "pass"), (71, "fail")])
    def test_a_confirm_with_the_ack_is_before_it(self, at: int, status: str) -> None:
        """To the moment, where it names its message or not."""
        for text in (GOOD, GOOD.replace("predictions - 2", "predictions - 0")):
            rows = [
                row
                for row in text.splitlines()
                if not row.startswith("output_confirmed 0 0 1 predictions - ") or row.endswith("28")
            ]
            call = "2" if "predictions - 2" in text else "0"
            assert (
                judged("Q6", plus("\n".join(rows), f"output_confirmed 0 0 1 predictions - {call} 2 {at}")).status
                == status
            )

    def test_of_nameless_predictions_as_many_come_out_as_were_confirmed_there(self) -> None:
        """In the queue of outputs; where none came out at all nobody collected any."""
        nameless = GOOD.replace("predictions - 1", "predictions - 0").replace("predictions - 2", "predictions - 0")
        named = {"messaging": NAMED}
        assert judged("Q6", without(nameless, "collected"), facts=named).status == "pass"
        other = plus(nameless, "output_confirmed 0 0 1 elsewhere - 0 9 69")
        assert judged("Q6", other, facts=named).status == "pass"
        assert judged("Q6", plus(other, "collected 0 0 0 predictions - 0 0 69"), facts=named).status == "pass"

    def test_what_was_not_committed_needs_no_predictions(self) -> None:
        """It was refused, and acked all the same: Q4's matter."""
        text = without(GOOD, "output_confirmed 0 0 1 predictions - 2", "collected 0 0 0 predictions - 2")
        assert judged("Q6", text, arrivals=without(COMMITS, "2 ")).status == "pass"
