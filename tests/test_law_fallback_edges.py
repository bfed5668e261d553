"""Fallback laws at their edges: which calls are substitutes, which are excused, and what the verdict says of them."""

from __future__ import annotations

import pytest
from law_cases import calls_of, promise, said, share, whole
from test_law_fallback import FALLBACK, FAULTS, HEALTHY, NOTHING, ORACLE

HEAD = "call op start_ms end_ms outcome marked shape"


class TestSubstitutes:
    """An answer is a substitute where something had failed, and nothing of KATO's came through."""

    @pytest.mark.parametrize(("marked", "status", "faults", "found"), [
        (0, "503", "", "fail"), (0, "200", FAULTS, "fail"), (1, "200", "", "pass"), (0, "200", "", "not_exercised"),
    ])  # fmt: skip
    def test_trouble_is_a_failed_attempt_a_fault_or_a_mark(
        self, marked: int, status: str, faults: str, found: str
    ) -> None:
        """Without any of them it is an answer in peace."""
        tables = {
            "calls": f"{HEAD}\n1 predict 10 20 ok 0 {HEALTHY}\n2 predict 200 201 degraded {marked} {HEALTHY}",
            "attempts": f"call attempt start_ms end_ms status\n1 1 10 20 200\n2 1 200 201 {status}",
        } | ({"faults": faults} if faults else {})
        assert said("F1", FALLBACK, **tables).status == found

    @pytest.mark.parametrize(("seen", "marked", "found"), [
        ("200.5 201", 0, "not_exercised"), ("- 200", 0, "fail"), ("200.5 503", 0, "fail"), ("200.5 200", 1, "pass"),
    ])  # fmt: skip
    def test_what_kato_answered_behind_the_hooks_is_no_substitute(self, seen: str, marked: int, found: str) -> None:
        """Unless it is marked: a whole 2xx of KATO's, and no attempt that was seen."""
        tables = {
            "calls": f"{HEAD}\n1 predict 10 20 ok 0 {HEALTHY}\n2 predict 200 201 degraded {marked} {HEALTHY}",
            "attempts": "call attempt start_ms end_ms status\n1 1 10 20 200\n0 0 200 201 200",
            "arrivals": f"call op arrive_ms reply_ms status\n1 predict 11 19 200\n2 predict 200.2 {seen}",
        }
        assert said("F1", FALLBACK, **tables, faults=FAULTS).status == found

    def test_a_fallback_of_one_operation_is_one(self) -> None:
        """Declared for predictions alone, and never needed; or not declared, and seen."""
        own = promise({"calls": {"predict": {"fallback": {"marked": True}}}})
        calls = f"{HEAD}\n1 predict 10 20 ok 0 {HEALTHY}"
        for law in ("F1", "F3", "F4"):
            assert said(law, own, ORACLE, calls=calls).status != "not_applicable"
            assert said(law, NOTHING, ORACLE, calls=calls.replace(" ok", " degraded")).status != "not_applicable"
            assert said(law, NOTHING, ORACLE, calls=calls).status == "not_applicable"


class TestF1:
    """A substitute is marked, and of the right shape."""

    def tables(self, *rows: str, attempts: str = "") -> dict[str, str]:
        calls = "\n".join([HEAD, *(f"{n} {row}" for n, row in enumerate(rows, 1))])
        tries = f"call attempt start_ms end_ms status\n1 1 10 20 200{attempts}"
        return {"calls": calls, "attempts": tries, "faults": FAULTS}

    def test_each_operation_is_compared_with_its_own(self) -> None:
        """Two of three are odd; the first of them is shown, and two shapes at most of what is healthy."""
        rows = [
            f"predict {10 * n} {10 * n + 5} ok 0 {shape}" for n, shape in enumerate(("{a:int}", "{b:int}", "{c:int}"))
        ]
        odd = [
            "predict 200 201 degraded 1 -",
            "predict 210 211 degraded 1 {d:int}",
            "predict 220 221 degraded 1 {a:int}",
        ]
        found = whole("F1", FALLBACK, **self.tables(*rows, "observe 40 41 ok 0 {d:int}", *odd))
        assert found == ("fail", [5, 6], "", "{a:int} or {b:int}", 2 / 3)
        assert said("F1", FALLBACK, **self.tables(*rows, *odd)).reason.endswith("predict gave nothing")

    def test_marks_are_promised_by_each_operation(self) -> None:
        """Observes may be unmarked, predictions not: one of two."""
        own = promise(
            {"calls": {"observe": {"fallback": {"marked": False}}, "predict": {"fallback": {"marked": True}}}}
        )
        rows = [f"{op} 10 20 ok 0 dict" for op in ("observe", "predict")]
        rows += [f"{op} 200 201 degraded 0 dict" for op in ("observe", "predict")]
        assert calls_of(said("F1", own, **self.tables(*rows))) == [4]
        assert share("F1", own, **self.tables(*rows)) == 0.5
        assert said("F1", FALLBACK, **self.tables(*rows)).reason.startswith("2 degraded answers can't be told")

    def test_what_is_all_that_its_caller_ever_gets_needs_no_mark(self) -> None:
        """No observe was ever healthy, and nothing was sent for this one; for another something was."""
        row = "observe 200 201 degraded 0 dict"
        assert said("F1", FALLBACK, **self.tables("predict 10 20 ok 0 dict", row)).status == "inconclusive"
        sent = self.tables("predict 10 20 ok 0 dict", row, attempts="\n2 1 200 201 503")
        assert said("F1", FALLBACK, **sent).status == "fail"

    def test_one_operation_without_a_healthy_answer_leaves_it_open(self) -> None:
        """The other one's is fine; a wrong one of the other is wrong all the same."""
        rows = ["predict 10 20 ok 0 {a:int}", "observe 200 201 degraded 1 {b:int}"]
        assert said("F1", FALLBACK, **self.tables(*rows, "predict 200 201 degraded 1 {a:int}")).status == "inconclusive"
        found = whole("F1", FALLBACK, **self.tables(*rows, "predict 200 201 degraded 1 {b:int}"))
        assert found[:2] == ("fail", [3])


class TestF2:
    """Nothing is reported as done that wasn't."""

    def tables(self, *rows: str) -> dict[str, str]:
        """Calls from (op, outcome, status, commit), each with one attempt and one arrival."""
        calls, tries = [HEAD], ["call attempt start_ms end_ms status"]
        seen = ["call attempt op arrive_ms reply_ms status commit_seq"]
        for n, row in enumerate(rows, 1):
            op, outcome, status, commit = row.split()
            calls.append(f"{n} {op} {10 * n} {10 * n + 8} {outcome} 0 dict")
            tries.append(f"{n} 1 {10 * n} {10 * n + 8} {status}")
            seen.append(f"{n} 1 {op} {10 * n + 1} {10 * n + 7} {status} {commit}")
        return {"calls": "\n".join(calls), "attempts": "\n".join(tries), "arrivals": "\n".join(seen)}

    def test_counts_both_kinds_of_write(self) -> None:
        """Two of five reported ones, a learning and an observation."""
        rows = ("observe ok 200 1", "learn ok 200 2", "observe ok 503 -", "learn ok 503 -", "observe ok 200 3")
        found = whole("F2", FALLBACK, ORACLE, **self.tables(*rows, "observe error 503 -"))
        assert found == ("fail", [3, 4], "2 false", "0", 2 / 5)
        assert "2 writes of 5 were" in said("F2", FALLBACK, ORACLE, **self.tables(*rows)).reason

    def test_an_observe_counts_in_a_run_that_committed_nothing(self) -> None:
        """KATO was gone from the start; learning counts only where some was ever seen to be committed."""
        found = whole("F2", FALLBACK, ORACLE, **self.tables("observe ok 503 -", "learn ok 503 -"))
        assert found[:3] == ("fail", [1], "1 false")
        learned = self.tables("learn ok 200 1", "learn ok 503 -", "observe error 503 -")
        assert whole("F2", FALLBACK, ORACLE, **learned)[:3] == ("fail", [2], "1 false")

    def test_says_how_much_it_has_seen(self) -> None:
        """Two reported, both committed, while one met trouble; and what that leaves possible."""
        rows = ("observe ok 200 1", "observe ok 200 2", "observe error 503 -", "predict error 503 -")
        found = whole("F2", FALLBACK, ORACLE, **self.tables(*rows))
        assert found == ("pass", [], "0 false", "at most 78 % with 95 % confidence", None)
        said_so = said("F2", FALLBACK, ORACLE, **self.tables(*rows)).reason
        assert said_so == "all 2 writes reported as done were committed, while 1 met trouble"

    @pytest.mark.parametrize("row", ["observe ok 503 2", "observe error 200 2", "learn error 503 -"])
    def test_trouble_is_a_failed_attempt_or_outcome_of_a_write(self, row: str) -> None:
        """Of a prediction it is none."""
        assert said("F2", FALLBACK, ORACLE, **self.tables("observe ok 200 1", row)).status == "pass"
        untroubled = self.tables("observe ok 200 1", "predict error 503 -")
        assert said("F2", FALLBACK, ORACLE, **untroubled).status == "not_exercised"

    def test_as_many_commits_of_nobodys_may_be_the_missing_ones(self) -> None:
        """Two missing: two that belong to no call explain them, one does not; a session explains nothing."""
        tables = self.tables("observe ok 503 -", "observe ok 503 -")
        for strays, status in ((["observe", "learn"], "inconclusive"), (["observe", "open_session"], "fail")):
            seen = [f"0 1 {op} {50 + n} {52 + n} 200 {n}" for n, op in enumerate(strays, 1)]
            arrivals = "\n".join([tables["arrivals"], *seen])
            assert said("F2", FALLBACK, ORACLE, **{**tables, "arrivals": arrivals}).status == status


class TestF3:
    """4xx and the client's own errors stay errors."""

    def tables(self, *rows: tuple[str, str, str, str]) -> dict[str, str]:
        """Calls from (op, outcome, statuses of attempts, fault at the witness)."""
        calls, tries, seen = [HEAD], ["call attempt start_ms end_ms status"], ["call attempt op arrive_ms status fault"]
        for n, (op, outcome, statuses, fault) in enumerate(rows, 1):
            calls.append(f"{n} {op} {100 * n} {100 * n + 50} {outcome} {int(outcome == 'degraded')} dict")
            for nth, status in enumerate(statuses.split("+"), 1):
                tries.append(f"{n} {nth} {100 * n + 10 * nth} {100 * n + 10 * nth + 5} {status}")
                seen.append(f"{n} {nth} {op} {100 * n + 10 * nth + 1} {status} {fault}")
        return {"calls": "\n".join(calls), "attempts": "\n".join(tries), "arrivals": "\n".join(seen)}

    def test_names_the_masked_and_counts_all_that_came(self) -> None:
        """Two of four: a 422, and an answer of 200 that the client could not use."""
        rows = (
            ("predict", "degraded", "422", "-"), ("predict", "error", "404", "-"),
            ("predict", "degraded", "200", "-"), ("predict", "error", "400", "-"), ("predict", "ok", "200", "-"),
        )  # fmt: skip
        assert whole("F3", FALLBACK, **self.tables(*rows)) == ("fail", [1, 3], "", "", 0.5)
        assert "2 calls turned answers of 4xx into" in said("F3", FALLBACK, **self.tables(*rows)).reason
        own = said("F3", FALLBACK, **self.tables(*rows[2:]))
        assert own.reason == "1 call turned errors of the client itself into a degraded answer"
        fine = said("F3", FALLBACK, **self.tables(rows[1], rows[3]))
        assert (fine.status, fine.reason[:16]) == ("pass", "2 answers of 4xx")

    @pytest.mark.parametrize(("statuses", "status"), [("422+503", "not_exercised"), ("503+422", "fail")])
    def test_the_last_attempt_counts(self, statuses: str, status: str) -> None:
        """What came before was tried again; a call that was never sent has none."""
        assert said("F3", FALLBACK, **self.tables(("predict", "degraded", statuses, "-"))).status == status
        tables = self.tables(("predict", "ok", "200", "-"), ("predict", "degraded", "422", "-"))
        unsent = {**tables, "attempts": "\n".join(tables["attempts"].splitlines()[:2])}
        unsent["arrivals"] = "\n".join(tables["arrivals"].splitlines()[:2])
        assert said("F3", FALLBACK, **unsent).status == "not_exercised"

    @pytest.mark.parametrize("status", [408, 425, 429])
    def test_who_asks_to_come_back_refused_nobody(self, status: int) -> None:
        """None of the 4xx that are transient."""
        assert said("F3", FALLBACK, **self.tables(("predict", "error", str(status), "-"))).status == "not_exercised"

    @pytest.mark.parametrize("kind", [
        "truncate", "malformed", "empty_body", "wrong_content_type", "huge_body", "limit_data", "store", "external",
    ])  # fmt: skip
    def test_a_corrupted_answer_is_no_error_of_the_clients(self, kind: str) -> None:
        """Whether the witness marked it or it only came at that time; a store or a filter excuses a 422, too."""
        degraded = self.tables(("predict", "degraded", "200", "bad"))
        faults = "name kind applied_ms effective_ms cleared_ms\nbad {} {} {} {}"
        around, before = faults.format(kind, 90, 91, 300), faults.format(kind, 90, 91, 95)
        assert said("F3", FALLBACK, **degraded, faults=around).status == "not_exercised"
        marked = "not_exercised" if kind not in ("store", "external") else "fail"
        assert said("F3", FALLBACK, **degraded, faults=before).status == marked
        refused = self.tables(("predict", "degraded", "422", "-"))
        excused = "not_exercised" if kind in ("store", "external") else "fail"
        assert said("F3", FALLBACK, **refused, faults=around).status == excused
        assert said("F3", FALLBACK, **refused, faults=around.replace(kind, "latency")).status == "fail"

    def test_nobody_knows_without_hooks(self) -> None:
        """What was masked."""
        calls = self.tables(("predict", "degraded", "422", "-"))["calls"]
        assert said("F3", FALLBACK, calls=calls).status == "inconclusive"


class TestF4:
    """A write that was put aside comes back."""

    SEEN = "call op arrive_ms reply_ms status commit_seq paired_by"

    def tables(
        self, asides: int, *seen: str, later: str = "observe 1000 1010 ok 0 dict", end_ms: int = 3000
    ) -> dict[str, str]:
        rows = [f"{n} observe {200 + n} {201 + n} degraded 1 dict" for n in range(1, asides + 1)]
        return {
            "calls": "\n".join([HEAD, *rows, f"8 {later}", f"9 predict 2000 {end_ms} error 0 -"]),
            "attempts": "call attempt start_ms end_ms status\n8 1 1000 1010 200\n9 1 2000 2010 503",
            "arrivals": "\n".join([self.SEEN, "8 observe 1001 1009 200 1 header", *seen]),
            "faults": FAULTS,
        }

    def test_says_how_many_never_came(self) -> None:
        """Two of three; a commit that belongs to no call stands for one."""
        one = "1 observe 1100 1101 200 2 content"
        assert whole("F4", FALLBACK, ORACLE, **self.tables(3, one)) == ("fail", [2, 3], "2 lost", "0", 2 / 3)
        stray = "0 observe 1200 1201 200 3 -"
        found = said("F4", FALLBACK, ORACLE, **self.tables(3, one, stray))
        assert (found.status, found.measured, found.reason[:9]) == ("fail", "1 lost", "1 observe")
        other = "0 learn 1300 1301 200 4 -"
        assert said("F4", FALLBACK, ORACLE, **self.tables(3, one, stray, other)).measured == "1 lost"
        assert (
            said("F4", FALLBACK, ORACLE, **self.tables(2, one, stray)).reason
            == "2 observes put aside were all committed"
        )

    @pytest.mark.parametrize(("at", "end", "status"), [(1999, 3000, "fail"), (2001, 3000, "inconclusive")])
    def test_a_replay_in_the_last_second_may_go_on(self, at: int, end: int, status: str) -> None:
        """One that was committed then, in or outside any call; not what nobody committed."""
        replays = (f"0 observe {at} {at + 1} 200 2 -", f"8 observe {at} {at + 1} 200 2 content")
        for row in (*replays, f"0 observe {at} {at + 1} 200 1 -"):
            assert said("F4", FALLBACK, ORACLE, **self.tables(3, row, end_ms=end)).status == status
        for row in (f"0 observe {at} {at + 1} 503 - -", f"9 observe {at} {at + 1} 200 2 header"):
            assert said("F4", FALLBACK, ORACLE, **self.tables(3, row, end_ms=end)).status == "fail"

    def test_others_must_have_been_served_after_it(self) -> None:
        """A call that began before the last of them says nothing of recovery."""
        for later, status in (("observe 205 1010 ok 0 dict", "fail"), ("observe 202 1010 ok 0 dict", "inconclusive")):
            tables = self.tables(2, later=later)
            assert said("F4", FALLBACK, ORACLE, **tables).status == status

    def test_needs_an_oracle_and_an_observe(self) -> None:
        """A prediction that is substituted loses nothing."""
        assert said("F4", FALLBACK, **self.tables(1)).status == "inconclusive"
        tables = self.tables(1)
        predicted = tables["calls"].replace("1 observe", "1 predict")
        assert said("F4", FALLBACK, ORACLE, **{**tables, "calls": predicted}).status == "not_exercised"
