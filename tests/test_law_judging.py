"""What laws share in judging: accepted failures, the words and places of a verdict, and a run as columns."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pytest
from law_cases import promise

from harness.evidence.history import History
from harness.laws import LAWS
from harness.laws.case import Case, ids_in, names_in, order_of, rows_from
from harness.laws.known import Acceptance, acceptance, unused
from harness.laws.registry import FAMILIES, Ruling, broken, by_chance, exercise, listed, plural, rule_on
from harness.model import Span

TODAY = datetime.date(2026, 12, 1)
RULING = Ruling("fail", "doubled", places={"fault": frozenset({"lost"}), "op": frozenset({"observe"})}, share=0.02)


def answer(*entries: dict[str, Any], ruling: Ruling = RULING, law: str = "D2") -> Acceptance:
    """What the list says of a failure of D2 by the integration `mine`."""
    known = [{"law": "D2", "until": "2027-01-01", "reason": "known", **entry} for entry in entries]
    return acceptance(LAWS[law], ruling, known, "mine", TODAY)


class TestAcceptance:
    """A failure that the team has accepted for a time."""

    @pytest.mark.parametrize(("entry", "refused"), [
        ({}, ""), ({"where": {"fault": "lost", "op": "observe", "integration": "mine"}}, ""), ({"at_most": 0.02}, ""),
        ({"until": TODAY}, ""), ({"until": datetime.date(2026, 11, 30)}, "it ended on 2026-11-30"),
        ({"until": None}, "it ended on 0001-01-01"),
        ({"where": {"op": "predict"}}, "it is for op predict, and the failure isn't confined to that"),
        ({"where": {"node": "a"}}, "it is for node a, and the failure isn't confined to that"),
        ({"at_most": 0.0199}, "it allows 1.990%, and 2.000% failed"),
        ({"at_most": 0}, "it allows 0.000%, and 2.000% failed"),
    ])  # fmt: skip
    def test_is_held_to_its_place_its_share_and_its_day(self, entry: dict[str, Any], refused: str) -> None:
        """And says why it does not cover."""
        found = answer(entry)
        assert found.refused == (f"an acceptance of D2 doesn't cover this: {refused}" if refused else "")
        assert (found.text is None, found.entry) == ((True, -1) if refused else (False, 0))

    def test_a_law_that_counts_nothing_has_no_share(self) -> None:
        """It could be held to none."""
        uncounted = Ruling("fail", "doubled")
        assert "this law counts nothing" in answer({"at_most": 0.5}, ruling=uncounted).refused
        assert answer({}, ruling=uncounted).text == "until 2027-01-01: known"

    def test_the_first_entry_that_covers_it_counts(self) -> None:
        """Others are for other laws, or too narrow; of several refusals the first is said."""
        found = answer({"law": "D1"}, {"at_most": 0.01}, {"issue": "A-1"}, {"issue": "A-2"})
        assert (found.text, found.entry, found.refused) == ("until 2027-01-01: known (A-1)", 2, "")
        bare = acceptance(LAWS["D2"], RULING, [{"law": "D2", "until": TODAY}], "mine", TODAY)
        assert bare.text == "until 2026-12-01: "
        refused = answer({"at_most": 0.01}, {"where": {"op": "predict"}}).refused
        assert refused.endswith("it allows 1.000%, and 2.000% failed")
        assert answer({"law": "X1"}, law="X1") == Acceptance()

    def test_an_entry_whose_law_no_longer_fails_is_a_notice(self) -> None:
        """Unless it was used, or refused."""
        known = [{"law": law} for law in ("D1", "D2", "D3")]
        words = "D1 is accepted as known, but it no longer fails: take the entry out"
        assert unused(known, {1}, {"D3"}) == (words,)


CALLS = """
call op session start_ms end_ms outcome error worker phase
1 observe s 10 20 ok - 0 baseline
2 observe s 30 40 error reset 1 fault:x
3 predict t 35 55 timeout - 0 fault:x
4 predict t 60 70 ok - 2 -
"""
FAULTS = "name kind requested_ms applied_ms effective_ms felt_ms cleared_ms params\n"
FAULTS += "x refuse 28 30 32 33 50 -\ny store - 34 - - - {}\nnever refuse - - - - - -"


def case(**more: Any) -> Case:
    """Four calls under two faults, of which the second was never ended."""
    return Case(History.literal((Span("all", 0, 90_000_000),), calls=CALLS, faults=FAULTS, **more), promise())


class TestRulings:
    """What a broken law says of its calls."""

    def test_places_hold_for_all_rows_alike(self) -> None:
        """Two calls of one operation and phase under both faults; with a third nothing is shared but the phase."""
        found = broken(case(), np.array([1]), "why", of=4)
        assert found.places == {"fault": {"x", "y"}, "phase": {"fault:x"}, "op": {"observe"}}
        assert (found.phase, found.share, found.status) == ("fault:x", 0.25, "fail")
        both = broken(case(), np.array([1, 2]), "why", status="warn")
        assert both.places == {"fault": {"x", "y"}, "phase": {"fault:x"}, "op": frozenset()}
        assert (both.share, both.status) == (None, "warn")
        assert broken(case(), np.array([0, 1, 3]), "why").places == {
            "fault": frozenset(),
            "phase": frozenset(),
            "op": frozenset(),
        }
        assert broken(case(), np.array([0, 3]), "why").phase == "baseline"
        assert broken(case(), np.array([], np.int64), "why").places == {}

    def test_a_witness_is_a_call_with_what_the_law_adds(self) -> None:
        """Five at most, in the order in which they are given."""
        found = broken(case(), np.array([2, 1, 0, 3, 2, 1]), "why", notes=lambda row: {"row": row})
        assert [witness["call"] for witness in found.witnesses] == [3, 2, 1, 4, 3]
        assert found.witnesses[1] == {
            "call": 2, "op": "observe", "session": "s", "start_ns": 30_000_000, "end_ns": 40_000_000,
            "outcome": "error", "error": "reset", "worker": 1, "row": 1,
        }  # fmt: skip

    def test_words_are_counted_and_listed(self) -> None:
        """One, several, thousands."""
        assert [plural(n, "call") for n in (0, 1, 2, 1000)] == ["0 calls", "1 call", "2 calls", "1,000 calls"]
        assert [plural(n, "re-try") for n in (1, 2)] == ["1 re-try", "2 re-tries"]
        assert (listed({"b", "a"}), listed([])) == ("a, b", "")

    @pytest.mark.parametrize(("count", "makers", "faults", "chance"), [
        (0, (), True, True), (0, ("refuse",), True, True), (1, (), True, True), (4, (), True, True),
        (5, (), True, False), (4, ("refuse", "drip"), True, False), (4, ("drip",), True, True),
        (1, (), False, False), (0, (), False, True),
    ])  # fmt: skip
    def test_four_occasions_came_by_chance_unless_a_fault_makes_them(
        self, count: int, makers: tuple[str, ...], faults: bool, chance: bool
    ) -> None:
        """None is none whatever the faults; in a run without any nothing else can have made them."""
        found = case() if faults else Case(History.literal(calls=CALLS), promise())
        assert by_chance(found, count, makers) is chance

    def test_a_law_says_what_would_exercise_it(self) -> None:
        """In its own words, wherever it takes a fault."""
        assert exercise("B5") == LAWS["B5"].wants
        assert all(law.wants for law in LAWS.values() if law.needs)

    def test_laws_stand_in_the_order_of_the_catalogue(self) -> None:
        """By family, then by number."""
        assert list(LAWS) == sorted(LAWS, key=lambda id: (FAMILIES.index(id[0]), int(id[1:])))

    def test_a_law_that_crashes_says_so(self) -> None:
        """And never passes."""
        found = rule_on(LAWS["D1"], None)  # type: ignore[arg-type]
        assert (found.status, found.cure) == ("invalid", "report this as a bug")
        assert found.reason.startswith("the law itself failed: AttributeError: ")

    def test_a_promise_for_one_operation_is_one(self) -> None:
        """A law about breakers speaks of a client that has one around predictions."""
        one = promise({"calls": {"predict": {"breaker": {"fail_max": 5}}}})
        assert LAWS["B1"].promised(one) and not LAWS["B1"].promised(promise({"timeout": {"total": 1.0}}))
        assert LAWS["R12"].promised(promise({"retry": {"max_attempts": 2}}))
        assert LAWS["K1"].promised(promise())


class TestCase:
    """A run as columns."""

    def test_faults_act_from_when_they_were_asked_for_to_their_end_or_the_runs(self) -> None:
        """In order of time; what was never applied is none."""
        first, second = case().windows
        ms = 1_000_000
        assert (first.name, first.start_ns, first.end_ns, first.felt_ns, first.sure_ns) == (
            "x",
            28 * ms,
            50 * ms,
            33 * ms,
            32 * ms,
        )
        assert (second.name, second.start_ns, second.end_ns, second.felt_ns, second.sure_ns) == (
            "y",
            34 * ms,
            90 * ms,
            0,
            34 * ms,
        )
        assert case().kinds == {"refuse", "store"}
        assert (case().end_ns, case().workers) == (90 * ms, (0, 1, 2))
        assert Case(History.literal(calls=CALLS), promise()).end_ns == 70 * ms

    @pytest.mark.parametrize(("kinds", "under"), [
        ((), [False, True, True, True]), (("refuse",), [False, True, True, False]),
        (("store",), [False, True, True, True]),
        (("status",), [False] * 4), (("refuse", "store"), [False, True, True, True]),
    ])  # fmt: skip
    def test_calls_overlap_faults(self, kinds: tuple[str, ...], under: list[bool]) -> None:
        """Of these kinds, or of any."""
        assert case().during(*kinds).tolist() == under

    def test_attempts_are_trusted_where_nearly_all_that_arrived_had_one(self) -> None:
        """One call in a hundred may have come without; a service's own attempts are not seen."""
        for unseen, hooked in ((1, True), (2, False)):
            calls = "\n".join(["call op start_ms end_ms outcome", *(f"{n} observe {n} {n} ok" for n in range(1, 101))])
            tries = "\n".join(
                ["call attempt start_ms end_ms status", *(f"{n} 1 {n} {n} 200" for n in range(1 + unseen, 101))]
            )
            seen = "\n".join(["call attempt op arrive_ms", *(f"{n} 1 observe {n}" for n in range(1, 101))])
            history = History.literal(calls=calls, attempts=tries, arrivals=seen)
            assert Case(history, promise()).hooked is hooked
        subject = History.literal((), {"subject": {}}, calls=CALLS, attempts="call attempt\n1 1")
        assert not Case(subject, promise()).hooked

    def test_each_call_has_its_rows_by_time(self) -> None:
        """However the table is sorted; those of no call are left out."""
        tries = "call attempt start_ms end_ms status\n2 2 36 40 200\n1 1 10 20 200\n77 1 1 2 200\n2 1 30 34 503"
        found = case(attempts=tries).attempts
        assert (found.row.tolist(), found.table["status"].tolist()) == ([0, 1, 1], [200, 503, 200])
        assert (found.count.tolist(), found.first.tolist()[:2], found.last.tolist()[:2]) == (
            [1, 2, 0, 0],
            [0, 1],
            [0, 2],
        )
        assert (found.opens.tolist(), len(found.table)) == ([True, True, False], 3)
        assert found.any(found.table["status"] == 503).tolist() == [False, True, False, False]
        assert found.number(found.table["status"] == 200).tolist() == [1, 1, 0, 0]
        assert found.sum(found.table["status"]).tolist() == [200, 703, 0, 0]

    def test_attempts_and_arrivals_keep_columns_of_one_name_apart(self) -> None:
        """Both out of order, with other statuses."""
        tries = "call attempt start_ms end_ms status\n2 1 36 40 503\n1 1 10 20 200"
        seen = "call attempt op arrive_ms status\n2 1 observe 37 500\n1 1 observe 11 201"
        found = case(attempts=tries, arrivals=seen)
        assert found.attempts.table["status"].tolist() == [200, 503]
        assert found.arrivals.table["status"].tolist() == [201, 500]

    def test_words_of_attempts(self) -> None:
        """Whole answers by their status; what brought none is lost, unless it was cancelled."""
        rows = ["1 1 10 11 - 200", "1 2 11 12 - 299", "1 3 12 13 - 404", "1 4 13 14 5xx 503", "1 5 14 15 reset 200",
                "1 6 15 16 cancelled 0", "1 7 16 17 - 300", "1 8 17 18 - 400", "1 9 18 19 - 500"]  # fmt: skip
        found = case(attempts="\n".join(["call attempt start_ms end_ms result status", *rows]))
        words = {name: np.flatnonzero(mask).tolist() for name, mask in found.words.items()}
        assert words == {"ok": [0, 1], "5xx": [3, 8], "4xx": [2, 7], "lost": [4]}
        asked = {
            word: np.flatnonzero(found.failures((word,))).tolist() for word in ("5xx", "4xx", "404", "reset", "timeout")
        }
        assert asked == {"5xx": [3, 8], "4xx": [2, 7], "404": [2], "reset": [4], "timeout": []}
        late = (
            "call attempt start_ms end_ms result\n1 1 1 2 read_timeout\n1 2 3 4 connect_timeout\n1 3 5 6 pool_timeout"
        )
        assert case(attempts=late).failures(("timeout",)).tolist() == [True, True, False]

    def test_small_helpers(self) -> None:
        """Names and numbers that occur, and orders that keep equals as they are."""
        ops = case().calls["op"]
        assert (names_in(ops, np.array([0, 1])), names_in(ops, np.array([], np.int64))) == (("observe",), ())
        assert ids_in(np.array([3, 1, 3])).tolist() == [1, 3]
        assert order_of(np.array([2, 1, 2, 1])).tolist() == [1, 3, 0, 2]
        assert rows_from(n for n in (3, 4)).tolist() == [3, 4]
        assert rows_from([]).dtype == np.int64
