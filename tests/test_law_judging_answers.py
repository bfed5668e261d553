"""What tells an answer apart: given again from a cache, marked by its shape, or none; and who works in peace."""

from __future__ import annotations

from typing import Any

import pytest
from law_cases import promise

from harness.evidence.history import History
from harness.laws.case import Case
from harness.laws.kept import from_a_cache
from harness.laws.marks import admits, fields, gives_nothing, marked
from harness.laws.steady import failing_without_faults, not_working
from harness.model import Finding

FAULT = "name kind applied_ms effective_ms cleared_ms\nout refuse 1000 1000 9000"


def answers(*rows: str, faults: str = "") -> Case:
    """Calls from (session, op, start in ms, outcome, status of its attempt or -), each of 10 ms."""
    calls, tries = ["call session op start_ms end_ms outcome"], ["call attempt start_ms end_ms status"]
    for n, row in enumerate(rows, 1):
        session, op, start, outcome, status = row.split()
        calls.append(f"{n} {session} {op} {start} {int(start) + 10} {outcome}")
        tries += [f"{n} 1 {start} {int(start) + 10} {status}"] if status != "-" else []
    texts = {"calls": "\n".join(calls), "attempts": "\n".join(tries)} | ({"faults": faults} if faults else {})
    return Case(History.literal(**texts), promise())


class TestFromACache:
    """An answer that is given again as in peace."""

    @pytest.mark.parametrize(("rows", "kept"), [
        (["a predict 0 ok 200", "a predict 20 degraded -"], [2]),
        (["a predict 0 error 503", "a predict 20 degraded -"], []),
        (["a predict 0 degraded -", "a predict 20 ok 200"], []),
        (["a predict 0 error 503", "a predict 20 error 503", "a predict 40 degraded -"], []),
        (["a predict 0 ok 200", "b predict 20 ok 200", "b predict 40 degraded -"], [3]),
        (["a predict 0 ok 200", "b predict 20 degraded -"], []),
        (["a predict 0 ok 200", "b predict 20 ok 200", "c predict 40 ok 200", "a observe 60 degraded -"], []),
    ])  # fmt: skip
    def test_is_one_that_kato_gave_before(self, rows: list[str], kept: list[int]) -> None:
        """To the same question of the same session, and well; the last call of a run counts as any."""
        found = from_a_cache(answers(*rows))
        assert [n for n, again in enumerate(found.tolist(), 1) if again] == kept

    @pytest.mark.parametrize(("between", "kept"), [
        ("a predict 900 degraded -", True), ("a learn 900 ok 200", False), ("a observe 900 ok 200", False),
        ("b observe 900 ok 200", True),
    ])  # fmt: skip
    def test_may_be_as_old_as_it_likes_until_its_session_writes(self, between: str, kept: bool) -> None:
        """Where five were given again in peace, and nothing was asked anew."""
        peace = ["a predict 0 ok 200", *(f"a predict {20 * n} degraded -" for n in range(1, 6))]
        found = from_a_cache(answers(*peace, between, "a predict 5000 degraded -", faults=FAULT))
        assert bool(found[-1]) is kept


def shaped(*rows: str, faults: str = "", status: int = 200) -> Case:
    """Calls from (op, outcome, shape), one after the other, with an attempt each that ended so."""
    calls = [
        f"{n} {op} {20 * n} {20 * n + 10} {rest}" for n, (op, rest) in enumerate((r.split(" ", 1) for r in rows), 1)
    ]
    tries = [f"{n} 1 {20 * n} {20 * n + 10} {status}" for n in range(1, len(rows) + 1)]
    texts: dict[str, Any] = {"calls": "\n".join(["call op start_ms end_ms outcome shape", *calls])}
    texts["attempts"] = "\n".join(["call attempt start_ms end_ms status", *tries])
    return Case(History.literal(**texts | ({"faults": faults} if faults else {})), promise())


UNDER = FAULT.replace("1000", "1")


class TestShapes:
    """What an answer looks like."""

    def test_a_shape_marks_the_substitutes_of_its_own_operation(self) -> None:
        """Observes are stale in health, too."""
        rows = ["predict ok {stale:false}", "predict degraded {stale:true}", "observe ok {stale:true}"]
        assert marked(shaped(*rows, "observe degraded {stale:true}")).tolist() == [False, True, False, False]

    @pytest.mark.parametrize("shape", ["null", "-"])
    def test_none_says_nothing_where_others_say_something(self, shape: str) -> None:
        """Of its own operation; where one that KATO served, or one in peace, gave none, that is its way."""
        rows = ["observe ok dict", f"observe degraded {shape}", "predict ok null", f"predict degraded {shape}"]
        assert gives_nothing(shaped(*rows, faults=UNDER)).tolist() == [False, True, False, False]
        assert gives_nothing(shaped(*rows[:2], status=503)).tolist() == [False, True]
        assert gives_nothing(shaped(*rows[:2])).tolist() == [False, False]

    def test_a_word_is_read_whole(self) -> None:
        """Whatever stands in it."""
        assert fields("{source:str={x}") == {"source": "str={x"}
        assert not admits("{status:str=was=failed}", frozenset({"{status:str=ok}"}))


class TestSteadyState:
    """Whether a client works before anything is broken."""

    def calls(self, *rows: tuple[int, str, str, str]) -> Case:
        """So many calls in baseline of an operation with this outcome and detail."""
        each = [row for row in rows for _ in range(row[0])]
        lines = [f"{n} {op} {n} {n} {n} {n} {end} baseline {said}" for n, (_, op, end, said) in enumerate(each, 1)]
        head = "call op intended_ms ready_ms start_ms end_ms outcome phase detail"
        return Case(History.literal(calls="\n".join([head, *lines])), promise())

    def test_says_what_those_without_a_result_ended_with(self) -> None:
        """Ten of twelve, most of them alike; what others say counts for nothing."""
        found = self.calls(
            (6, "predict", "error", "ReadTimeout"), (4, "predict", "error", "Refused"), (2, "predict", "ok", "fine"),
            (20, "observe", "ok", "fine"), (3, "learn", "error", "Refused"),
        )  # fmt: skip
        reason = "10 of 12 calls in baseline gave no result, most often ReadTimeout"
        assert failing_without_faults(found)[-1] == ("predict", reason)
        cure = "make it work on a healthy KATO first; whatever the laws say of it is about a client that doesn't"
        assert not_working(found)[-1] == Finding("steady state", "predict", reason, cure, "warn")

    @pytest.mark.parametrize(("op", "told"), [("observe", True), ("open_session", False)])
    def test_a_client_whose_sessions_nobody_opens_is_told_so(self, op: str, told: bool) -> None:
        """It is called by another name than the harness knows, or the client was to own them."""
        head = "call op intended_ms ready_ms start_ms end_ms outcome phase"
        lines = [f"{n} observe {n} {n} {n} {n} error baseline" for n in range(1, 13)]
        arrived = f"call op arrive_ms reply_ms status\n1 {op} 1 1 404"
        found = Case(History.literal(calls="\n".join([head, *lines]), arrivals=arrived), promise())
        (finding,) = not_working(found)
        assert ("open_session(node_id)" in finding.cure) == told

    def test_a_substitute_is_a_result(self) -> None:
        """A write-behind client gives nothing else."""
        assert failing_without_faults(self.calls((12, "observe", "degraded", "-"))) == ()
