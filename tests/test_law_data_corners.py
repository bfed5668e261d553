"""Data laws where several sessions, users or operations meet, and what of their attempts is in doubt."""

from __future__ import annotations

from typing import Any

import pytest
from law_cases import MS, promise, whole
from test_law_data_edges import NOTHING, ORACLE, STORE, said

from harness.evidence.history import History
from harness.laws.case import Case
from harness.laws.writes import committed_ns, in_doubt, resent

HEAD = "call op user session start_ms end_ms outcome"
SEEN = "call attempt op session arrive_ms reply_ms status commit_seq"
TRIES = "call attempt start_ms end_ms result status"


def table(head: str, *rows: str) -> str:
    return "\n".join([head, *rows])


class TestInDoubt:
    """Writes of which nobody was told what became of them."""

    @pytest.mark.parametrize(("how", "doubt"), [
        ("cancelled 0", True), ("read_timeout 0", True), ("- 500", True), ("- 422", False), ("- 200", False),
        ("connect_error 0", False), ("connect_timeout 0", False), ("pool_timeout 0", False),
    ])  # fmt: skip
    def test_an_attempt_says_it_where_nobody_saw_it_arrive(self, how: str, doubt: bool) -> None:
        """It was given up, cut off, or answered with a failure."""
        calls = table(HEAD, "1 observe u s 0 10 error", "2 observe u s 20 30 ok")
        tries = table(TRIES, f"1 1 0 10 {how}", "2 1 20 30 - 200")
        found = Case(History.literal(calls=calls, attempts=tries), promise())
        assert in_doubt(found).tolist() == [doubt, False]

    def test_without_hooks_a_call_was_resent_that_arrived_twice_for_the_same(self) -> None:
        """A session and an observe are two things."""
        calls = table(HEAD, "1 observe u s 0 10 ok", "2 observe u s 20 30 ok", "3 observe u s 40 50 ok")
        rows = ("1 1 observe s 1 - 0 -", "1 2 observe s 5 6 200 1", "2 1 open_session s 21 22 200 2",
                "2 2 observe s 23 24 200 3", "3 1 observe s 41 42 200 4")  # fmt: skip
        found = Case(History.literal(calls=calls, arrivals=table(SEEN, *rows)), promise())
        assert resent(found).tolist() == [True, False, False]


class TestCommits:
    """What was committed, when, and whether it is one and the same."""

    def test_the_first_commit_of_that_operation_counts(self) -> None:
        """Not what was never committed, or was another one; a replay's too."""
        calls = table(HEAD, *(f"{n} observe u s 0 90 ok" for n in (1, 2, 3)))
        rows = (
            "1 1 open_session s 1 2 200 1 header",
            "1 2 observe s 3 - 0 - header",
            "1 3 observe s 5 6 200 2 header",
            "1 4 observe s 7 8 200 3 header",
            "2 1 observe s 50 60 200 4 content",
            "3 1 learn s 70 80 200 5 header",
        )
        found = Case(History.literal(calls=calls, arrivals=table(f"{SEEN} paired_by", *rows)), promise())  # fmt: skip
        assert committed_ns(found, "observe").tolist() == [6 * MS, 60 * MS, -1]

    def test_the_same_twice_in_peace_is_no_practice_of_several(self) -> None:
        """Three calls doubled what they said, and one said two things in trouble: all four are doubled."""
        calls = table(
            HEAD, *(f"{n} observe u s {20 * n} {20 * n + 10} ok" for n in (1, 2, 3)), "4 observe u s 80 90 error"
        )
        rows = [f"{n} {k} observe s {20 * n + k} {20 * n + k} 200 {2 * n + k} {7 + k * (n == 4)}" for n in (1, 2, 3, 4)
                for k in (0, 1)]  # fmt: skip
        found = said("D2", NOTHING, ORACLE, calls=calls, arrivals=table(f"{SEEN} payload", *rows))
        assert (found.status, found.measured) == ("fail", "4 doubled")


class TestCounts:
    """Of how many, and which."""

    def test_d1_names_the_observes_of_the_short_session(self) -> None:
        """Two of session s are not in its STM; session t is whole."""
        calls = table(HEAD, "1 observe u s 0 10 ok", "2 observe u s 20 30 ok", "3 observe v t 40 50 ok")
        rows = [f"{n} 1 observe {session} {20 * n - 19} {20 * n - 12} 200 {n}" for n, session in enumerate("sst", 1)]
        found = whole("D1", NOTHING, ORACLE | {"stm": {"s": 0, "t": 1}}, calls=calls, arrivals=table(SEEN, *rows))
        assert found[:3] == ("fail", [1, 2], "2 lost")

    def test_d2_counts_what_was_committed(self) -> None:
        """Of three calls one twice, one once, one never; and what never was is no write that was sent again."""
        calls = table(HEAD, *(f"{n} observe u s {20 * n} {20 * n + 10} timeout" for n in (1, 2, 3)))
        rows = ["1 1 observe s 21 - 0 1", "1 2 observe s 22 - 0 2", "2 1 observe s 41 - 0 3", "3 1 observe s 61 - 0 -"]
        found = whole("D2", NOTHING, ORACLE, calls=calls, arrivals=table(SEEN, *rows))
        assert found == ("fail", [1], "1 doubled", "0", 0.5)
        never = said("D2", NOTHING, ORACLE, calls=calls, arrivals=table(SEEN, rows[-1]))
        assert never.reason.startswith("no write was in doubt")

    def test_d4_counts_one_that_was_itself_in_trouble(self) -> None:
        """Put aside and committed by a replay, while a process was killed."""
        seen = f"{SEEN} paired_by\n1 1 observe s 50 51 200 1 content"
        calls = table(HEAD, "1 observe u s 10 20 degraded")
        found = said("D4", NOTHING, ORACLE, calls=calls, arrivals=seen, faults=STORE.format("kill"))
        assert found.reason.startswith("only 1 write came to be in trouble or after it")

    def test_d7_names_calls_that_got_an_answer(self) -> None:
        """A broken one; the second call got none at all."""
        calls = table(HEAD, "1 predict u s 10 20 ok", "2 predict u s 30 40 ok")
        seen = f"{SEEN} fault\n1 1 predict s 12 18 200 - redis"
        tables = {"calls": calls, "arrivals": seen, "faults": STORE.format("truncate")}
        assert whole("D7", NOTHING, ORACLE, **tables) == ("fail", [1], "", "", 1.0)


class TestTwoSessions:
    """What one session did says nothing of the other."""

    def order(self, ends: int, *commits: int) -> Any:
        """Two calls each in sessions a and b, of which the third ends at `ends`; all but it one after the other."""
        times = ("a 0 10", "a 20 30", f"b 40 {ends}", "b 60 70")
        rows = [f"{n} observe u {time} ok" for n, time in enumerate(times, 1)]
        seen = [f"{n} 1 observe {'aabb'[n - 1]} {20 * n - 19} - 0 {commit}" for n, commit in enumerate(commits, 1)]
        return whole("D4", NOTHING, ORACLE, calls=table(HEAD, *rows), arrivals=table(SEEN, *seen))

    def test_d4_keeps_the_order_of_the_second_too(self) -> None:
        """Its first observe was committed after its second; side by side they have no order."""
        assert self.order(50, 1, 2, 9, 4)[:2] == ("fail", [3])
        assert self.order(65, 1, 2, 9, 4)[0] == "not_exercised"

    def test_d5_finds_what_is_crowded_in_the_second(self) -> None:
        """Two observes at the same time; an observe beside a prediction is no crowd."""
        first = ("1 observe u a 0 5 ok", "2 observe u a 6 9 ok")
        crowd = table(HEAD, *first, "3 observe u b 10 50 ok", "4 observe u b 20 60 ok")
        assert whole("D5", NOTHING, {"stm": {"b": 1}}, calls=crowd)[:2] == ("fail", [3, 4])
        beside = table(HEAD, "1 observe u a 10 50 ok", "2 predict u a 20 60 ok")
        assert said("D5", NOTHING, {"stm": {"a": 0}}, calls=beside).status == "not_exercised"


class TestWhoseSessions:
    """D6 of several users."""

    @pytest.mark.parametrize(("rows", "reason"), [
        (("u a", "u a", "v b", "v -"), "2 users kept one session"),
        (("u a", "u a", "v b", "v b", "- c"), "none of 3 sessions was lost or opened twice, of 2 users"),
    ])  # fmt: skip
    def test_what_has_no_name_is_neither_a_user_nor_a_session(self, rows: tuple[str, ...], reason: str) -> None:
        """As many sessions as users, or more."""
        calls = table(HEAD, *(f"{n} observe {row} {20 * n} {20 * n + 10} ok" for n, row in enumerate(rows, 1)))
        assert said("D6", NOTHING, ORACLE, calls=calls).reason == reason

    def opened(self, *users: str, outcome: str = "ok", **texts: str) -> Any:
        """Calls of these users, each of which opens a session and observes in it."""
        calls = [f"{n} observe {user} - {20 * n} {20 * n + 10} {outcome}" for n, user in enumerate(users, 1)]
        seen = []
        for n in range(1, len(users) + 1):
            seen.append(f"{n} 1 open_session s{n} {20 * n + 1} {20 * n + 2} 200 {2 * n - 1}")
            seen.append(f"{n} 2 observe s{n} {20 * n + 3} {20 * n + 4} 200 {2 * n}")
        return whole("D6", NOTHING, ORACLE, calls=table(HEAD, *calls), arrivals=table(SEEN, *seen), **texts)

    def test_a_session_too_many_is_found_beside_another_user(self) -> None:
        """The second of two."""
        assert self.opened("u", "v", "v")[:2] == ("fail", [3])

    def test_who_was_told_of_no_session_has_none(self) -> None:
        """It was created, and its answer was an error."""
        tries = table(TRIES, *(f"{n} 1 {20 * n} {20 * n + 10} - 503" for n in (1, 2)))
        assert self.opened("u", "u", outcome="error", attempts=tries)[0] != "fail"

    @pytest.mark.parametrize(("status", "attempts"), [(404, ""), (0, "2 1 40 50 - 404")])
    def test_a_404_between_says_that_it_is_gone(self, status: int, attempts: str) -> None:
        """While a store was away, which is nobody's fault: the call says so, or its attempt."""
        calls = table(f"{HEAD} status", "1 observe u - 20 30 ok 0", f"2 observe u - 40 50 error {status}",
                      "3 observe u - 60 70 ok 0")  # fmt: skip
        seen = table(SEEN, "1 1 open_session s 21 22 200 1", "1 2 observe s 23 24 200 2",
                     "3 1 open_session t 61 62 200 3", "3 2 observe t 63 64 200 4")  # fmt: skip
        texts = {"calls": calls, "arrivals": seen, "faults": STORE.format("store").replace("25", "55")}
        tries = table(TRIES, "1 1 20 30 - 200", "3 1 60 70 - 200", attempts)
        texts |= {"attempts": tries} if attempts else {}
        assert said("D6", NOTHING, ORACLE, **texts).status == "pass"
        unmarked = {**texts, "calls": calls.replace("404", "0"), "attempts": tries.replace("404", "200")}
        assert whole("D6", NOTHING, ORACLE, **unmarked)[:2] == ("fail", [3])

    def test_a_session_is_somebodys_by_a_call_or_by_an_arrival(self) -> None:
        """One that an arrival of a known call was in; a first commit of nobody's in another may be anybody's."""
        calls = table(HEAD, "1 observe u - 20 30 ok", "2 observe u - 40 50 ok")
        rows = ["1 1 observe s 21 22 200 2", "2 1 observe s 41 42 200 3"]
        for session, status in (("s", "pass"), ("t", "inconclusive")):
            stray = f"0 0 observe {session} 60 61 200 1"
            assert said("D6", NOTHING, ORACLE, calls=calls, arrivals=table(SEEN, *rows, stray)).status == status
