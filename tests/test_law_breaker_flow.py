"""What flows through a client and its breaker, row by row: calls that wait for each other, and states from outside."""

from __future__ import annotations

import pytest
from breaker_timeline import FIVE, OPENED, Event, row, timeline
from law_cases import calls_of, promise, said

from harness.evidence.history import History
from harness.laws.breaker_state import infer_breaker
from harness.model import Verdict
from harness.policy import Policy, Promise

NONE = promise({"timeout": {"total": 1.0}})
SLOW = "name kind applied_ms effective_ms cleared_ms\nslow latency 5000 5000 5000"


def in_a_row(count: int, busy_ms: int = 1000, each_ms: int = 1000, op: str = "observe", worker: int = 0) -> list[str]:
    """Calls that begin together, with an attempt each, one after the other: each row is a call's and its attempt's."""
    return [f"{op} {each_ms * n} {each_ms * n + busy_ms} {worker}" for n in range(count)]


def flow(rows: list[str], seen: bool = True) -> Verdict:
    """B8's verdict on such calls, 5 s into the run; a fifth number says when the call began, not at once."""
    calls, attempts = ["call op start_ms end_ms outcome worker"], ["call attempt start_ms end_ms status worker"]
    for n, text in enumerate(rows, 1):
        op, *numbers = text.split()
        begin, end, worker, since = (*map(int, numbers), 0)[:4]
        calls.append(f"{n} {op} {5000 + since} {5000 + end} ok {worker}")
        attempts.append(f"{n} 1 {5000 + begin} {5000 + end} 200 {worker}")
    tables = {"calls": "\n".join(calls), "faults": SLOW} | ({"attempts": "\n".join(attempts)} if seen else {})
    return said("B8", NONE, **tables)


class TestB8:
    """Calls run side by side."""

    def test_ten_in_flight_over_three_service_times_are_a_queue(self) -> None:
        """Of twelve calls ten or more are in flight until the third attempt has ended; of eleven, until the second."""
        found = flow(in_a_row(12))
        assert (found.status, found.measured) == ("fail", "waited up to 11.00 s")
        assert calls_of(found) == [12, 11, 10, 9, 8]
        eleven = flow(in_a_row(11))
        assert (eleven.status, eleven.reason[:51]) == (
            "not_exercised", "with 10 calls in flight one attempt was under way, ",
        )  # fmt: skip

    def test_ten_that_wait_for_more_than_50_ms_are_a_queue(self) -> None:
        """Of twenty for 6 ms each those from the tenth on; for 5 ms each those from the twelfth on, who are too few."""
        assert [flow(in_a_row(20, each, each)).status for each in (6, 5)] == ["fail", "not_exercised"]

    def test_most_of_the_time_one_attempt_is_under_way(self) -> None:
        """70 % are a limit on the rate, a little more is a lock."""
        assert flow(in_a_row(30, busy_ms=700)).status != "fail"
        assert flow(in_a_row(30, busy_ms=720)).status == "fail"

    def test_those_refused_after_a_wait_were_in_the_queue(self) -> None:
        """Five wait and fail one after the other; that opens the breaker, and the other ten are refused at once."""
        failing = [f"{n} observe 5000 {6000 + 1000 * n} error read_timeout" for n in range(5)]
        refused = [f"{n} observe 5000 10001 rejected breaker_open" for n in range(5, 15)]
        tries = [f"{n} 1 {5000 + 1000 * n} {6000 + 1000 * n} read_timeout 0" for n in range(5)]
        calls = "\n".join(["call op start_ms end_ms outcome error", *failing, *refused])
        attempts = "\n".join(["call attempt start_ms end_ms result status", *tries])
        found = said("B8", FIVE, calls=calls, attempts=attempts)
        assert (found.status, found.measured) == ("fail", "waited up to 5.00 s")
        given_up = calls.replace("10001 rejected breaker_open", "10001 cancelled cancelled")
        assert said("B8", FIVE, calls=given_up, attempts=attempts).status == "fail"

    def test_an_error_of_the_clients_own_is_a_refusal_where_a_breaker_is_promised(self) -> None:
        """A call failed, one was turned away at once, and ten after they had waited for five that failed."""
        failing = [f"{n} observe 5000 {6000 + 1000 * n} error read_timeout -" for n in range(1, 6)]
        failing.append("6 observe 4000 4100 error read_timeout -")
        refused = [f"{n} observe 4999 11001 error client_bug Unavailable" for n in range(7, 17)]
        refused.append("17 observe 4500 4500 error client_bug Unavailable")
        calls = "\n".join(["call op start_ms end_ms outcome error detail", *failing, *refused])
        tries = [f"{n} 1 {4000 + 1000 * n} {5000 + 1000 * n} read_timeout 0" for n in range(1, 6)]
        tries.append("6 1 4000 4100 read_timeout 0")
        attempts = "\n".join(["call attempt start_ms end_ms result status", *tries])
        for promised, found in ((FIVE, "fail"), (NONE, "not_exercised")):
            assert said("B8", promised, calls=calls, attempts=attempts).status == found

    def test_a_crowd_without_a_slow_server_proves_nothing(self) -> None:
        """Ten in flight while connections are refused were there by chance, and may not be in the next run."""
        together: list[Event] = [(5000 + n, "ok", "observe", 0, 1000) for n in range(10)]
        assert said("B8", NONE, **timeline(*together)).status == "not_exercised"

    def test_a_wait_of_50_ms_is_none(self) -> None:
        """Only those that waited longer are taken to queue: eleven of these did."""
        assert flow([f"observe {50 * (n == 1)} {1000 + n} 0" for n in range(12)]).status == "pass"

    def test_one_slow_attempt_that_all_wait_for_is_a_queue(self) -> None:
        """It began before anybody waited, and the rest is served in a moment once it has ended."""
        behind = [f"observe {9000 + 2 * n} {9002 + 2 * n} 0 {100 + 100 * n}" for n in range(20)]
        found = flow(["observe 0 9000 0", *behind])
        assert (found.status, found.reason[:8]) == ("fail", "20 calls")

    def test_each_process_has_its_own(self) -> None:
        """Two queues of eight are no crowd, and neither is half of one."""
        assert flow(in_a_row(8) + in_a_row(8, worker=1)).status == "not_exercised"
        assert flow(in_a_row(12, worker=1) + in_a_row(2)).status == "fail"
        assert flow([f"observe {n} 1000 {n // 10}" for n in range(15)]).measured == "10"

    def test_another_operations_attempts_end_no_queue(self) -> None:
        """Predictions go on beside the observes that wait for each other."""
        beside = [f"predict {n} {14_000 - n} 0" for n in range(3)]
        assert flow(in_a_row(14) + beside).status == "fail"

    def test_passes_with_ten_calls_and_two_attempts_at_once(self) -> None:
        """All ten went out at once; nine are no crowd, and unseen attempts tell nothing."""
        together = [f"observe {n} 1000 0" for n in range(10)]
        found = flow(together)
        assert (found.status, found.measured) == ("pass", "10")
        assert flow(together[:9]).status == "not_exercised"
        assert flow(together, seen=False).status == "not_exercised"

    def test_ten_that_wait_while_newcomers_are_served_are_a_queue(self) -> None:
        """Three that began later went first."""
        newcomers = [f"observe {1000 * n} {1000 * n + 1000} 0 {1000 * n}" for n in range(3)]
        waiting = [f"observe {1000 * n} {1000 * n + 1000} 0 0" for n in range(3, 13)]
        assert flow(newcomers + waiting).status == "fail"
        assert flow(newcomers + waiting[:9]).status == "not_exercised"

    def test_the_stretch_is_measured_by_the_median_service(self) -> None:
        """Three quick ones, and then nine slow ones with fewer than ten in flight."""
        quick = [f"observe {100 * n} {100 * n + 100} 0" for n in range(3)]
        slow = [f"observe {300 + 1000 * n} {1300 + 1000 * n} 0" for n in range(9)]
        assert flow(quick + slow).status != "fail"

    def test_all_queues_are_named_without_those_outside_them(self) -> None:
        """Twelve at first, twenty later, and one that waited by itself at the end."""
        later = [f"observe {60_000 + 1000 * n} {61_000 + 1000 * n} 0 60000" for n in range(20)]
        alone = ["observe 120200 121000 0 120000"]
        assert flow(in_a_row(12) + later + alone).reason.startswith("30 calls waited")

    def test_calls_one_after_the_other_are_no_crowd(self) -> None:
        """Two at a time, twenty in all."""
        pairs = [f"observe {1000 * (n // 2)} {1000 * (n // 2) + 900} 0 {1000 * (n // 2)}" for n in range(20)]
        assert flow(pairs).status == "not_exercised"

    def test_calls_without_an_attempt_are_no_crowd(self) -> None:
        """Ten that were never sent, and two that were under way together."""
        idle: list[Event] = [(100 + n, "bug", "observe", 0, 1000) for n in range(10)]
        pair: list[Event] = [(200, "ok", "observe", 0, 500), (210, "ok", "observe", 0, 500)]
        assert said("B8", NONE, **timeline(*idle, *pair), faults=SLOW).status == "not_exercised"
        waiting = timeline(*[(5000, "bug", "observe", 0, 9000) for _ in range(3)])
        one_by_one = [f"{100 + n} observe 5000 {6000 + 1000 * n} ok - 0" for n in range(9)]
        tries = [f"{100 + n} 1 {5000 + 1000 * n} {6000 + 1000 * n} - 200 0" for n in range(9)]
        calls, attempts = "\n".join([waiting["calls"], *one_by_one]), "\n".join([waiting["attempts"], *tries])
        assert said("B8", NONE, calls=calls, attempts=attempts, faults=SLOW).status == "not_exercised"

    def test_calls_that_waited_and_were_given_up_before_anything_was_sent_are_no_queue(self) -> None:
        """Twelve observes of a second, while predictions went through."""
        waiting: list[Event] = [(5000 + n, "cancelled", "observe", 0, 1000) for n in range(12)]
        assert said("B8", NONE, **timeline(*waiting, (5100, "ok", "predict")), faults=SLOW).status == "not_exercised"

    def test_attempts_of_no_call_tell_nothing(self) -> None:
        """A client that sends from threads of its own, and no call at all."""
        tables = {"calls": "call op start_ms end_ms", "attempts": "call attempt start_ms end_ms\n0 1 10 20"}
        assert said("B8", NONE, **tables).status == "not_exercised"

    def test_two_at_a_time_are_no_queue(self) -> None:
        """A pool of two."""
        found = flow([f"observe {1000 * (n // 2)} {1000 * (n // 2) + 1000} 0" for n in range(20)])
        assert (found.status, found.measured) == ("pass", "2")


class TestB9:
    """What is awaited is counted."""

    def through(self, count: int, via: str = "httpx_async", promised: Promise = FIVE) -> Verdict:
        """Five refusals of an asynchronous client, and so many calls after them, none rejected."""
        tables = timeline(*row("connect_error", 5 + count))
        head, *rows = tables["attempts"].split("\n")
        return said(
            "B9", promised, calls=tables["calls"], attempts="\n".join([f"{head} via", *(f"{r} {via}" for r in rows)])
        )

    @pytest.mark.parametrize("via", ["httpx_async", "aiohttp"])
    def test_ten_calls_let_through_fail_it(self, via: str) -> None:
        """Nine may have been under way."""
        found = self.through(10, via)
        assert (found.status, found.measured, calls_of(found)) == ("fail", "0 rejections", [6, 7, 8, 9, 10])
        assert "15 failures" in found.reason
        assert self.through(9, via).status == "not_exercised"

    def test_one_promised_for_an_operation_counts(self) -> None:
        """As in any breaker law."""
        own = promise({"calls": {"observe": {"breaker": {"fail_max": 5}}}})
        assert self.through(10, promised=own).status == "fail"
        assert self.through(10, promised=NONE).status == self.through(10, "httpx").status == "not_applicable"


def spells(*events: Event, policy: Policy = FIVE.policy) -> list[tuple[str, int, int]]:
    """The inferred states in ms."""
    found = infer_breaker(History.literal(**timeline(*events)), policy)
    return [(spell["state"], spell["from_ns"] // 1_000_000, spell["to_ns"] // 1_000_000) for spell in found.rows()]


def policy(**breaker: int | float) -> Policy:
    """Five failures and three seconds, unless said otherwise."""
    return promise({"breaker": {"fail_max": 5, "reset_timeout": 3.0, **breaker}}).policy


class TestStates:
    """The states of a breaker, from calls and attempts alone."""

    def test_it_opens_with_the_failure_that_filled_its_count_and_closes_with_a_served_trial(self) -> None:
        """Open from the fifth failure's end to the trial's start, half-open to the trial's end."""
        assert spells(*OPENED, (4300, "ok"), (4500, "ok")) == [
            ("closed", 200, 1010), ("open", 1010, 4300), ("half_open", 4300, 4310), ("closed", 4310, 4510),
        ]  # fmt: skip

    def test_a_failed_trial_opens_it_again(self) -> None:
        """Rejected after it, or tried only when the reset time-out had passed."""
        failed: list[Event] = [*OPENED, (4300, "connect_error")]
        assert spells(*failed, (4500, "rejected"))[2:] == [("half_open", 4300, 4310), ("open", 4310, 4500)]
        assert spells(*failed, (7100, "ok"))[3:] == [("open", 4310, 7100), ("half_open", 7100, 7110)]
        assert spells(*failed, (6900, "ok"))[3:] == [("closed", 4310, 6910)]

    def test_a_trial_has_ended_when_its_attempt_has(self) -> None:
        """It failed at 4.31 s; its call waited to try again and was rejected at 4.6 s. The next trial, 3 s after the
        attempt, is in time."""
        tables = timeline(*OPENED, (4300, "connect_error"), (4700, "rejected"), (7320, "ok"), (7500, "ok"))
        tables["calls"] = tables["calls"].replace("4300 4310 error connect_error", "4300 4600 rejected breaker_open")
        found = infer_breaker(History.literal(**tables), FIVE.policy).rows()
        times = [(row["state"], row["from_ns"] // 1_000_000, row["to_ns"] // 1_000_000) for row in found]
        assert times[2:4] == [("half_open", 4300, 4310), ("open", 4310, 7320)]

    def test_what_comes_within_two_milliseconds_came_before_it(self) -> None:
        """Let in with the opening it is no trial, and rejected with the trial's end nothing opened."""
        assert spells(*row("connect_error", 5), (1012, "ok"), (1200, "rejected"), (4300, "ok"))[0][2] == 1200
        rejected = spells(*OPENED, (4300, "ok"), (4312, "rejected"), (4500, "ok"))
        assert rejected[2:] == [("half_open", 4300, 4310), ("closed", 4310, 4510)]

    def test_two_successes_are_asked_for(self) -> None:
        """It closes with the second; a failure between opens it at once, and so does a rejection after the first."""
        two = policy(success_threshold=2)
        assert spells(*OPENED, (4300, "ok"), (4500, "ok"), (4700, "ok"), policy=two)[2:] == [
            ("half_open", 4300, 4510), ("closed", 4510, 4710),
        ]  # fmt: skip
        failed = spells(*OPENED, (4300, "ok"), (4500, "connect_error"), (4700, "rejected"), policy=two)
        assert failed[2:] == [("half_open", 4300, 4510), ("open", 4510, 4700)]
        rejected = spells(*OPENED, (4300, "ok"), (4500, "rejected"), (4700, "ok"), policy=two)
        assert rejected[2:] == [("half_open", 4300, 4310), ("open", 4310, 4700), ("half_open", 4700, 4710)]
        assert spells(*OPENED, (4300, "ok"), policy=two)[2:] == [("half_open", 4300, 4310)]

    def test_the_first_trial_to_end_decides(self) -> None:
        """The second to begin failed first."""
        slow: Event = (4300, "ok", "observe", 0, 500)
        found = spells(*OPENED, slow, (4400, "connect_error"), (4600, "rejected"))
        assert found[2:] == [("half_open", 4300, 4410), ("open", 4410, 4800)]

    def test_an_opening_that_nobody_saw(self) -> None:
        """Little traffic: the first rejection came during the trial, 3.19 s after the fifth failure."""
        slow: Event = (4200, "ok", "observe", 0, 500)
        found = spells(*row("connect_error", 5), slow, (4300, "rejected"), (5000, "ok"))
        assert found[:3] == [("closed", 200, 1010), ("open", 1010, 4200), ("half_open", 4200, 4700)]
        early: Event = (3000, "ok", "observe", 0, 2000)
        assert spells(*row("connect_error", 5), early, (4300, "rejected"), (5000, "ok"))[0] == ("closed", 200, 4300)
        assert spells(*row("connect_error", 4), slow, (4300, "rejected"), (5000, "ok"))[0] == ("closed", 200, 4300)

    def test_the_state_before_the_first_trial_is_over_lasts_to_the_end(self) -> None:
        """A last trial that was served closed it, one that failed opened it, and one that others followed too."""
        assert spells(*OPENED, (4300, "ok"))[-1] == ("half_open", 4300, 4310)
        longer: Event = (4305, "rejected", "observe", 0, 400)
        assert spells(*OPENED, (4300, "ok"), longer)[-1] == ("closed", 4310, 4705)
        assert spells(*OPENED, (4300, "connect_error"), longer)[-1] == ("open", 4310, 4705)

    def test_the_trial_is_what_was_sent_first(self) -> None:
        """A call began before it, and waited in the client."""
        tables = timeline(*OPENED, (4300, "ok", "observe", 0, 700), (4350, "ok", "observe", 0, 50), (5100, "ok"))
        tables["attempts"] = tables["attempts"].replace("7 1 4300", "7 1 4900").replace("8 1 4350", "8 1 4360")
        found = infer_breaker(History.literal(**tables), FIVE.policy)
        begins = {spell["state"]: spell["from_ns"] // 1_000_000 for spell in found.rows()}
        assert (begins["half_open"], begins["closed"]) == (4360, 4400)

    def test_a_trial_that_began_with_the_end_of_another_belongs_to_it(self) -> None:
        """Both were under way for a moment, and two successes were asked for."""
        two = policy(success_threshold=2)
        slow: Event = (4300, "ok", "observe", 0, 300)
        found = spells(*OPENED, slow, (4600, "ok"), (4900, "ok"), policy=two)
        assert found[2:] == [("half_open", 4300, 4610), ("closed", 4610, 4910)]

    def test_a_later_opening_is_read_from_where_it_closed(self) -> None:
        """Five more failures, the second opening, and its own trial; each is named by the call that showed it."""
        second: list[Event] = [(at + 5000, how) for at, how in row("connect_error", 5)]
        found = spells(*OPENED, (4300, "ok"), *second, (6200, "rejected"), (9300, "ok"), (9500, "ok"))
        assert found[3:] == [
            ("closed", 4310, 6010), ("open", 6010, 9300), ("half_open", 9300, 9310), ("closed", 9310, 9510),
        ]  # fmt: skip

    def test_failures_that_ended_out_of_order_are_counted_by_their_ends(self) -> None:
        """The first to begin was the last to fail, and filled the count."""
        slow: Event = (100, "connect_error", "observe", 0, 1150)
        assert spells(slow, *row("connect_error", 4), (1300, "rejected"))[0] == ("closed", 100, 1250)

    def test_the_state_is_told_with_where_it_comes_from(self) -> None:
        """Inferred, not heard."""
        found = infer_breaker(History.literal(**timeline(*OPENED)), FIVE.policy)
        assert [spell["source"] for spell in found.rows()] == ["inferred", "inferred"]

    def test_a_try_that_began_at_the_failure_before_the_last_is_later_than_the_filled_count(self) -> None:
        """Five failures filled it, but one more call was let in after that: the rejection is what is known."""
        assert spells(*row("connect_error", 5), (1100, "ok"), (1200, "rejected"))[0] == ("closed", 200, 1200)

    def test_the_failure_that_filled_the_count_opened_it_while_others_were_under_way(self) -> None:
        """Slow failures side by side: the fifth after the success ended at 1.1 s, and nobody called until 1.25 s."""
        slow: list[Event] = [(200 + 100 * n, "reset", "observe", 0, 500) for n in range(7)]
        events: list[Event] = [(20, "reset", "observe", 0, 70), (100, "ok"), *slow, (1250, "rejected")]
        assert spells(*events)[0] == ("closed", 20, 1100)

    def test_who_was_let_in_with_the_opening_is_no_trial(self) -> None:
        """A rejection that waited until 0.7 s, and a try a millisecond later."""
        waited: Event = (400, "rejected", "observe", 0, 300)
        assert spells((200, "ok"), waited, (701, "ok"), (3800, "ok"))[1] == ("open", 700, 3800)

    def test_of_several_trials_the_second_success_closes_it(self) -> None:
        """Three side by side, and the last to begin ended first."""
        trials: list[Event] = [(4300, "ok", "observe", 0, 1000), (4400, "ok", "observe", 0, 300)]
        last: Event = (4450, "ok", "observe", 0, 100)
        assert spells(*OPENED, *trials, last, policy=policy(success_threshold=2))[2] == ("half_open", 4300, 4700)

    def test_three_operations_with_a_breaker_each_are_told_apart(self) -> None:
        """Each opens by its own five failures, while the others go on."""
        events: list[Event] = []
        for turn, op in enumerate(("observe", "predict", "learn")):
            own = [*OPENED, *((at, "rejected") for at in range(1400, 4200, 200)), (4200, "ok"), (4400, "ok")]
            events += [(at + 6000 * turn, how, op) for at, how in own]
            events += [(6000 * other + 100 * n, "ok", op) for other in range(3) if other != turn for n in range(60)]
        found = infer_breaker(History.literal(**timeline(*sorted(events))), FIVE.policy)
        assert [spell["state"] for spell in found.rows()].count("open") == 3
        assert said("B2", FIVE, **timeline(*sorted(events))).status == "pass"
        assert said("B1", FIVE, **timeline(*sorted(events))).status == "pass"

    def test_only_failures_in_a_row_open_it(self) -> None:
        """Two of six were before a success, and the last of the four after it is its latest moment."""
        events = [*row("connect_error", 2), (600, "ok"), *row("connect_error", 4, 800)]
        assert spells(*events, (1600, "rejected"))[0] == ("closed", 200, 1410)

    def test_a_rejection_that_waited_opens_it_at_its_end_at_the_latest(self) -> None:
        """Nothing had failed that anybody saw."""
        assert spells((200, "ok"), (400, "rejected", "observe", 0, 300), (900, "ok"))[0] == ("closed", 200, 700)
