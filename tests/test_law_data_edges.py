"""Data laws at their edges: what is left out of a count, whose commit it is, and what a ruling says in numbers."""

from __future__ import annotations

from typing import Any

import law_cases
import pytest
from law_cases import calls_of, losing, promise, share

from harness.laws.data import at_most

NOTHING = promise()
ORACLE = {"oracle": "twin"}
STORE = "name kind applied_ms effective_ms cleared_ms\nredis {} 15 16 25"


def said(law: str, *arguments: Any, **texts: str) -> Any:
    """What a law says of the tables `texts`, replies being lost on purpose unless they tell of other faults."""
    return law_cases.said(law, *arguments, **losing(texts))


def test_a_clean_count_leaves_three_in_so_many_possible() -> None:
    """The rule of three, in per cent."""
    assert at_most(300) == "at most 0.99 % with 95 % confidence"
    assert at_most(30) == "at most 9.5 % with 95 % confidence"


class TestReadBack:
    """D1 against the STM that was read back."""

    def said(self, told: str, stm: dict[str, int], ask: Any = said) -> Any:
        calls = f"call op session start_ms end_ms outcome\n1 observe s 10 20 ok\n2 observe s 30 40 ok\n{told}"
        arrivals = (
            "call attempt op arrive_ms reply_ms status commit_seq\n1 1 observe 12 18 200 1\n2 1 observe 32 38 200 2"
        )
        return ask("D1", NOTHING, ORACLE | {"stm": stm}, calls=calls, arrivals=arrivals, faults=STORE.format("store"))

    def test_a_session_that_learned_is_left_out(self) -> None:
        """Learning clears the STM; another session's learning does not."""
        assert self.said("3 learn s 50 60 ok", {"s": 0}).status == "pass"
        found = self.said("3 learn t 50 60 ok", {"s": 0, "t": 0})
        assert (found.status, found.measured, found.bound, calls_of(found)) == ("fail", "2 lost", "0", [1, 2])
        assert self.said("3 learn t 50 60 ok", {"s": 0, "t": 0}, share) == 1.0

    def test_what_was_not_acknowledged_is_not_missed(self) -> None:
        """A third observe failed, and a prediction is no event."""
        assert self.said("3 observe s 50 60 error\n4 predict s 70 80 ok", {"s": 2}).status == "pass"

    @pytest.mark.parametrize(("events", "status"), [(999, "fail"), (1000, "pass")])
    def test_the_stm_keeps_a_thousand_events(self, events: int, status: str) -> None:
        """From as many on its length says nothing."""
        rows = range(1, events + 1)
        calls = "\n".join(["call op session start_ms end_ms outcome", *(f"{n} observe s {n} {n} ok" for n in rows)])
        head = "call attempt op arrive_ms reply_ms status commit_seq"
        arrivals = "\n".join([head, *(f"{n} 1 observe {n} {n} 200 {n}" for n in rows)])
        facts = ORACLE | {"stm": {"s": 900}}
        assert said("D1", NOTHING, facts, calls=calls, arrivals=arrivals, faults=STORE.format("store")).status == status


class TestDoubt:
    """Which writes are in doubt (D2, D3)."""

    CALLS = "call op start_ms end_ms outcome\n1 observe 0 100 {}\n2 observe 0 100 ok"
    ATTEMPTS = "call attempt start_ms end_ms result status\n1 1 0 100 {}\n2 1 0 100 - 200"
    ARRIVALS = "call attempt op arrive_ms reply_ms status commit_seq\n1 1 observe 10 {}\n2 1 observe 10 20 200 2"

    def d3(self, result: str, seen: str, ask: Any = said) -> Any:
        tables = (self.CALLS.format("error"), self.ATTEMPTS.format(result), self.ARRIVALS.format(seen))
        return ask("D3", NOTHING, ORACLE, calls=tables[0], attempts=tables[1], arrivals=tables[2])

    def test_an_answer_of_5xx_or_none_at_all_leaves_a_write_in_doubt(self) -> None:
        """Committed or not; an answer of 422 and a refused connection are certain."""
        assert self.d3("- 500", "20 500 1").measured == "100.0% committed"
        assert self.d3("reset 0", "- 0 -").measured == "0.0% committed"
        assert self.d3("- 422", "20 422 -").status == "not_exercised"
        assert self.d3("connect_error 0", "20 422 -").status == "not_exercised"

    def test_without_hooks_arrivals_say_it(self) -> None:
        """Nobody saw the attempts."""
        for seen, status in (("20 500 -", "pass"), ("- 0 -", "pass"), ("20 422 -", "not_exercised")):
            tables = {"calls": self.CALLS.format("error"), "arrivals": self.ARRIVALS.format(seen)}
            assert said("D3", NOTHING, ORACLE, **tables).status == status

    def test_a_commit_too_many_is_counted_and_shared_out(self) -> None:
        """One of one in doubt, twice."""
        again = "- 0 1\n1 2 observe 30 - 0 3"
        found = self.d3("reset 0", again)
        assert (found.status, found.witnesses[0]["commits"]) == ("fail", 2)
        assert self.d3("reset 0", again, share) == 1.0

    def test_a_second_request_after_an_answer_was_not_sent_again(self) -> None:
        """Two observes of which the first was answered; after a refused one it is one that was sent again (D2)."""
        for first, status in (("- 200", "not_exercised"), ("connect_error 0", "pass")):
            attempts = f"call attempt start_ms end_ms result status\n1 1 0 10 {first}\n1 2 20 30 - 200"
            found = said(
                "D2", NOTHING, ORACLE, calls="call op start_ms end_ms outcome\n1 observe 0 40 ok", attempts=attempts,
                arrivals="call attempt op arrive_ms reply_ms status commit_seq\n1 2 observe 21 25 200 1",
            )  # fmt: skip
            assert found.status == status

    def test_no_calls_are_no_doubles(self) -> None:
        """An empty run."""
        assert said("D2", NOTHING, ORACLE, calls="call op start_ms end_ms outcome").status == "not_exercised"


class TestOrder:
    """D4 in sessions of many calls."""

    HEAD = "call op session start_ms end_ms outcome"

    def test_only_neighbours_of_one_session_are_compared(self) -> None:
        """Session t's commits came before those of s; each is in order by itself."""
        calls = (
            f"{self.HEAD}\n1 observe s 0 10 degraded\n2 observe t 20 30 ok\n3 observe s 40 50 ok\n4 observe t 60 70 ok"
        )
        seen = """
        call op session arrive_ms reply_ms status commit_seq paired_by
        2 observe t 21 23 200 1 header
        1 observe s 35 37 200 2 content
        3 observe s 41 43 200 3 header
        4 observe t 61 63 200 4 header
        """
        assert said("D4", NOTHING, ORACLE, calls=calls, arrivals=seen).status == "pass"
        late = seen.replace("200 3 header", "200 9 header").replace("200 2 content", "200 10 content")
        found = said("D4", NOTHING, ORACLE, calls=calls, arrivals=late)
        assert (found.status, calls_of(found)) == ("fail", [1])

    def test_commits_of_other_operations_belong_to_nobodys_order(self) -> None:
        """A session that nobody can place leaves observes in order; an observe that nobody can place does not."""
        calls = f"{self.HEAD}\n1 observe s 0 10 degraded\n2 observe s 20 30 ok"
        head = "call op session arrive_ms reply_ms status commit_seq paired_by"
        seen = f"{head}\n1 observe s 12 14 200 1 content\n2 observe s 21 25 200 2 header"
        assert (
            said("D4", NOTHING, ORACLE, calls=calls, arrivals=f"{seen}\n0 open_session s 26 27 200 3 -").status
            == "pass"
        )
        assert (
            said("D4", NOTHING, ORACLE, calls=calls, arrivals=f"{seen}\n0 observe s 26 27 200 3 -").status
            == "inconclusive"
        )


class TestSessions:
    """D6: who lost a session, and who never had one."""

    CALLS = (
        "call op user session start_ms end_ms outcome status\n1 observe u s 10 20 ok 0\n2 observe u s 30 40 error 404"
    )

    @pytest.mark.parametrize("kind", ["store", "external", "kill"])
    def test_a_404_under_a_fault_of_katos_is_katos(self, kind: str) -> None:
        """The session may rightly be gone."""
        found = said("D6", NOTHING, ORACLE, calls=self.CALLS, faults=STORE.format(kind).replace("25", "50"))
        assert found.status == "pass"
        refused = said("D6", NOTHING, ORACLE, calls=self.CALLS, faults=STORE.format("latency").replace("25", "50"))
        assert (refused.status, calls_of(refused)) == ("fail", [2])

    def test_the_last_attempt_says_whether_it_is_gone(self) -> None:
        """A 404 that was healed within the call is none; a last attempt of 404 is one, whatever the call says."""
        calls = self.CALLS.replace("error 404", "ok 0")
        for last, status in ((200, "pass"), (404, "fail")):
            attempts = f"call attempt start_ms end_ms status\n1 1 10 20 200\n2 1 30 33 404\n2 2 34 40 {last}"
            assert said("D6", NOTHING, ORACLE, calls=calls, attempts=attempts).status == status

    def test_calls_without_a_user_are_nobodys(self) -> None:
        """Two of them opened a session each, and nobody says that they are one user's."""
        calls = "call op user session start_ms end_ms outcome\n1 observe {0} - 10 20 ok\n2 observe {0} - 30 40 ok"
        seen = (
            "call attempt op arrive_ms reply_ms status commit_seq\n1 1 open_session 11 12 200 1\n"
            "1 2 observe 13 14 200 2\n2 1 open_session 31 32 200 3\n2 2 observe 33 34 200 4"
        )
        assert said("D6", NOTHING, ORACLE, calls=calls.format("-"), arrivals=seen).status == "not_exercised"
        assert said("D6", NOTHING, ORACLE, calls=calls.format("u"), arrivals=seen).status == "fail"
        two = calls.format("u").replace("2 observe u", "2 observe v")
        assert said("D6", NOTHING, ORACLE, calls=two, arrivals=seen).status == "not_exercised"

    def test_doubled_sessions_are_counted(self) -> None:
        """One call that made two."""
        calls = "call op user session start_ms end_ms outcome\n1 open_session u s 10 20 ok"
        head = "call attempt op arrive_ms reply_ms status commit_seq"
        seen = f"{head}\n1 1 open_session 11 - 0 1\n1 2 open_session 13 14 200 2"
        found = said("D6", NOTHING, ORACLE, calls=calls, arrivals=seen)
        assert (found.status, found.measured, found.bound) == ("fail", "1 doubled", "0")


def test_d6_is_inconclusive_where_a_session_is_nobodys() -> None:
    """It may be anybody's second one; what was observed late in a known one is no session more."""
    arrivals = "call op session arrive_ms reply_ms status commit_seq\n1 observe s 13 14 200 1\n0 {} {} 50 51 200 {}"
    calls = "call op user session start_ms end_ms outcome\n1 observe u s 10 20 ok\n2 observe u s 30 40 ok"
    for op, session, commit, status in (
        ("open_session", "t", 2, "inconclusive"),
        ("observe", "t", 2, "inconclusive"),
        ("observe", "s", 2, "pass"),
        ("observe", "t", 0, "pass"),
        ("predict", "t", 2, "pass"),
    ):
        found = said("D6", NOTHING, ORACLE, calls=calls, arrivals=arrivals.format(op, session, commit))
        assert found.status == status, (op, session, commit)
