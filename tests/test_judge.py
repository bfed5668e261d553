"""The judgement of a run: what counts, what is accepted, what an invalid run may still say, and the exit code."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from harness.evidence.history import History
from harness.laws import LAWS, explain
from harness.laws.judge import Judgement, judge_run, verdicts_json
from harness.laws.required import provable
from harness.model import Fault, Load, Span, Stage, Verdict
from harness.policy import Breaker, Policy

TODAY = datetime.date(2026, 12, 1)
PHASES = (Span("baseline", 0, 10**9), Span("fault:lost", 10**9, 5 * 10**9))
CALLS = """
call op intended_ms ready_ms start_ms end_ms outcome error phase
1 observe 500 500 500 520 ok - baseline
2 observe 2000 2000 2000 2300 ok - fault:lost
"""
ATTEMPTS = """
call attempt start_ms end_ms result status
1 1 500 520 - 200
2 1 2000 2100 read_timeout 0
2 2 2200 2300 - 200
"""
ARRIVALS = """
call attempt op arrive_ms reply_ms status commit_seq
1 1 observe 510 515 200 1
2 1 observe 2010 - 0 {}
2 2 observe 2210 2290 200 3
"""
FAULTS = """
name kind applied_ms effective_ms felt_ms cleared_ms
lost commit_then_drop 1000 {} 2000 5000
"""
GOOD: Mapping[str, Any] = {
    "format": 1,
    "run": {"name": "x", "integration": "mine", "scale": 1.0},
    "policy": {
        "declared": {
            "timeout": {"total": 1.0},
            "retry": {"max_attempts": 2, "on": ["timeout"], "calls": ["observe"]},
        },
        "read": {},
        "default": {},
    },
    "accounting": {"issued": 2, "ok": 2},
    "finished": True,
}


@dataclass(frozen=True)
class Loaded:
    """A run folder that was read."""

    history: History
    manifest: Mapping[str, Any]
    folder: Path = field(default=Path("run"))


def run(doubled: bool = False, effective: str = "1010", **manifest: Any) -> Loaded:
    """A small run under a lost reply, with or without a doubled commit."""
    return Loaded(literal(CALLS, doubled, effective), {**GOOD, **manifest})


def literal(calls: str, doubled: bool = False, effective: str = "1010") -> History:
    """The tables of that run, with other calls."""
    return History.literal(
        PHASES, {"oracle": "twin", "leftovers": []}, calls=calls, attempts=ATTEMPTS,
        arrivals=ARRIVALS.format("2" if doubled else "-"), faults=FAULTS.format(effective),
    )  # fmt: skip


def judged(*args: Any, **more: Any) -> Judgement:
    return judge_run(run(*args, **more), today=TODAY)


def of(judgement: Judgement, law: str) -> Verdict:
    return next(verdict for verdict in judgement.verdicts if verdict.law == law)


def known(**more: Any) -> list[dict[str, Any]]:
    return [{"law": "D2", "reason": "retry after time-out", "issue": "CHK-812", "until": "2027-02-01", **more}]


class TestExitCode:
    """One code a run (design, "Exit codes")."""

    def test_0_where_every_required_law_held(self) -> None:
        """D2 was exercised and held."""
        assert judged().exit_code == 0

    def test_1_where_a_required_law_failed(self) -> None:
        """One doubled commit."""
        found = judged(True)
        assert (found.exit_code, of(found, "D2").status, of(found, "D2").required) == (1, "fail", True)

    def test_1_where_a_gate_slo_failed(self) -> None:
        """An SLO of severity gate counts like a law."""
        slo = {"name": "many", "expr": "count > 100 in baseline", "severity": "gate"}
        assert judged(slos=[slo]).exit_code == 1
        assert judged(slos=[slo | {"severity": "warn"}]).exit_code == 0

    def test_5_where_nothing_required_was_proven(self) -> None:
        """A list that names only what could not be exercised."""
        assert judged(laws={"require": ["B3"]}).exit_code == 5

    def test_6_where_a_gate_failed(self) -> None:
        """A fault without effect."""
        assert judged(effective="-").exit_code == 6

    def test_5_where_the_client_fails_without_faults(self) -> None:
        """What holds of a client that doesn't work says nothing of its promises; the operation is a finding."""
        rows = "".join(f"{n} predict {n} {n} {n} {n} error client_bug baseline\n" for n in range(10, 20))
        found = judge_run(replace(run(accounting={}), history=literal(CALLS + rows)), today=TODAY)
        assert (found.exit_code, of(found, "D2").status) == (5, "inconclusive")
        assert "predict didn't work without faults either" in of(found, "D2").reason
        assert ("steady state", "predict") in {(finding.rule, finding.where) for finding in found.findings}

    def test_some_failures_without_faults_leave_the_verdicts(self) -> None:
        """Four of ten calls that failed are no proof that most do."""
        rows = "".join(
            f"{n} predict {n} {n} {n} {n} {'error reset' if n < 14 else 'ok -'} baseline\n" for n in range(10, 20)
        )
        assert judge_run(replace(run(accounting={}), history=literal(CALLS + rows)), today=TODAY).exit_code == 0

    def test_a_watched_law_never_moves_it(self) -> None:
        """D2 fails, is shown, and isn't required."""
        found = judged(True, laws={"require": "auto", "watch": ["D2"]})
        assert of(found, "D2").status == "fail"
        assert not of(found, "D2").required
        assert found.exit_code != 1

    def test_a_skipped_law_is_left_out_with_its_reason(self) -> None:
        """The scenario's own words."""
        found = of(judged(True, laws={"require": "auto", "skip": {"D2": "no oracle in staging"}}), "D2")
        assert found.status == "not_applicable"
        assert "no oracle in staging" in found.reason

    def test_a_skipped_law_finds_nothing(self) -> None:
        """A witness of somebody else's traffic knows no time-outs of theirs, so it doesn't say that there are none."""
        policy = {"declared": {}, "read": {}, "default": {}}
        told = [judged(policy=policy, laws={"skip": skip}).findings for skip in ({}, {"T2": "not ours"})]
        assert [[one.rule for one in findings] for findings in told] == [["T2"], []]

    def test_a_crashed_law_is_never_a_pass(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is invalid, names the error, and the run isn't proven."""
        from dataclasses import replace

        def crash(case: object) -> Any:
            raise ZeroDivisionError("by law")

        monkeypatch.setitem(LAWS, "D2", replace(LAWS["D2"], judge=crash))
        found = judged()
        assert (of(found, "D2").status, found.exit_code) == ("invalid", 6)
        assert "ZeroDivisionError" in of(found, "D2").reason


class TestInvalidRun:
    """In an invalid run only zero-tolerance laws with witnesses may fail; the others become invalid."""

    def test_others_become_invalid(self) -> None:
        """T1 and a clean D2 say nothing in a run whose fault had no effect."""
        found = judged(effective="-")
        assert (of(found, "X1").status, of(found, "D2").status, of(found, "T1").status) == (
            "fail",
            "invalid",
            "invalid",
        )

    def test_a_doubled_commit_still_counts(self) -> None:
        """D2 with a witness fails all the same, and 1 wins over 6."""
        found = judged(True, effective="-")
        assert (of(found, "D2").status, found.exit_code) == ("fail", 1)

    def test_slos_become_invalid(self) -> None:
        """No SLO is passed or failed by invalid evidence."""
        slo = {"name": "many", "expr": "count > 100 in baseline", "severity": "gate"}
        found = judged(effective="-", slos=[slo])
        assert (found.slos[0].status, found.exit_code) == ("invalid", 6)


class TestKnown:
    """Accepted failures."""

    def test_an_accepted_failure_doesnt_count(self) -> None:
        """It is shown with its end and reason, and the exit code is 0."""
        found = judged(True, known=known())
        assert found.exit_code == 0
        assert of(found, "D2").accepted == "until 2027-02-01: retry after time-out (CHK-812)"

    def test_it_holds_on_its_last_day_and_fails_after_it(self) -> None:
        """Past its date it fails, and says so."""
        assert judged(True, known=known(until="2026-12-01")).exit_code == 0
        found = judged(True, known=known(until="2026-11-30"))
        assert found.exit_code == 1
        assert "2026-11-30" in of(found, "D2").reason

    def test_it_is_held_to_its_place(self) -> None:
        """Another fault, operation, phase or integration than the one it names isn't covered."""
        for where in ({"fault": "lost"}, {"op": "observe"}, {"phase": "fault:lost"}, {"integration": "mine"}):
            assert judged(True, known=known(where=where)).exit_code == 0
        for where in ({"fault": "other"}, {"op": "predict"}, {"phase": "baseline"}, {"integration": "theirs"}):
            assert judged(True, known=known(where=where)).exit_code == 1

    def test_it_is_held_to_its_share(self) -> None:
        """One of two committed calls was doubled."""
        assert judged(True, known=known(at_most=0.5)).exit_code == 0
        assert judged(True, known=known(at_most=0.003)).exit_code == 1

    def test_one_that_isnt_needed_any_more_is_a_notice(self) -> None:
        """With --strict-known it fails."""
        found = judged(known=known())
        assert found.exit_code == 0
        assert "D2" in found.notices[0]
        assert judge_run(run(known=known()), today=TODAY, strict_known=True).exit_code == 1

    def test_gates_cant_be_accepted(self) -> None:
        """X1 fails whatever the list says."""
        found = judged(effective="-", known=[{"law": "X1", "reason": "-", "until": "2030-01-01"}])
        assert (of(found, "X1").accepted, found.exit_code) == (None, 6)


def test_required_are_the_promised_that_these_faults_exercise_and_all_data_laws() -> None:
    """No breaker promised: B3 isn't required. D2 is a data law, X1 a gate."""
    found = judged()
    assert [of(found, law).required for law in ("B3", "D2", "X1")] == [False, True, True]


def test_the_scale_of_the_run_marks_its_verdicts() -> None:
    """Verdicts of a scaled client say so."""
    found = judged(run={**GOOD["run"], "scale": 0.1})
    assert of(found, "D2").scaled
    assert not of(judged(), "D2").scaled


def test_verdicts_json_has_the_versioned_form() -> None:
    """Format 1 with the keys of the design, and nothing that JSON can't carry."""
    found = judged(True)
    content = json.loads(json.dumps(verdicts_json(found, run().manifest)))
    assert (content["format"], content["run"]["name"], content["exit_code"]) == (1, "x", 1)
    assert set(content["verdicts"][0]) == {
        "law", "name", "status", "required", "severity", "accepted", "scaled", "law_rev", "measured", "bound",
        "reason", "cure", "witnesses", "phase",
    }  # fmt: skip
    assert next(v for v in content["verdicts"] if v["law"] == "D2")["witnesses"][0]["call"] == 2
    assert {"slos", "findings", "notices"} <= set(content)


def test_a_difference_between_declared_and_read_is_a_finding() -> None:
    """K2, key by key."""
    policy = {"declared": {"timeout": {"total": 1.0, "read": 10.0}}, "read": {"timeout": {"read": 5.0}}}
    (finding,) = [f for f in judged(policy=policy).findings if f.rule == "K2"]
    assert (finding.where, finding.reason) == ("timeout.read", "declared 10, read 5")


LOAD = Load((Stage(20.0, 20.0, 30 * 10**9),))


class TestProvable:
    """What a scenario can prove before it runs."""

    def test_a_law_without_its_fault_is_not_provable(self) -> None:
        """B3 needs answers of 5xx."""
        ok, why = provable("B3", Policy(breaker=Breaker(5)), [Fault("a", "refuse", 0, 5 * 10**9)], LOAD)
        assert not ok
        assert "5xx" in why

    def test_a_law_whose_mechanism_isnt_promised_is_not_provable(self) -> None:
        """No breaker, no B3."""
        ok, why = provable("B3", Policy(), [Fault("a", "status", 0, 5 * 10**9)], LOAD)
        assert not ok
        assert "breaker" in why

    def test_a_law_with_fault_and_promise_is_provable(self) -> None:
        """A burst of 503 over 100 calls."""
        assert provable("B3", Policy(breaker=Breaker(5)), [Fault("a", "status", 0, 5 * 10**9)], LOAD)[0]


@pytest.mark.parametrize("law", LAWS)
def test_every_law_explains_itself(law: str) -> None:
    """Rule, trap, cure and example in words; fault kinds that exist."""
    from harness.faults import KINDS

    words = explain(law)
    assert all(part in words for part in ("rule", "trap", "cure", "example", LAWS[law].name))
    assert all(len(text) > 10 for text in (LAWS[law].rule, LAWS[law].trap, LAWS[law].cure, LAWS[law].example))
    assert LAWS[law].needs <= set(KINDS)
