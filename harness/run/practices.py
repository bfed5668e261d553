"""The integration guide's eight best practices, each held to the laws and the audit rules that prove it.

Laws are judged in virtual time, under shipped scenarios that between them break what each law is about; audit rules
read the manifests. A practice fails where one of its laws or gate rules does; it holds where something of it was
proven; where nothing could be, it says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.errors import EXIT_FAILED, EXIT_OK, EXIT_UNPROVEN
from harness.laws import LAWS
from harness.model import Finding, Verdict
from harness.run.many import Job, simulate_many
from harness.run.options import Options
from harness.run.prepare import prepare
from harness.run.shipped import shipped_scenario
from harness.scenario import load_scenario

SCENARIOS = ("demo", "black_hole", "slow_drip", "lost_reply", "retry_after", "half_open")


@dataclass(frozen=True, slots=True)
class Practice:
    """One line of the guide's list: the laws that prove it, and the audit rules (by the beginning of their ids).

    `shown_by`: words of which manifests must hold one, so that unbroken rules prove anything; none: they never do.
    `proof`: the laws that show it at work; others can only break it: whoever has no breaker serialises nothing.
    """

    number: int
    name: str
    laws: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    shown_by: tuple[str, ...] = ()
    proof: tuple[str, ...] = ()


AUDIT = "audit"
WORKLOADS = ("kind: Deployment", "kind: StatefulSet", "kind: DaemonSet")
MESHES = ("networking.istio.io/", "linkerd.io/", "sidecar_service")

PRACTICES = (
    Practice(1, "Health checks", ("H1", "H2", "H3"), rules=("H1/", "H2/", "H3/", "S1/"), shown_by=WORKLOADS),
    Practice(
        2, "Circuit breakers", ("B1", "B3", "B4", "B5", "B6", "B7", "B8", "B9", "R10"), ("B", "I4/"), proof=("B1",)
    ),
    Practice(3, "Timeouts", ("T1", "T2", "K1"), ("T", "I3/"), proof=("T1", "T2")),
    Practice(4, "Retry logic", ("R1", "R2", "R3", "R4", "R5", "R6", "R8", "D2"), ("R", "D2/"), proof=("R1", "R3")),
    Practice(5, "Service mesh", rules=("I", "L", "P"), shown_by=MESHES),
    Practice(6, "Resource limits", rules=("K8S/resources", "K8S/memory", "K8S/cpu"), shown_by=WORKLOADS),
    Practice(7, "Session management", ("D4", "D6", "F2"), ("D5/", "D6/", "KATO/sessions"), proof=("D6",)),
    Practice(8, "Monitoring", ("O1",)),
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one law said under one scenario, or one audit rule of one place."""

    of: str
    status: str
    where: str
    reason: str
    witnesses: tuple[Mapping[str, Any], ...] = ()
    cure: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """A practice with its status (pass, fail, not_proven) and what that rests on, failures first. `wanted`: why nothing
    was proven, one reason each of what might have."""

    number: int
    name: str
    status: str
    evidence: tuple[Evidence, ...]
    wanted: tuple[str, ...] = ()


def practices(integration: str, manifests: Sequence[Path], options: Options) -> tuple[Held, ...]:
    """Judge the client and read the manifests; an empty name or list leaves that part out."""
    verdicts = list(_judged(integration, options)) if integration else []
    findings: list[Finding] = []
    if manifests:
        from harness.manifests import audit  # a list without manifests shall not wait for them

        findings = audit(list(manifests))
    text = "".join(_texts(manifests))
    return tuple(_held(practice, verdicts, findings, text) for practice in PRACTICES)


def _texts(manifests: Sequence[Path]) -> Iterable[str]:
    for path in manifests:
        files = sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]
        yield from (each.read_text(errors="replace") for each in files)


def _judged(integration: str, options: Options) -> Iterable[tuple[str, Verdict]]:
    scenarios = [load_scenario(shipped_scenario(name)) for name in SCENARIOS]
    jobs = [Job(prepare(scenario, options)) for scenario in scenarios]
    for name, result in zip(SCENARIOS, simulate_many(jobs), strict=True):
        if result.error is not None:
            raise result.error
        if result.judgement is not None:
            yield from ((name, verdict) for verdict in result.judgement.verdicts)


def _held(practice: Practice, verdicts: Sequence[tuple[str, Verdict]], findings: Sequence[Finding], text: str) -> Held:
    told = [
        Evidence(f"{v.law} {v.name}", v.status, f"scenario {scenario}", v.reason, v.witnesses, v.cure)
        for scenario, v in verdicts
        if v.law in practice.laws and v.status in ("fail", "warn", "pass")
    ]
    mine = [found for found in findings if found.rule.startswith(practice.rules)] if practice.rules else []
    told += [Evidence(f.rule, "fail" if f.severity == "gate" else "warn", f.where, f.reason, cure=f.cure) for f in mine]
    if not mine and any(word in text for word in practice.shown_by):
        told.append(Evidence(AUDIT, "pass", "manifests", "no rule of this practice is broken"))
    order = ("fail", "warn", "pass")
    told.sort(key=lambda each: order.index(each.status))
    shown = any(each.status == "pass" and _proves(practice, each.of) for each in told)
    status = "fail" if any(each.status == "fail" for each in told) else "pass" if shown else "not_proven"
    wanted = tuple(_wanted(practice, verdicts, text)) if status == "not_proven" else ()
    return Held(practice.number, practice.name, status, tuple(told), wanted)


def _proves(practice: Practice, of: str) -> bool:
    return of == AUDIT or of.split(" ")[0] in (practice.proof or practice.laws)


def exit_code(held: Sequence[Held]) -> int:
    """1 where a practice failed, 5 where none was proven, else 0."""
    found = {each.status for each in held}
    return EXIT_FAILED if "fail" in found else EXIT_OK if "pass" in found else EXIT_UNPROVEN


def plain(held: Sequence[Held]) -> list[dict[str, Any]]:
    """As JSON takes it."""
    return [asdict(each) for each in held]


def words(held: Sequence[Held]) -> str:
    """Lines for people: each practice, then what broke it, or what proved it, or why nothing did."""
    lines = []
    for each in held:
        lines.append(f"{each.status.replace('_', ' ').upper():10}  {each.number} {each.name}")
        seen: set[str] = set()
        for told in each.evidence:
            if told.status in ("fail", "warn") and told.of not in seen:
                seen.add(told.of)
                lines += _broken(told)
        proven = sorted({told.of.split(" ")[0] for told in each.evidence if told.status == "pass"})
        if each.status == "pass":
            lines.append(f"    proven by {', '.join(proven)}")
        lines += [f"    not proven: {reason}" for reason in each.wanted]
    return "\n".join(lines) + "\n"


def _broken(told: Evidence) -> list[str]:
    calls = ", ".join(str(witness["call"]) for witness in told.witnesses[:3] if "call" in witness)
    hint = "warning: " if told.status == "warn" else ""
    lines = [f"    {hint}{told.of} ({told.where}): {told.reason}" + (f" [calls {calls}]" if calls else "")]
    return [*lines, f"      cure: {told.cure}"] if told.cure else lines


def _wanted(practice: Practice, verdicts: Sequence[tuple[str, Verdict]], text: str) -> Iterable[str]:
    """Why neither a law nor the manifests prove the practice."""
    proof = practice.proof or practice.laws
    found = {v.law: v.reason for _, v in verdicts if v.law in proof}
    for reason in dict.fromkeys(found.values()):
        yield f"{', '.join(f'{law} {LAWS[law].name}' for law in proof if found.get(law) == reason)}: {reason}"
    if proof and not found:
        yield f"no client was judged by {', '.join(proof)}: --integration"
    if not practice.rules:
        return
    if not text:
        yield "no manifests were read: --manifests"
    elif practice.shown_by and not any(word in text for word in practice.shown_by):
        yield f"the manifests hold none of {', '.join(practice.shown_by)}"
