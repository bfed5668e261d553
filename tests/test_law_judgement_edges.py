"""What all laws share, at its edges: what is not said, who may fail in an invalid run, and exit codes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from law_cases import promise
from test_judge import GOOD, TODAY, judged, known, of, run
from test_law_judging import case

from harness.evidence.history import History
from harness.laws import LAWS
from harness.laws import registry as the_registry
from harness.laws.band import untold, written_behind
from harness.laws.case import Case
from harness.laws.judge import Judgement, case_of, judge_run, promise_of, verdicts_json
from harness.laws.marks import admitted
from harness.laws.registry import Law, Ruling, broken, in_catalogue_order, inapplicable, inconclusive, law, passed
from harness.model import Finding, Span

SLO = {"name": "some", "expr": "count > 0 in baseline", "severity": "gate"}
MANY = {"name": "many", "expr": "count > 100 in baseline", "severity": "gate"}


def judge(case: Case) -> Ruling:
    """A judge of nothing."""
    return passed("well")


PLAIN = Law("Z1", "Plain", "none", "rule", "trap", "cure", "example", judge)


class TestDefaults:
    """What is not said."""

    def test_a_ruling_says_no_more_than_its_status_and_reason(self) -> None:
        """Nothing measured, nobody named."""
        found = passed("well")
        assert (found.cure, found.measured, found.bound, found.phase) == ("",) * 4
        assert (found.severity, found.witnesses, found.places, found.share) == (None, (), {}, None)

    def test_a_law_takes_one_call_and_gates(self) -> None:
        """It needs no fault and no promise, and is neither static nor of zero tolerance."""
        assert (PLAIN.needs, PLAIN.promise, PLAIN.wants, PLAIN.calls) == (frozenset(), (), "", 1)
        assert (PLAIN.severity, PLAIN.rev, PLAIN.part) == ("gate", 1, "")
        assert not (PLAIN.data or PLAIN.zero_tolerance or PLAIN.static or PLAIN.gate)

    @pytest.mark.parametrize(("ruling", "cure"), [
        (passed("well"), ""), (inconclusive("who knows"), ""), (inapplicable("no"), ""),
        (Ruling("fail", "ill"), "cure"), (Ruling("warn", "ill"), "cure"), (Ruling("fail", "ill", "its own"), "its own"),
        (Ruling("pass", "well", "its own"), "its own"),
    ])  # fmt: skip
    def test_a_verdict_has_the_laws_cure_where_something_is_ill(self, ruling: Ruling, cure: str) -> None:
        """Unless the ruling has one of its own."""
        assert PLAIN.verdict(ruling, 1.0).cure == cure

    def test_what_is_inconclusive_may_have_been_measured(self) -> None:
        """As what failed may."""
        assert inconclusive("who knows", measured="2").measured == "2"

    def test_a_verdict_is_the_ruling_with_what_the_law_is(self) -> None:
        """Required, of the law's severity, and scaled where the run is and the law takes traffic."""
        ruling = Ruling("fail", "ill", measured="2", bound="1", phase="baseline", witnesses=({"call": 1},))
        found = replace(PLAIN, rev=3).verdict(ruling, 0.5, False, "accepted")
        assert (found.law, found.name, found.status, found.reason, found.cure) == ("Z1", "Plain", "fail", "ill", "cure")
        assert (found.measured, found.bound, found.required, found.severity) == ("2", "1", False, "gate")
        assert (found.accepted, found.scaled, found.law_rev, found.phase) == ("accepted", True, 3, "baseline")
        assert found.witnesses == ({"call": 1},)
        usual = replace(PLAIN, static=True).verdict(Ruling("warn", "ill", severity="warn"), 0.5)
        assert (usual.severity, usual.scaled, usual.required, usual.accepted) == ("warn", False, True, None)
        assert not PLAIN.verdict(ruling, 1.0).scaled

    def test_a_manifest_without_words_promises_nothing_at_full_scale(self) -> None:
        """What it has is declared, read or a library's default; the run has finished unless it says that it has not."""
        assert (promise_of({}).scale, promise_of({"run": {"scale": None}}).scale) == (1.0, 1.0)
        assert promise_of({"run": {"scale": 0.5}}).scale == 0.5
        for layer in ("declared", "read", "default"):
            told = promise_of({"policy": {layer: {"timeout": {"total": 7.0}}}}).policy.timeout
            assert told is not None and told.total == 7.0
        bare = case_of(replace(run(), manifest={}))
        assert bare.facts == {"oracle": "twin", "leftovers": [], "finished": True}
        said = case_of(replace(run(), manifest={"finished": False, "accounting": {"issued": 4}}))
        assert (said.facts["finished"], said.facts["issued"]) == (False, 4)
        assert Judgement((), (), (), 0).notices == ()


class TestCatalogue:
    """How laws come into it."""

    def test_a_law_is_registered_once_under_its_id(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """With its name and words; its judge stays what it is."""
        monkeypatch.setattr(the_registry, "LAWS", {})
        words = {"family": "none", "rule": "rule", "trap": "trap", "cure": "cure", "example": "example"}
        assert law("Z1", "Plain", **words)(judge) is judge
        assert the_registry.LAWS == {"Z1": PLAIN}
        with pytest.raises(ValueError, match="law Z1 is registered twice"):
            law("Z1", "Other", **words)(judge)

    def test_the_order_is_that_of_families_and_numbers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Ten comes after two, gates come last; the catalogue stays the same object."""
        shuffled = dict.fromkeys(("X1", "R10", "R2", "K1", "B1"), PLAIN)
        monkeypatch.setattr(the_registry, "LAWS", shuffled)
        in_catalogue_order()
        assert list(shuffled) == ["K1", "R2", "R10", "B1", "X1"]

    def test_a_fault_that_came_twice_is_one_place(self) -> None:
        """A call under its first time and one under its second are both under it."""
        calls = "call op start_ms end_ms outcome\n1 observe 10 20 error\n2 observe 110 120 error\n3 observe 60 70 ok"
        faults = "name kind applied_ms cleared_ms\nx refuse 1 50\nx refuse 100 150"
        found = Case(History.literal(calls=calls, faults=faults), promise())
        assert broken(found, np.array([0, 1]), "why").places["fault"] == {"x"}
        assert broken(found, np.array([0, 2]), "why").places["fault"] == frozenset()

    def test_a_share_is_of_calls_or_of_what_is_counted(self) -> None:
        """Nothing counted is no share."""
        rows = np.array([1, 2])
        assert (broken(case(), rows, "why", of=8).share, broken(case(), rows, "why", of=8, broke=1).share) == (
            0.25, 0.125)  # fmt: skip
        assert (broken(case(), rows[:0], "why", of=8).share, broken(case(), rows, "why", broke=1).share) == (None, None)


Stub = Callable[[str, Ruling], None]


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch) -> Stub:
    """Makes a law say this."""

    def stub(id: str, ruling: Ruling) -> None:
        monkeypatch.setitem(LAWS, id, replace(LAWS[id], judge=lambda case: ruling))

    return stub


class TestInvalid:
    """Who may still fail in an invalid run."""

    def test_a_law_of_zero_tolerance_takes_a_witness_of_its_failure(self, says: Stub) -> None:
        """Neither a failure without one nor another law's witness will do."""
        witness = ({"call": 1},)
        says("D2", Ruling("fail", "ill"))
        says("D1", Ruling("pass", "well", witnesses=witness))
        says("T1", Ruling("fail", "ill", witnesses=witness))
        found = judged(effective="-")
        assert [of(found, id).status for id in ("D2", "D1", "T1")] == ["invalid"] * 3
        assert of(found, "D2").reason == "the run is invalid (X1); this law had said fail: ill"
        says("D2", Ruling("fail", "ill", witnesses=witness))
        assert of(judged(effective="-"), "D2").status == "fail"

    def test_a_gate_that_crashed_makes_it_invalid_too(self, says: Stub) -> None:
        """Nobody knows what it would have said."""
        says("X2", Ruling("invalid", "the law itself failed"))
        found = judged()
        assert (of(found, "D2").status, found.exit_code) == ("invalid", 6)

    def test_laws_that_take_no_traffic_and_those_that_do_not_apply_stand(self, says: Stub) -> None:
        """As do the gates themselves."""
        says("K1", passed("known"))
        says("B3", inapplicable("no breaker"))
        found = judged(effective="-")
        assert [of(found, id).status for id in ("K1", "B3", "X2")] == ["pass", "not_applicable", "pass"]

    def test_what_was_issued_is_counted(self) -> None:
        """Three, and two rows; where nobody counted, two are two."""
        assert of(judged(accounting={"issued": 3}), "X2").measured == "2"
        assert [of(judged(accounting={"issued": n}), "X2").status for n in (3, 2)] == ["fail", "pass"]
        assert of(judged(accounting={}), "X2").status == "pass"
        assert of(judged(finished=False), "X2").status == "fail"


class TestDoubt:
    """What a pass is worth."""

    def test_promises_gates_and_probes_are_none_the_less_for_a_client_that_does_not_work(self, says: Stub) -> None:
        """Nothing of them is its doing: a pass of a law about traffic is open, its failure stands."""
        rows = "".join(f"{n} predict {n} {n} {n} {n} error client_bug baseline\n" for n in range(10, 20))
        says("K1", passed("known"))
        says("D1", Ruling("fail", "lost", witnesses=({"call": 1},)))
        says("D3", passed("well"))
        says("H2", passed("alive"))
        ill = run(accounting={})
        calls = "call op intended_ms ready_ms start_ms end_ms outcome error phase\n" + rows
        found = judge_run(
            replace(ill, history=replace(ill.history, calls=History.literal(calls=calls).calls)), today=TODAY
        )
        assert [of(found, id).status for id in ("K1", "X1", "H2", "D1", "D3")] == [
            "pass", "pass", "pass", "fail", "inconclusive",
        ]  # fmt: skip
        assert of(found, "D3").reason == "predict didn't work without faults either; it had said pass: well"

    def test_clocks_that_are_apart_leave_open_what_compares_them(self, says: Stub) -> None:
        """Passed, failed or warned; not what was open already."""
        facts = {"hosts": [{"host": "a", "uncertainty_ns": 200_000_000}]}
        for status in ("pass", "fail", "warn", "not_exercised"):
            says("T1", Ruling(status, "said"))  # type: ignore[arg-type]
            ill = run()
            apart = replace(ill, history=replace(ill.history, facts={**ill.history.facts, **facts}))
            found = of(judge_run(apart, today=TODAY), "T1")
            assert found.status == ("not_exercised" if status == "not_exercised" else "inconclusive")
            assert status == "not_exercised" or found.reason.endswith(f"; it had said {status}: said")


class TestCodes:
    """One code a run."""

    @pytest.mark.parametrize(("slos", "code"), [([], 5), ([SLO], 0), ([MANY], 1), ([SLO, MANY], 1)])
    def test_an_objective_proves_something_as_a_law_does(self, slos: list[dict[str, Any]], code: int) -> None:
        """Where no law that is required could be exercised."""
        assert judged(laws={"require": ["B3"]}, slos=slos).exit_code == code

    def test_an_accepted_failure_proves_something(self) -> None:
        """It was exercised; a static law that passes proves nothing."""
        assert judged(True, known=known(), laws={"require": ["D2"]}).exit_code == 0
        assert judged(laws={"require": ["K1"]}).exit_code == 5
        assert judged(effective="-", laws={"require": ["K1"]}).exit_code == 6

    @pytest.mark.parametrize(("law", "status", "code"), [
        ("D2", "invalid", 6), ("T6", "invalid", 0), ("D2", "warn", 5), ("X1", "warn", 0), ("X1", "invalid", 6),
    ])  # fmt: skip
    def test_what_is_required_and_invalid_leaves_the_run_undecided(
        self, law: str, status: Any, code: int, says: Stub
    ) -> None:
        """What isn't required doesn't; a warning proves nothing."""
        says(law, Ruling(status, "said"))
        assert judged(laws={"require": ["D2"]}).exit_code == code

    @pytest.mark.parametrize(("status", "required"), [("fail", True), ("pass", False), ("warn", False)])
    def test_a_law_that_failed_was_exercised(self, status: Any, required: bool, says: Stub) -> None:
        """Whatever the policy promises and the faults are."""
        says("B3", Ruling(status, "said"))
        assert of(judged(), "B3").required is required

    def test_an_acceptance_is_held_to_the_integration_of_the_run(self) -> None:
        """One without a name has an empty one."""
        for name, code in (("", 0), ("None", 1), ("mine", 1)):
            where = known(where={"integration": name})
            assert judged(True, run={"name": "x"}, known=where).exit_code == code
            nameless = replace(run(True, known=where), manifest={**run(True, known=where).manifest})
            nameless.manifest.pop("run")  # type: ignore[attr-defined]
            assert judge_run(nameless, today=TODAY).exit_code == code

    def test_an_acceptance_that_has_ended_is_no_notice_while_its_law_fails(self) -> None:
        """The failure counts; when it is gone, the entry may go."""
        assert judged(True, known=known(until="2026-11-30")).notices == ()
        assert len(judged(known=known(until="2026-11-30")).notices) == 1

    def test_the_answer_as_json_has_objectives_too(self) -> None:
        """And a run without a manifest's words none of them."""
        found = judged(slos=[SLO])
        content = verdicts_json(found, {})
        assert (content["run"], content["exit_code"]) == ({}, 0)
        assert (content["slos"][0]["name"], content["slos"][0]["status"]) == ("some", "pass")
        assert content["notices"] == []
        several = verdicts_json(replace(found, findings=(Finding("rule", "here", "ill", "cure"),)), {})
        assert several["findings"] == [
            {"rule": "rule", "where": "here", "reason": "ill", "cure": "cure", "severity": "warn"}
        ]
        assert verdicts_json(found, GOOD)["run"] == GOOD["run"]


class TestShared:
    """Bands and marks."""

    def test_one_stray_commit_may_be_the_one_that_is_missing(self) -> None:
        """Of a client that puts every write aside; not of two."""
        lines = [f"{n} observe baseline {n} {n} {n} {n + 5} degraded" for n in range(1, 9)]
        calls = "\n".join(["call op phase intended_ms ready_ms start_ms end_ms outcome", *lines])
        for missing, told in ((1, True), (2, False)):
            named = [f"{n} observe s {n + 10} {n} content" for n in range(1 + missing, 9)]
            seen = "\n".join(["call op session arrive_ms commit_seq paired_by", "0 observe s 50 50 -", *named])
            found = Case(History.literal(calls=calls, arrivals=seen), promise())
            assert untold(found, np.arange(8)) is told
            assert not untold(found, np.arange(4, 8))

    @pytest.mark.parametrize("op", ["observe", "learn"])
    def test_a_write_put_aside_in_peace_is_served_when_it_is_committed(self, op: str) -> None:
        """More often than not; half of them is no habit."""
        for aside, behind in ((3, (op,)), (2, ())):
            lines = [
                f"{n} {op} baseline {n} {n} {n} {n + 5} {'degraded' if n <= aside else 'ok'}" for n in (1, 2, 3, 4)
            ]
            calls = "\n".join(["call op phase intended_ms ready_ms start_ms end_ms outcome", *lines])
            phases = (Span("baseline", 0, 1_000_000_000),)
            assert written_behind(Case(History.literal(phases, calls=calls), promise())) == behind

    def test_each_operation_admits_by_its_own_healthy_answers(self) -> None:
        """Two of them, of which both said that nothing was done."""
        rows = ["1 observe ok {ok:true}", "2 observe ok {ok:false}", "3 predict ok {error:null}",
                "4 predict ok {error:str}"]  # fmt: skip
        lines = [f"{row.split()[0]} {row.split()[1]} 0 5 {'ok' if n % 2 == 0 else 'degraded'} {row.split()[3]}"
                 for n, row in enumerate(rows)]  # fmt: skip
        calls = "\n".join(["call op start_ms end_ms outcome shape", *lines])
        assert admitted(Case(History.literal(calls=calls), promise())).tolist() == [False, True, False, True]
