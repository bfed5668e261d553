"""What every format says alike: the headline, the worst verdict first, the place in the client, one line a verdict."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness import errors
from harness.laws.registry import LAWS
from harness.model import SloResult, Verdict
from harness.report.words import STATUS_SIGNS, count, status_label

if TYPE_CHECKING:
    from harness.laws.judge import Judgement

_PLACE = re.compile(r"(?P<file>[^\s:]+\.\w+):(?P<line>\d+)")
_RANK = {status: rank for rank, status in enumerate(STATUS_SIGNS)}

FAULTY = ("fail", "warn", "invalid")
"""Statuses that ask for a cure."""

EXIT_MEANINGS: Mapping[int, str] = {
    errors.EXIT_OK: "every required law and gate SLO held",
    errors.EXIT_FAILED: "a required law or gate SLO failed",
    errors.EXIT_INTERRUPTED: "interrupted, faults undone",
    errors.EXIT_INTERNAL: "the harness itself failed",
    errors.EXIT_USAGE: "scenario or usage wrong",
    errors.EXIT_UNPROVEN: "nothing required was proven",
    errors.EXIT_INVALID: "run invalid",
    errors.EXIT_ENVIRONMENT: "environment not ready",
}


@dataclass(frozen=True, slots=True)
class Place:
    """A line of the client's own code (1-based)."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


def moves_exit(verdict: Verdict | SloResult) -> bool:
    """True where a failure decides the exit code: required, of severity gate and not accepted."""
    required = getattr(verdict, "required", True) and not getattr(verdict, "accepted", None)
    return bool(required) and verdict.severity == "gate"


def is_gate(verdict: Verdict) -> bool:
    """True for the meta-laws X1, X2, …, whose failure makes the run invalid."""
    return verdict.law.startswith("X")


def worst_first(verdicts: Sequence[Verdict]) -> tuple[Verdict, ...]:
    """Failures that decide the exit code, then the others by status and law id (B2 before B10)."""
    return tuple(sorted(verdicts, key=_order))


def applicable(verdicts: Sequence[Verdict]) -> tuple[Verdict, ...]:
    """The verdicts that say something about this client, worst first: what was decided, or should have been."""
    return tuple(verdict for verdict in worst_first(verdicts) if not _idle(verdict))


def slo_said(slo: SloResult) -> str:
    """An SLO, whether it holds, and what was measured: "p(95) < 50ms: holds; measured p(95) = 5 ms over 80 calls"."""
    measured = f"; measured {slo.measured}" if slo.measured else ""
    notes = "" if moves_exit(slo) else f" [severity {slo.severity}]"
    return f"{slo.expression}: {slo.reason}{measured}{notes}"


def not_applicable_line(verdicts: Sequence[Verdict]) -> str:
    """The laws that had nothing to judge here, as one line: mechanisms absent, faults not in this scenario."""
    idle = [verdict for verdict in worst_first(verdicts) if _idle(verdict)]
    absent = [verdict.law for verdict in idle if verdict.status == "not_applicable"]
    untried = [verdict.law for verdict in idle if verdict.status == "not_exercised"]
    parts = [f"not applicable: {', '.join(absent)}"] if absent else []
    return (
        " · ".join([*parts, f"not exercised here: {', '.join(untried)}"] if untried else parts) or "every law applies"
    )


def _idle(verdict: Verdict) -> bool:
    """Nothing was there to decide; what would exercise a law stands in the page and in `kato-harness plan`."""
    return verdict.status in ("not_applicable", "not_exercised")


def _order(verdict: Verdict) -> tuple[bool, int, str, int]:
    decisive = verdict.status in ("fail", "invalid") and moves_exit(verdict)
    family, number = re.fullmatch(r"(\D*)(\d*).*", verdict.law).groups()  # type: ignore[union-attr]
    return (not decisive, _RANK[verdict.status], family, int(number or 0))


def tally(judgement: Judgement) -> dict[str, int]:
    """How many verdicts have each status, worst first, absent ones left out."""
    found = Counter[str](verdict.status for verdict in judgement.verdicts)
    return {status: found[status] for status in STATUS_SIGNS if found[status]}


def headline(judgement: Judgement) -> str:
    """The answer in one sentence."""
    if judgement.exit_code == errors.EXIT_FAILED:
        return _broken(judgement)
    if judgement.exit_code == errors.EXIT_INVALID:
        return _invalid(judgement)
    if judgement.exit_code == errors.EXIT_OK:
        held = sum(1 for v in judgement.verdicts if v.status == "pass" and moves_exit(v) and not is_gate(v))
        watched = [v.law for v in worst_first(judgement.verdicts) if v.status == "fail" and not moves_exit(v)]
        watched += [f"SLO {slo.name}" for slo in judgement.slos if slo.status == "fail" and not moves_exit(slo)]
        aside = f"; broken, and not counted: {', '.join(watched)}" if watched else ""
        return f"Kept: {count(held, 'required law')} proven, none broken{aside}"
    meaning = EXIT_MEANINGS[judgement.exit_code]
    return meaning[0].upper() + meaning[1:]


def _broken(judgement: Judgement) -> str:
    laws = [v.law for v in worst_first(judgement.verdicts) if v.status == "fail" and moves_exit(v) and not is_gate(v)]
    slos = [slo.name for slo in judgement.slos if slo.status == "fail" and moves_exit(slo)]
    parts = [
        f"{count(len(names), noun)} ({', '.join(names)})" for noun, names in (("law", laws), ("SLO", slos)) if names
    ]
    return f"Broken: {' and '.join(parts) or '; '.join(judgement.notices)}"


def _invalid(judgement: Judgement) -> str:
    gates = [v.law for v in worst_first(judgement.verdicts) if is_gate(v) and v.status in ("fail", "invalid")]
    return f"Invalid run: its evidence can't carry verdicts ({', '.join(gates) or 'see the invalid laws'})"


def standing(verdict: Verdict) -> str:
    """What softens or qualifies a verdict: accepted, watched only, severity, scaled; empty for most."""
    notes = [
        f"accepted: {verdict.accepted}" if verdict.accepted else "",
        "" if verdict.required else "watched, doesn't count",
        "" if verdict.severity == "gate" else f"severity {verdict.severity}",
        "scaled" if verdict.scaled else "",
    ]
    return " · ".join(note for note in notes if note)


def place_of(verdict: Verdict, manifest: Mapping[str, Any]) -> Place | None:
    """Where the cause of a fault lies in the client.

    A witness's `where` ("file:line"), else the promise's source, else what an audit of its files found of that law.
    """
    if verdict.status not in FAULTY:
        return None
    told = [str(witness.get("where", "")) for witness in verdict.witnesses]
    keys = LAWS[verdict.law].promise if verdict.law in LAWS else ()
    sources = dict(manifest.get("policy", {}).get("sources", {}))
    read = [str(text) for key, text in sorted(sources.items()) if key.startswith(tuple(keys))] if keys else []
    static = manifest.get("client", {}).get("findings", ())
    seen = [str(finding["where"]) for finding in static if finding["rule"].startswith(f"{verdict.law}/")]
    found = next((match for text in told + read + seen if (match := _PLACE.search(text))), None)
    return Place(found["file"], int(found["line"])) if found else None


def verdict_line(verdict: Verdict, manifest: Mapping[str, Any]) -> str:
    """One line for logs: `FAIL B8 app/kato.py:41 reason; cure`."""
    place = place_of(verdict, manifest)
    subject = str(place) if place else f"{verdict.name}:"
    cure = f"; {verdict.cure}" if verdict.cure and verdict.status in FAULTY else ""
    notes = f" [{note}]" if (note := standing(verdict)) else ""
    return one_line(f"{status_label(verdict.status).upper()} {verdict.law} {subject} {verdict.reason}{cure}{notes}")


def one_line(text: str) -> str:
    """The text with every run of white space as one blank, so that a log line stays a line."""
    return " ".join(text.split())


def subject_line(manifest: Mapping[str, Any]) -> str:
    """Who was tested and how: integration, profile with its scale, target, seed."""
    run = manifest.get("run", {})
    scale = float(run.get("scale") or 1.0)
    parts = [
        str(run.get("integration", "")),
        f"profile {run['profile']}" + (f" (scaled × {scale:g})" if scale != 1.0 else "") if run.get("profile") else "",
        f"target {run['target']}" if run.get("target") else "",
        f"seed {run['seed']}" if "seed" in run else "",
        *_real_parts(manifest.get("facts", {})),
    ]
    return " · ".join(part for part in parts if part)


def _real_parts(facts: Mapping[str, Any]) -> list[str]:
    """What stood between the client and KATO, and whether it was the real thing."""
    registry, sidecar = facts.get("registry"), facts.get("envoy")
    names = {"consul": "Consul", "dns": "DNS"}
    return [
        *([f"{names[registry['kind']]}: {registry['what']}"] if registry else []),
        *([f"Envoy {sidecar['version']}"] if sidecar else []),
    ]


def accounting_line(manifest: Mapping[str, Any]) -> str:
    """`issued 800 = 700 ok + 60 error + …`, with the difference named where the sum doesn't hold."""
    accounts = dict(manifest.get("accounting", {}))
    issued = int(accounts.pop("issued", 0))
    parts = " + ".join(f"{value:,} {name}" for name, value in accounts.items())
    missing = issued - sum(int(value) for value in accounts.values())
    return f"issued {issued:,} = {parts or '0'}" + (
        f" (difference {missing:,}: calls are unaccounted for)" if missing else ""
    )
