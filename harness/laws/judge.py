"""A run's judgement: every law, every SLO, what is accepted, and the exit code. Pure but for today's date."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from harness import errors
from harness.evidence.history import History
from harness.laws.case import Case
from harness.laws.clocks import too_far_apart
from harness.laws.findings import findings_of
from harness.laws.known import Acceptance, acceptance, unused
from harness.laws.registry import LAWS, Law, Ruling, inapplicable, inconclusive, rule_on
from harness.laws.required import is_required
from harness.laws.steady import failing_without_faults
from harness.model import Finding, SloResult, Verdict
from harness.policy import Promise, merge
from harness.slo.judge import evaluate

VERDICTS_FORMAT = 1


class Run(Protocol):
    """A run folder that was read (harness.evidence.Run)."""

    @property
    def folder(self) -> Path: ...
    @property
    def manifest(self) -> Mapping[str, Any]: ...
    @property
    def history(self) -> History: ...


@dataclass(frozen=True, slots=True)
class Judgement:
    """What laws and SLOs say of one run, and the exit code that follows; `notices` are for the reader only."""

    verdicts: tuple[Verdict, ...]
    slos: tuple[SloResult, ...]
    findings: tuple[Finding, ...]
    exit_code: int
    notices: tuple[str, ...] = ()


def promise_of(manifest: Mapping[str, Any]) -> Promise:
    """The promise that a manifest's `policy` and `run.scale` describe."""
    policy = manifest.get("policy", {})
    declared, read, default = (policy.get(name) or {} for name in ("declared", "read", "default"))
    return merge(declared, read, default, scale=float(manifest.get("run", {}).get("scale") or 1.0))


def case_of(run: Run) -> Case:
    """The run as laws look at it; `finished` and `issued` of the manifest are among the facts."""
    manifest = run.manifest
    facts = {**run.history.facts, "finished": manifest.get("finished", True)}
    if "issued" in manifest.get("accounting", {}):
        facts["issued"] = manifest["accounting"]["issued"]
    return Case(replace(run.history, facts=facts), promise_of(manifest))


def judge_run(run: Run, *, today: datetime.date | None = None, strict_known: bool = False) -> Judgement:
    """Judge a run; entries of `known` end by `today`, and with `strict_known` one that isn't needed any more fails."""
    case, manifest = case_of(run), run.manifest
    settings = manifest.get("laws", {})
    rulings = {law.id: _rule(law, case, settings) for law in LAWS.values()}
    broken_gates = [id for id, ruling in rulings.items() if LAWS[id].gate and ruling.status in ("fail", "invalid")]
    if broken_gates:
        rulings = {id: _in_invalid_run(LAWS[id], ruling, broken_gates) for id, ruling in rulings.items()}
    accepted = _accepted(rulings, manifest, today or datetime.date.today())  # noqa: DTZ011 - a calendar date of the team
    verdicts = tuple(_verdict(LAWS[id], ruling, case, settings, accepted[id]) for id, ruling in rulings.items())
    slos = _slos(manifest, case.history, bool(broken_gates))
    failed = {id for id, ruling in rulings.items() if ruling.status == "fail"}
    notices = unused(manifest.get("known") or (), {answer.entry for answer in accepted.values()}, failed)
    code = _exit_code(verdicts, slos, bool(strict_known and notices))
    findings = tuple(one for one in findings_of(case) if one.rule not in settings.get("skip", {}))
    return Judgement(verdicts, slos, findings, code, notices)


def _rule(law: Law, case: Case, settings: Mapping[str, Any]) -> Ruling:
    skipped = settings.get("skip", {})
    if law.id in skipped and not law.gate:
        return inapplicable(f"left out by the scenario: {skipped[law.id]}")
    ruling = rule_on(law, case)
    apart = too_far_apart(law.id, case.facts) if ruling.status in ("pass", "fail", "warn") else ""
    of_calls = not (law.gate or law.static or law.family == "health")  # the others judge the run, the source, probes
    doubt = apart or (_not_working(case) if ruling.status == "pass" and of_calls else "")
    return inconclusive(f"{doubt}; it had said {ruling.status}: {ruling.reason}") if doubt else ruling


def _not_working(case: Case) -> str:
    """Words where operations fail without any fault, else ''."""
    failing = " and ".join(op for op, _ in failing_without_faults(case))
    return f"{failing} didn't work without faults either" if failing else ""


def _in_invalid_run(law: Law, ruling: Ruling, gates: Sequence[str]) -> Ruling:
    """Design: in an invalid run only zero-tolerance laws with witnesses may fail; the others become `invalid`."""
    stands = law.gate or law.static or ruling.status == "not_applicable"
    if stands or (law.zero_tolerance and ruling.status == "fail" and ruling.witnesses):
        return ruling
    return Ruling(
        "invalid", f"the run is invalid ({', '.join(gates)}); this law had said {ruling.status}: {ruling.reason}"
    )


def _accepted(
    rulings: Mapping[str, Ruling], manifest: Mapping[str, Any], today: datetime.date
) -> dict[str, Acceptance]:
    known, name = manifest.get("known") or (), str(manifest.get("run", {}).get("integration", ""))
    return {
        id: acceptance(LAWS[id], ruling, known, name, today) if ruling.status == "fail" else Acceptance()
        for id, ruling in rulings.items()
    }


def _verdict(law: Law, ruling: Ruling, case: Case, settings: Mapping[str, Any], answer: Acceptance) -> Verdict:
    required = is_required(law, settings, case.promise, case.kinds, ruling.status == "fail")
    if answer.refused:
        ruling = replace(ruling, reason=f"{ruling.reason} ({answer.refused})")
    return law.verdict(ruling, case.promise.scale, required, answer.text)


def _slos(manifest: Mapping[str, Any], history: History, invalid: bool) -> tuple[SloResult, ...]:
    found = evaluate(manifest.get("slos", ()), history)
    if not invalid:
        return found
    return tuple(
        replace(slo, status="invalid", reason=f"the run is invalid; it had said: {slo.reason}") for slo in found
    )


def _exit_code(verdicts: Sequence[Verdict], slos: Sequence[SloResult], stale: bool) -> int:
    """Design, "Exit codes": 1 a required law or gate SLO failed, 6 invalid, 5 nothing required was proven, else 0."""
    judged = [v for v in verdicts if v.required and v.severity == "gate" and not LAWS[v.law].gate]
    gates = [v for v in verdicts if LAWS[v.law].gate]
    objectives = [slo for slo in slos if slo.severity == "gate"]
    codes = [errors.EXIT_OK]
    if (
        stale
        or any(v.status == "fail" and not v.accepted for v in judged)
        or any(s.status == "fail" for s in objectives)
    ):
        codes.append(errors.EXIT_FAILED)
    if any(v.status == "fail" for v in gates) or any(v.status == "invalid" for v in (*gates, *judged)):
        codes.append(errors.EXIT_INVALID)
    proven = any(v.status in ("pass", "fail") and not LAWS[v.law].static for v in judged)
    if not proven and not any(slo.status == "pass" for slo in objectives):
        codes.append(errors.EXIT_UNPROVEN)
    return errors.worst(codes)


def verdicts_json(judgement: Judgement, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The content of verdicts.json, format 1 (design, "The command line")."""
    return {
        "format": VERDICTS_FORMAT,
        "run": dict(manifest.get("run", {})),
        "exit_code": judgement.exit_code,
        "verdicts": [asdict(verdict) for verdict in judgement.verdicts],
        "slos": [asdict(slo) for slo in judgement.slos],
        "findings": [asdict(finding) for finding in judgement.findings],
        "notices": list(judgement.notices),
    }
