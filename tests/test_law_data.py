"""Data laws on literal histories."""

from __future__ import annotations

from typing import Any

import law_cases
from law_cases import calls_of, losing, promise

NOTHING = promise()
ORACLE = {"oracle": "twin"}


def said(law: str, *arguments: Any, **texts: str) -> Any:
    """What a law says of the tables `texts`, replies being lost on purpose unless they tell of other faults."""
    return law_cases.said(law, *arguments, **losing(texts))


class TestD2:
    """No observation is committed twice."""

    CALLS = """
    call op start_ms end_ms outcome error
    1 observe 0 300 ok -
    2 observe 0 100 timeout read_timeout
    """
    ATTEMPTS = """
    call attempt start_ms end_ms result status
    1 1 0 100 read_timeout 0
    1 2 200 300 - 200
    2 1 0 100 read_timeout 0
    """

    def arrivals(self, first_commit: str, call: int = 1) -> str:
        return f"""
        call attempt op arrive_ms reply_ms status commit_seq
        {call} 1 observe 10 - 0 {first_commit}
        1 2 observe 210 220 200 2
        2 1 observe 20 - 0 3
        """

    def test_passes_where_each_was_committed_once(self) -> None:
        """The first try of call 1 never was; the bound of two clean cases is said."""
        found = said("D2", NOTHING, ORACLE, calls=self.CALLS, attempts=self.ATTEMPTS, arrivals=self.arrivals("-"))
        assert (found.status, found.measured) == ("pass", "0 doubled")
        assert "%" in found.bound

    def test_fails_by_one_doubled_commit(self) -> None:
        """The same history with the first try committed."""
        found = said("D2", NOTHING, ORACLE, calls=self.CALLS, attempts=self.ATTEMPTS, arrivals=self.arrivals("1"))
        assert (found.status, calls_of(found)) == ("fail", [1])
        assert found.witnesses[0]["commits"] == 2

    def test_one_write_in_doubt_by_chance_proves_nothing(self) -> None:
        """It was under way when connections were refused, or a process killed: the next run may have none; five do."""
        tables = {"calls": self.CALLS, "attempts": self.ATTEMPTS, "arrivals": self.arrivals("-")}
        for kind in ("refuse", "kill"):
            faults = f"name kind applied_ms effective_ms cleared_ms\nout {kind} 0 0 100"
            assert said("D2", NOTHING, ORACLE, faults=faults, **tables).status == "not_exercised"
        calls = "\n".join(["call op start_ms end_ms outcome", *(f"{n} observe 0 100 timeout" for n in range(1, 6))])
        head = "call attempt op arrive_ms reply_ms status commit_seq"
        seen = "\n".join([head, *(f"{n} 1 observe 10 - 0 {n}" for n in range(1, 6))])
        assert said("D2", NOTHING, ORACLE, faults=faults, calls=calls, arrivals=seen).status == "pass"
        assert said("D3", NOTHING, ORACLE, faults=faults, calls=calls, arrivals=seen).status == "pass"
        four = calls.replace("\n5 observe 0 100 timeout", "")
        assert said("D3", NOTHING, ORACLE, faults=faults, calls=four, arrivals=seen).status == "not_exercised"

    def test_is_inconclusive_where_a_commit_belongs_to_nobody(self) -> None:
        """It may be the double of any call."""
        found = said(
            "D2", NOTHING, ORACLE, calls=self.CALLS, attempts=self.ATTEMPTS, arrivals=self.arrivals("1", call=0)
        )
        assert found.status == "inconclusive"

    def test_is_inconclusive_without_an_oracle(self) -> None:
        """Nothing says what was committed."""
        assert said("D2", NOTHING, {"oracle": "none"}, calls=self.CALLS).status == "inconclusive"

    def test_fails_by_one_replay_too_many(self) -> None:
        """Put aside and replayed twice by a thread of the client's; once is what was promised."""
        calls = "call op session start_ms end_ms outcome\n1 observe s 0 20 degraded"
        attempts = "call attempt start_ms end_ms result status\n1 1 0 20 connect_error 0"
        once = "call op session arrive_ms reply_ms status commit_seq paired_by\n1 observe s 50 60 200 1 content"
        twice = f"{once}\n1 observe s 70 80 200 2 content"
        assert said("D2", NOTHING, ORACLE, calls=calls, attempts=attempts, arrivals=once).status != "fail"
        found = said("D2", NOTHING, ORACLE, calls=calls, attempts=attempts, arrivals=twice)
        assert (found.status, calls_of(found)) == ("fail", [1])

    def test_is_not_exercised_where_no_reply_was_lost(self) -> None:
        """Clean answers on the first try leave nothing in doubt."""
        calls = "call op start_ms end_ms outcome\n1 observe 0 20 ok"
        arrivals = "call attempt op arrive_ms reply_ms status commit_seq\n1 1 observe 5 10 200 1"
        attempts = "call attempt start_ms end_ms status\n1 1 0 20 200"
        assert said("D2", NOTHING, ORACLE, calls=calls, attempts=attempts, arrivals=arrivals).status == "not_exercised"

    def test_a_session_and_an_observe_of_one_call_are_not_a_double(self) -> None:
        """A client that owns its sessions commits both within one observe."""
        calls = "call op start_ms end_ms outcome\n1 observe 0 60 ok"
        attempts = "call attempt start_ms end_ms result status\n1 1 0 20 reset 0\n1 2 20 30 - 200\n1 3 30 60 - 200"
        arrivals = """
        call attempt op arrive_ms reply_ms status commit_seq
        1 2 open_session 22 25 200 1
        1 3 observe 35 40 200 2
        """
        assert said("D2", NOTHING, ORACLE, calls=calls, attempts=attempts, arrivals=arrivals).status == "pass"


class TestD1:
    """What KATO acknowledged is there."""

    CALLS = "call op session start_ms end_ms outcome\n1 observe s 10 20 ok\n2 observe s 30 40 ok"
    ARRIVALS = "call attempt op arrive_ms reply_ms status commit_seq\n1 1 observe 12 18 200 1\n2 1 observe 32 38 200 {}"
    FAULTS = "name kind applied_ms effective_ms cleared_ms\nredis store 15 16 25"

    def test_passes_where_every_answer_has_its_commit(self) -> None:
        """Two answers, two commits, and a store that failed."""
        tables = {"calls": self.CALLS, "arrivals": self.ARRIVALS.format(2), "faults": self.FAULTS}
        assert said("D1", NOTHING, ORACLE, **tables).status == "pass"

    def test_fails_by_one_answer_without_a_commit(self) -> None:
        """The second 200 committed nothing."""
        found = said("D1", NOTHING, ORACLE, calls=self.CALLS, arrivals=self.ARRIVALS.format("-"))
        assert (found.status, calls_of(found)) == ("fail", [2])

    def test_fails_where_the_stm_is_short(self) -> None:
        """Two acknowledged, one read back."""
        tables = {"calls": self.CALLS, "arrivals": self.ARRIVALS.format(2), "faults": self.FAULTS}
        found = said("D1", NOTHING, ORACLE | {"stm": {"s": 1}}, **tables)
        assert (found.status, found.measured) == ("fail", "1 lost")
        assert said("D1", NOTHING, ORACLE | {"stm": {"s": 2}}, **tables).status == "pass"

    def test_is_not_exercised_where_nothing_happened_to_kato(self) -> None:
        """No store failed, nothing was killed."""
        found = said("D1", NOTHING, ORACLE, calls=self.CALLS, arrivals=self.ARRIVALS.format(2))
        assert found.status == "not_exercised"


class TestD3:
    """Calls in doubt are resolved."""

    CALLS = "call op start_ms end_ms outcome error\n1 observe 10 110 timeout read_timeout"
    ATTEMPTS = "call attempt start_ms end_ms result\n1 1 10 110 read_timeout"
    ARRIVALS = "call attempt op arrive_ms commit_seq\n1 1 observe 12 {}\n1 1 observe 90 {}"

    def test_passes_with_the_share_that_was_committed(self) -> None:
        """Once, or not at all."""
        tables = {"calls": self.CALLS, "attempts": self.ATTEMPTS}
        once = said("D3", NOTHING, ORACLE, **tables, arrivals=self.ARRIVALS.format(1, "-"))
        never = said("D3", NOTHING, ORACLE, **tables, arrivals=self.ARRIVALS.format("-", "-"))
        assert (once.status, once.measured) == ("pass", "100.0% committed")
        assert (never.status, never.measured) == ("pass", "0.0% committed")

    def test_fails_by_a_second_commit(self) -> None:
        """In doubt, and doubled."""
        tables = {"calls": self.CALLS, "attempts": self.ATTEMPTS, "arrivals": self.ARRIVALS.format(1, 2)}
        assert said("D3", NOTHING, ORACLE, **tables).status == "fail"

    def test_is_not_exercised_where_nothing_is_in_doubt(self) -> None:
        """A refused attempt never arrived."""
        tables = {"calls": self.CALLS.replace("timeout", "error"), "attempts": self.ATTEMPTS}
        tables["attempts"] = tables["attempts"].replace("read_timeout", "connect_error")
        assert said("D3", NOTHING, ORACLE, **tables).status == "not_exercised"

    def test_its_severity_is_info(self) -> None:
        """It reports; D2 fails."""
        assert said("D3", NOTHING, ORACLE, calls=self.CALLS).severity == "info"


class TestD4:
    """Commits come in the order of a session's calls."""

    CALLS = "call op session start_ms end_ms outcome\n1 observe s 10 20 degraded\n2 observe s 30 40 ok"
    ARRIVALS = "call attempt op arrive_ms reply_ms status commit_seq\n1 1 observe {} 60 200 {}\n2 1 observe 32 38 200 2"

    def test_passes_where_what_was_put_aside_came_first(self) -> None:
        """The degraded one was replayed before the next."""
        found = said("D4", NOTHING, ORACLE, calls=self.CALLS, arrivals=self.ARRIVALS.format(25, 1))
        assert found.status == "pass"

    def test_fails_by_one_late_commit(self) -> None:
        """It was replayed after the next."""
        found = said("D4", NOTHING, ORACLE, calls=self.CALLS, arrivals=self.ARRIVALS.format(55, 3))
        assert (found.status, calls_of(found)) == ("fail", [1])

    def test_fails_by_one_late_replay(self) -> None:
        """It came from a thread of the client's; what says the same as its successor has no order to keep."""
        arrivals = (
            self.ARRIVALS.replace("commit_seq", "commit_seq paired_by").replace("{}\n", "{} content\n") + " header"
        )
        found = said("D4", NOTHING, ORACLE, calls=self.CALLS, arrivals=arrivals.format(55, 3))
        assert (found.status, calls_of(found)) == ("fail", [1])
        alike = self.CALLS.replace("outcome", "outcome content").replace("degraded", "degraded 7").replace("ok", "ok 7")
        assert said("D4", NOTHING, ORACLE, calls=alike, arrivals=arrivals.format(55, 3)).status == "pass"

    def test_a_failed_call_may_be_committed_late(self) -> None:
        """Its caller was told that it failed."""
        calls = self.CALLS.replace("degraded", "timeout")
        assert said("D4", NOTHING, ORACLE, calls=calls, arrivals=self.ARRIVALS.format(55, 3)).status != "fail"

    def test_calls_side_by_side_have_no_order(self) -> None:
        """The second began before the first had ended."""
        calls = self.CALLS.replace("10 20 degraded", "10 35 degraded")
        assert said("D4", NOTHING, ORACLE, calls=calls, arrivals=self.ARRIVALS.format(55, 3)).status == "pass"

    def test_a_session_that_goes_on_after_a_failure_has_an_order_to_keep(self) -> None:
        """Of its user, not of another; what came before the failure tells nothing."""
        calls = "call op session start_ms end_ms outcome\n1 observe s 10 20 error\n2 observe {} {} {} ok"
        arrivals = "call op arrive_ms reply_ms status commit_seq\n2 observe 32 38 200 1"
        found = said("D4", NOTHING, ORACLE, calls=calls.format("s", 30, 40), arrivals=arrivals)
        assert found.status == "pass" and "1 of them during or after trouble" in found.reason
        for other in (("t", 30, 40), ("s", 1, 9)):
            found = said("D4", NOTHING, ORACLE, calls=calls.format(*other), arrivals=arrivals)
            assert found.status == "not_exercised"

    def test_is_not_exercised_by_clean_calls(self) -> None:
        """Nothing was re-sent or put aside."""
        calls = self.CALLS.replace("degraded", "ok")
        assert said("D4", NOTHING, ORACLE, calls=calls, arrivals=self.ARRIVALS.format(25, 1)).status == "not_exercised"


class TestD5:
    """Concurrent observes of a session are all kept."""

    CALLS = "call op session start_ms end_ms outcome\n1 observe s 10 50 ok\n2 observe s 20 60 ok"

    def test_passes_where_the_stm_has_them_all(self) -> None:
        """Two sent, two there."""
        assert said("D5", NOTHING, ORACLE | {"stm": {"s": 2}}, calls=self.CALLS).status == "pass"

    def test_fails_by_one_overwritten_event(self) -> None:
        """Two answered 200, one there."""
        found = said("D5", NOTHING, ORACLE | {"stm": {"s": 1}}, calls=self.CALLS)
        assert (found.status, found.measured) == ("fail", "1 lost")

    def test_is_inconclusive_without_a_read_back(self) -> None:
        """Commits alone don't show what was overwritten."""
        assert said("D5", NOTHING, ORACLE, calls=self.CALLS).status == "inconclusive"

    def test_is_not_exercised_by_one_call_after_the_other(self) -> None:
        """The second began when the first had ended."""
        calls = self.CALLS.replace("20 60", "50 60")
        assert said("D5", NOTHING, ORACLE | {"stm": {"s": 1}}, calls=calls).status == "not_exercised"


class TestD6:
    """A user keeps one session."""

    CALLS = "call op user session start_ms end_ms outcome status\n1 observe u s 10 20 ok 0\n2 observe u s 30 40 {} {}"
    ARRIVALS = (
        "call attempt op arrive_ms reply_ms status commit_seq\n1 1 open_session 11 12 200 1\n1 2 observe 13 14 200 2{}"
    )

    def test_passes_where_the_second_call_used_the_first_ones_session(self) -> None:
        """Created once, used twice."""
        found = said("D6", NOTHING, ORACLE, calls=self.CALLS.format("ok", 0), arrivals=self.ARRIVALS.format(""))
        assert found.status == "pass"

    def test_fails_by_one_session_created_again(self) -> None:
        """The second call opened another one."""
        more = "\n2 1 open_session 31 32 200 3\n2 2 observe 33 34 200 4"
        tables = {"calls": self.CALLS.format("ok", 0), "arrivals": self.ARRIVALS.format(more)}
        found = said("D6", NOTHING, ORACLE, **tables)
        assert (found.status, calls_of(found)) == ("fail", [2])
        per_call = promise({"sessions": "per_call"})
        assert said("D6", per_call, ORACLE, **tables).status == "pass"

    def test_fails_by_one_call_on_a_session_that_is_not_there(self) -> None:
        """404, and no fault of ours."""
        found = said("D6", NOTHING, ORACLE, calls=self.CALLS.format("error", 404), arrivals=self.ARRIVALS.format(""))
        assert (found.status, calls_of(found)) == ("fail", [2])

    def test_a_404_while_redis_is_refused_is_katos(self) -> None:
        """The session is there; KATO can't see it."""
        faults = "name kind applied_ms effective_ms cleared_ms\nredis store 25 26 50"
        tables = {"calls": self.CALLS.format("error", 404), "arrivals": self.ARRIVALS.format("")}
        assert said("D6", NOTHING, ORACLE, **tables, faults=faults).status == "pass"

    def test_fails_by_one_session_created_twice_for_one_call(self) -> None:
        """create_session was sent again after a lost reply."""
        more = "\n1 3 open_session 15 16 200 3"
        found = said("D6", NOTHING, ORACLE, calls=self.CALLS.format("ok", 0), arrivals=self.ARRIVALS.format(more))
        assert (found.status, calls_of(found)) == ("fail", [1])

    def test_a_failed_call_is_no_reason_for_another_session(self) -> None:
        """It was created and answered, its observe failed, and the next call opened another; after a 404 it may."""
        calls = self.CALLS.format("ok", 0).replace("10 20 ok", "10 20 error")
        more = "\n2 1 open_session 31 32 200 3\n2 2 observe 33 34 200 4"
        attempts = "call attempt start_ms end_ms status\n1 1 10 12 200\n1 2 12 20 {}\n2 1 31 32 200\n2 2 32 34 200"
        tables = {"calls": calls, "arrivals": self.ARRIVALS.format(more).replace("14 200 2", "14 503 -")}
        found = said("D6", NOTHING, ORACLE, **tables, attempts=attempts.format(503))
        assert (found.status, calls_of(found)) == ("fail", [2])
        assert "opened" not in said("D6", NOTHING, ORACLE, **tables, attempts=attempts.format(404)).reason

    def test_fails_by_one_session_of_two_users(self) -> None:
        """A client of its own sessions gave both the same; with a session each all is well."""
        calls = "call op user start_ms end_ms outcome\n" + "\n".join(
            f"{n} observe {'uv'[n % 2]} {10 * n} {10 * n + 5} ok" for n in (1, 2, 3, 4)
        )
        head = "call attempt op session arrive_ms reply_ms status commit_seq"
        rows = [f"{n} 1 observe {{}} {10 * n + 1} {10 * n + 2} 200 {n}" for n in (1, 2, 3, 4)]
        shared, own = "\n".join([head, *rows]).format(*"ssss"), "\n".join([head, *rows]).format(*"stst")
        assert said("D6", NOTHING, ORACLE, calls=calls, arrivals=own).status == "pass"
        found = said("D6", NOTHING, ORACLE, calls=calls, arrivals=shared)
        assert (found.status, calls_of(found)) == ("fail", [1, 2, 3, 4])
        assert said("D6", promise({"sessions": "shared"}), ORACLE, calls=calls, arrivals=shared).status == "pass"

    def test_is_not_exercised_by_single_calls(self) -> None:
        """Each user made one."""
        calls = "call op user session start_ms end_ms outcome\n1 observe u s 10 20 ok"
        assert said("D6", NOTHING, ORACLE, calls=calls, arrivals=self.ARRIVALS.format("")).status == "not_exercised"


class TestD7:
    """Broken answers are no results."""

    CALLS = "call op start_ms end_ms outcome error marked\n1 predict 10 20 {} {} {}"
    ARRIVALS = "call attempt op arrive_ms reply_ms status fault\n1 1 predict 12 18 200 cut"
    FAULTS = "name kind applied_ms effective_ms cleared_ms\ncut truncate 5 6 50"

    def found(self, *outcome: object) -> str:
        calls = self.CALLS.format(*outcome)
        return said("D7", NOTHING, ORACLE, calls=calls, arrivals=self.ARRIVALS, faults=self.FAULTS).status

    def test_passes_where_it_became_an_error(self) -> None:
        """A decoding error, or a marked fallback."""
        assert self.found("error", "decode", 0) == "pass"
        assert self.found("degraded", "-", 1) == "pass"

    def test_fails_by_one_that_was_taken_for_a_result(self) -> None:
        """Half a document, and the caller was told that all is well."""
        assert self.found("ok", "-", 0) == "fail"
        assert self.found("degraded", "-", 0) == "fail"

    def test_a_whole_answer_to_a_retry_is_a_result(self) -> None:
        """The last answer counts."""
        arrivals = self.ARRIVALS + "\n1 2 predict 22 28 200 -"
        tables = {"calls": self.CALLS.format("ok", "-", 0), "arrivals": arrivals, "faults": self.FAULTS}
        assert said("D7", NOTHING, ORACLE, **tables).status == "not_exercised"

    def test_is_not_exercised_without_a_broken_answer(self) -> None:
        """Nothing was cut."""
        calls = self.CALLS.format("ok", "-", 0)
        assert said("D7", NOTHING, ORACLE, calls=calls, arrivals=self.ARRIVALS).status == "not_exercised"
