"""Data laws in numbers: what each verdict names, in which order, and of how many."""

from __future__ import annotations

from typing import Any

import pytest
from law_cases import calls_of, losing, whole
from test_law_data_edges import NOTHING, ORACLE, STORE, said

from harness.laws.data import at_most

SEEN = "call attempt op arrive_ms reply_ms status commit_seq"


class TestNumbers:
    """What each verdict names, in which order, and of how many."""

    CALLS = "\n".join(
        [
            "call op user session start_ms end_ms outcome",
            *(f"{n} observe u s {10 * n} {10 * n + 5} ok" for n in (1, 2, 3)),
        ]
    )

    def rows(self, *rows: str) -> dict[str, str]:
        return {"calls": self.CALLS, "arrivals": "\n".join([SEEN, *rows])}

    def test_d1_counts_answers_and_names_their_calls_once(self) -> None:
        """Two of four answers of 2xx were for nothing; an answer of 503 and one that never left count for none."""
        rows = (
            "1 1 observe 11 12 200 -", "1 2 observe 13 14 200 -", "2 1 observe 21 22 201 1", "2 2 learn 23 24 200 -",
            "2 3 observe 25 26 503 -", "3 1 observe 31 - 200 -", "3 2 observe 33 34 200 2",
        )  # fmt: skip
        assert whole("D1", NOTHING, ORACLE, **self.rows(*rows)) == ("fail", [1], "1 lost", "0", 0.25)
        clean = self.rows("1 1 observe 11 12 200 1", "2 1 observe 21 22 200 2")
        found = whole("D1", NOTHING, ORACLE, **clean, faults=STORE.format("store"))
        assert found == ("pass", [], "0 lost", "at most 78 % with 95 % confidence", None)
        silent = said("D1", NOTHING, ORACLE, **self.rows("1 1 observe 11 - 200 -"), faults=STORE.format("store"))
        assert (silent.status, silent.reason) == ("not_exercised", "KATO answered no observe")

    @pytest.mark.parametrize("kind", ["store", "kill", "pause"])
    def test_d1_takes_a_fault_of_katos_own(self, kind: str) -> None:
        """Any other leaves what was answered alone."""
        clean = self.rows("1 1 observe 11 12 200 1")
        assert said("D1", NOTHING, ORACLE, **clean, faults=STORE.format(kind)).status == "pass"
        assert said("D1", NOTHING, ORACLE, **clean, faults=STORE.format("latency")).status == "not_exercised"

    def test_d2_names_the_worst_first(self) -> None:
        """Twice, thrice, once."""
        rows = [
            f"{call} {nth} observe {10 * call + nth} {10 * call + nth} 200 {10 * call + nth}"
            for call, times in ((1, 2), (2, 3), (3, 1))
            for nth in range(1, times + 1)
        ]
        assert whole("D2", NOTHING, ORACLE, **self.rows(*rows)) == ("fail", [2, 1], "2 doubled", "0", 2 / 3)
        found = said("D2", NOTHING, ORACLE, **self.rows(*rows))
        assert found.reason == "2 calls of 3 were committed more than once, one even 3 times"
        assert [witness["commits"] for witness in found.witnesses] == [3, 2]

    def test_d2_says_what_clean_calls_leave_possible(self) -> None:
        """Three that were in doubt or sent again, all committed once; a double of nobody's may hide."""
        rows = [f"{n} 1 observe {10 * n} - 0 {n}" for n in (1, 2, 3)]
        found = whole("D2", NOTHING, ORACLE, **losing(self.rows(*rows)))
        assert found == ("pass", [], "0 doubled", at_most(3), None)
        for op, status in (("learn", "inconclusive"), ("open_session", "inconclusive"), ("predict", "pass")):
            assert said("D2", NOTHING, ORACLE, **self.rows(*rows, f"0 1 {op} 50 51 200 9")).status == status

    @pytest.mark.parametrize("op", ["observe", "learn", "open_session"])
    def test_every_write_may_be_doubled_or_in_doubt(self, op: str) -> None:
        """D2 and D3 of each, by replays too; the others have none."""
        calls = f"call op start_ms end_ms outcome\n1 {op} 10 15 timeout\n2 predict 20 25 timeout"
        twice = f"{SEEN} paired_by\n1 1 {op} 11 - 0 1 header\n1 2 {op} 13 - 0 2 {{}}\n2 1 predict 21 - 0 - header"
        for paired in ("header", "content"):
            tables = {"calls": calls, "arrivals": twice.format(paired)}
            assert whole("D2", NOTHING, ORACLE, **tables)[:3] == ("fail", [1], "1 doubled")
            assert whole("D3", NOTHING, ORACLE, **tables) == ("fail", [1], "", "", 1.0)

    def test_d3_says_how_much_of_what_was_in_doubt_had_been_done(self) -> None:
        """One of three: two time-outs, and an answer of 500; what its caller took for done is in no doubt."""
        calls = "\n".join([
            "call op start_ms end_ms outcome", *(f"{n} observe 10 15 timeout" for n in (1, 2, 3)), "4 observe 10 15 ok",
        ])  # fmt: skip
        rows = "\n".join(
            [SEEN, "1 1 observe 11 - 0 1", "2 1 observe 11 - 0 -", "3 1 observe 11 12 500 -", "4 1 observe 11 - 0 2"]
        )
        found = said("D3", NOTHING, ORACLE, calls=calls, arrivals=rows)
        assert (found.status, found.measured) == ("pass", "33.3% committed")
        assert found.reason == "of 3 writes in doubt KATO had committed 1, and 2 never"
        stray = said("D3", NOTHING, ORACLE, calls=calls, arrivals=f"{rows}\n0 1 learn 20 21 200 7")
        assert (stray.status, "3 calls in doubt" in stray.reason) == ("inconclusive", True)

    @pytest.mark.parametrize(("kind", "status"), [
        ("commit_then_drop", "pass"), ("commit_then_status", "pass"), ("timeout", "pass"), ("limit_data", "pass"),
        ("truncate", "pass"), ("reset_peer", "pass"), ("drop_before_commit", "pass"), ("kill", "not_exercised"),
        ("latency", "not_exercised"),
    ])  # fmt: skip
    def test_one_write_in_doubt_counts_where_replies_are_lost_on_purpose(self, kind: str, status: str) -> None:
        """By another fault it was chance that one was under way; D2, D3 and D4 say how few there were."""
        tables = self.rows("1 1 observe 11 12 500 1", "2 1 observe 21 22 200 2")
        tables["calls"] = tables["calls"].replace("10 15 ok", "10 15 degraded")
        for law in ("D2", "D3", "D4"):
            found = said(law, NOTHING, ORACLE, **tables, faults=STORE.format(kind))
            assert found.status == status
            assert status == "pass" or found.reason.startswith("only 1 write came to be in doubt") or law == "D4"
        clean = self.rows("1 1 observe 11 12 200 1")
        for law, words in (("D2", "in"), ("D3", "in"), ("D4", "in trouble or after it")):
            assert said(law, NOTHING, ORACLE, **clean, faults=STORE.format(kind)).reason.startswith(
                f"no write was {words}"
            )

    @pytest.mark.parametrize("kind", ["status", "sequence"])
    def test_answers_of_5xx_leave_doubt_on_purpose(self, kind: str) -> None:
        """A breaker lets five through, of which one was a write or three."""
        tables = self.rows("1 1 observe 11 12 503 -", "2 1 observe 21 22 200 2", "3 1 observe 31 32 200 3")
        tables["calls"] = tables["calls"].replace("10 15 ok", "10 15 error")
        found = [said(law, NOTHING, ORACLE, **tables, faults=STORE.format(kind)).status for law in ("D2", "D3", "D4")]
        assert found == ["not_exercised", "pass", "pass"]

    @pytest.mark.parametrize("kind", ["timeout", "reset_peer"])
    def test_requests_that_are_lost_leave_doubt_on_purpose_and_doubles_by_chance(self, kind: str) -> None:
        """Upstream none arrives: what was committed had been under way when the fault came."""
        tables = self.rows("1 1 observe 11 12 500 1", "2 1 observe 21 22 200 2")
        tables["calls"] = tables["calls"].replace("10 15 ok", "10 15 degraded")
        faults = f'name kind applied_ms effective_ms cleared_ms params\nlost {kind} 15 16 25 {{"direction":"upstream"}}'
        found = [said(law, NOTHING, ORACLE, **tables, faults=faults).status for law in ("D2", "D3", "D4")]
        assert found == ["not_exercised", "pass", "pass"]
        both = faults.replace("upstream", "both")
        assert said("D2", NOTHING, ORACLE, **tables, faults=both).status == "pass", "replies are lost, too"

    @pytest.mark.parametrize(("troubled", "status"), [(4, "not_exercised"), (5, "pass")])
    def test_d4_needs_several_writes_in_trouble_not_several_after_one(self, troubled: int, status: str) -> None:
        """Whether slow answers catch three observes or one is chance, however many follow in their sessions."""
        calls = [f"{n} observe s {10 * n} {10 * n + 5} {'error' if n <= troubled else 'ok'}" for n in range(1, 20)]
        seen = [f"{n} 1 observe {10 * n} {10 * n + 1} 200 {n}" for n in range(1, 20)]
        calls_of_one = "\n".join(["call op session start_ms end_ms outcome", *calls])
        arrivals = "\n".join([SEEN, *seen])
        found = said("D4", NOTHING, ORACLE, calls=calls_of_one, arrivals=arrivals, faults=STORE.format("latency"))
        assert found.status == status

    def test_d4_names_what_was_overtaken(self) -> None:
        """The first and the second of three came last; in one session, whichever way the table is sorted."""
        rows = ("1 1 observe 11 12 200 7", "2 1 observe 21 22 200 6", "3 1 observe 31 32 200 5")
        found = said("D4", NOTHING, ORACLE, **self.rows(*rows))
        assert (found.status, calls_of(found)) == ("fail", [1, 2])
        doubt = self.rows("1 1 observe 11 12 503 1", "2 1 observe 21 22 200 2", "3 1 observe 31 32 200 3")
        fine = said("D4", NOTHING, ORACLE, **doubt)
        assert (fine.status, fine.reason[:10]) == ("pass", "3 observes")

    def test_d4_looks_at_the_first_commit_of_each_call(self) -> None:
        """The second of a doubled one came last of all; calls that touch have an order."""
        rows = ("1 1 observe 11 12 200 1", "1 2 observe 13 14 200 9", "2 1 observe 21 22 200 2")
        assert said("D4", NOTHING, ORACLE, **self.rows(*rows)).status == "pass"
        touching = self.rows("1 1 observe 11 12 200 2", "2 1 observe 21 22 200 1")
        touching["calls"] = touching["calls"].replace(" 10 15 ", " 10 20 ")
        assert calls_of(said("D4", NOTHING, ORACLE, **touching)) == [1]

    def test_d4_looks_at_observes_that_were_committed(self) -> None:
        """A session of the call's own was opened before, a first try was for nothing; what never came is no order."""
        for first in ("1 1 open_session 11 12 200 1", "1 1 observe 11 12 503 -"):
            late = self.rows(first, "1 2 observe 13 14 200 9", "2 1 observe 21 22 200 5")
            assert calls_of(said("D4", NOTHING, ORACLE, **late)) == [1]
        never = self.rows("1 1 observe 11 12 503 -", "2 1 observe 21 22 200 2", "3 1 observe 31 32 503 3")
        assert said("D4", NOTHING, ORACLE, **never).reason.startswith("2 observes were committed in the order")

    def test_d4_tells_what_differs_apart(self) -> None:
        """Those that say the same may change places, but not with one that says something else."""
        calls = self.CALLS.replace("outcome", "outcome content").replace(" ok", " ok 7")
        for content, status in ((7, "pass"), (8, "fail")):
            mixed = calls.replace("1 observe u s 10 15 ok 7", f"1 observe u s 10 15 ok {content}")
            rows = "\n".join([SEEN, "1 1 observe 11 12 503 3", "2 1 observe 21 22 200 2", "3 1 observe 31 32 200 1"])
            assert said("D4", NOTHING, ORACLE, calls=mixed, arrivals=rows).status == status

    def test_d5_counts_what_was_overwritten(self) -> None:
        """Two of three sessions lost three observes; a prediction crowds none, nor does what has no session."""
        calls = ["call op session start_ms end_ms outcome"]
        for nth, session in enumerate("uusstttx"):
            calls.append(f"{nth + 1} observe {session} {10 + nth} 50 ok")
        calls += ["9 observe s 60 70 error", "10 predict x 10 50 ok", "11 observe - 10 50 ok", "12 observe - 10 50 ok"]
        texts = {"calls": "\n".join(calls)}
        found = said("D5", NOTHING, {"stm": {"s": 1, "t": 1, "u": 2}}, **texts)
        assert (found.status, calls_of(found), found.measured) == ("fail", [3, 4, 5, 6, 7], "3 lost")
        assert found.reason.startswith("3 observes of 2 sessions were")
        kept = said("D5", NOTHING, {"stm": {"s": 2, "t": 4, "u": 2}}, **texts)
        alone = "\n".join([calls[0], *calls[-2:]])
        assert said("D5", NOTHING, {"stm": {"s": 1}}, calls=alone).status == "not_exercised"
        assert kept.reason == "all 7 observes of 3 sessions with concurrent ones were kept"

    def test_d6_says_what_happened_to_sessions(self) -> None:
        """Ended in 404, created again, shared; two users kept theirs."""
        calls = "\n".join(
            [
                "call op user session start_ms end_ms outcome",
                *(f"{n} observe {user} s {10 * n} {10 * n + 5} ok" for n, user in enumerate("uuvvw", 1)),
            ]
        )
        found = said("D6", NOTHING, ORACLE, calls=calls)
        assert (found.status, found.reason) == ("pass", "2 users kept one session")
        apart = calls.replace(" s ", " s{} ").format(*range(5))
        each = said("D6", NOTHING, ORACLE, calls=apart)
        assert (each.status, each.reason) == ("pass", "none of 5 sessions was lost or opened twice, of 2 users")
        lost = calls.replace("2 observe u s 20 25 ok", "2 learn u s 20 25 error").replace("outcome", "outcome status")
        lost = "\n".join(
            f"{row} {404 if row[0] in '25' else 0}" if at else row for at, row in enumerate(lost.splitlines())
        )
        gone = said("D6", NOTHING, ORACLE, calls=lost)
        assert (calls_of(gone), gone.reason[:22]) == ([2, 5], "2 calls ended in 404: ")

    def test_d7_counts_broken_answers(self) -> None:
        """One of two was taken for a result, whatever was broken about it."""
        for kind in ("truncate", "malformed", "empty_body", "wrong_content_type"):
            calls = "call op start_ms end_ms outcome\n1 predict 10 20 error\n2 predict 10 20 ok\n3 predict 10 20 ok"
            rows = (
                f"{SEEN} fault\n1 1 predict 12 18 200 - redis\n2 1 predict 12 18 200 - redis\n3 1 predict 12 18 200 - -"
            )
            tables = {"calls": calls, "arrivals": rows, "faults": STORE.format(kind)}
            assert whole("D7", NOTHING, ORACLE, **tables) == ("fail", [2], "", "", 0.5)
            error = {**tables, "calls": calls.replace("2 predict 10 20 ok", "2 predict 10 20 error")}
            assert said("D7", NOTHING, ORACLE, **error).reason == "none of 2 broken answers became a result"
        other = {**tables, "faults": STORE.format("delay")}
        assert said("D7", NOTHING, ORACLE, **other).status == "not_exercised"


class TestGone:
    """A call on a session that is not there (D6)."""

    @pytest.mark.parametrize(("op", "status", "fault", "verdict"), [
        ("observe", 404, "-", "fail"), ("predict", 404, "-", "fail"), ("learn", 404, "-", "fail"),
        ("open_session", 404, "-", "pass"), ("observe", 405, "-", "pass"), ("observe", 404, "answered", "pass"),
    ])  # fmt: skip
    def test_is_one_that_kato_itself_answered_404(self, op: str, status: int, fault: str, verdict: str) -> None:
        """To whatever needs a session, and not because a fault at the witness did so."""
        calls = f"call op user session start_ms end_ms outcome\n1 observe u s 10 20 ok\n2 {op} u s 30 40 error"
        tries = f"call attempt start_ms end_ms status\n1 1 10 20 200\n2 1 30 40 {status}"
        seen = f"{SEEN} fault\n1 1 observe 12 18 200 1 -\n2 1 {op} 32 38 {status} - {fault}"
        assert said("D6", NOTHING, ORACLE, calls=calls, attempts=tries, arrivals=seen).status == verdict
        untried = calls.replace("outcome", "outcome status").replace(" ok", " ok 0").replace("error", f"error {status}")
        assert said("D6", NOTHING, ORACLE, calls=untried, arrivals=seen).status == verdict


class TestShared:
    """Several users in one session (D6)."""

    def said(self, *rows: str) -> Any:
        """Calls from (user, op, session at the witness)."""
        calls = ["call op user start_ms end_ms outcome"]
        seen = ["call attempt op session arrive_ms reply_ms status commit_seq"]
        for n, row in enumerate(rows, 1):
            user, op, session = row.split()
            calls.append(f"{n} {op} {user} {10 * n} {10 * n + 5} ok")
            seen.append(f"{n} 1 {op} {session} {10 * n + 1} {10 * n + 2} 200 -")
        return said("D6", NOTHING, ORACLE, calls="\n".join(calls), arrivals="\n".join(seen))

    def test_is_one_that_two_users_have_each_used_more_than_once(self) -> None:
        """By observes or predictions; once may be a mistake in pairing; what has no session is nobody's."""
        found = self.said("u observe s", "v predict s", "u predict s", "v observe s", "w observe t", "w observe t")
        assert (found.status, calls_of(found), found.reason[:31]) == (
            "fail",
            [1, 2, 3, 4],
            "4 calls went to a session that ",
        )
        assert self.said("u observe s", "v predict s", "u predict s").status == "pass"
        assert self.said("u observe -", "v observe -", "u observe -", "v observe -").status == "pass"
        assert self.said("u learn s", "v learn s", "u learn s", "v learn s").status == "pass"


class TestWhoseSession:
    """Which sessions were opened without need (D6)."""

    def said(self, first: str, second: str = "2 observe u 30 40 ok", user: str = "u", between: str = "") -> Any:
        """Two calls that open a session each, with what the first one's attempts were."""
        calls = f"call op user start_ms end_ms outcome\n1 observe u 10 20 {first}\n{second}"
        rows = f"{SEEN}\n1 1 open_session 11 12 200 1\n1 2 observe 13 14 200 2\n2 1 open_session 31 32 200 3"
        rows += "\n2 2 observe 33 34 200 4"
        return said("D6", NOTHING, ORACLE, calls=calls, arrivals=rows + between)

    def test_one_that_may_be_in_use_is_no_reason_for_another(self) -> None:
        """Calls side by side may each open one; what was never answered leaves its client without."""
        assert calls_of(self.said("ok")) == [2]
        assert self.said("ok", "2 observe u 19 40 ok").status != "fail"
        assert calls_of(self.said("ok", "2 observe u 20 40 ok")) == [2]
        assert self.said("error").status != "fail"

    def test_who_found_it_gone_may_open_another(self) -> None:
        """A request to list sessions says so, or a 404 of the call's own; opening itself is what it is for."""
        assert self.said("ok", between="\n2 3 other 35 36 200 -").status != "fail"
        assert self.said("ok", "2 open_session u 30 40 ok").status != "fail"
