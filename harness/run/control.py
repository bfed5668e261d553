"""Control against experiment: the same client, plan and machine without the faults, right before each run.

A law that fails in both says nothing about the faults: so much is told beside its verdict.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.model import Span
from harness.scenario import Timeline

if TYPE_CHECKING:
    from harness.laws.judge import Judgement

SUFFIX = "-control"


def control_of(folder: Path) -> Path:
    """Where the control of a run folder lies: beside it."""
    return folder.with_name(folder.name + SUFFIX)


def without_faults(timeline: Timeline) -> Timeline:
    """The same load with nothing broken: all between warm-up and cool-down is baseline."""
    kept = {span.name: span for span in timeline.phases if span.name in ("warmup", "cooldown")}
    start_ns = kept["warmup"].end_ns if "warmup" in kept else 0
    end_ns = kept["cooldown"].start_ns if "cooldown" in kept else timeline.end_ns
    spans = (kept.get("warmup"), Span("baseline", start_ns, end_ns), kept.get("cooldown"))
    return replace(timeline, faults=(), phases=tuple(span for span in spans if span is not None))


def beside_control(judgement: Judgement, control: Judgement) -> Judgement:
    """The judgement with what its control says of it: laws that fail without a fault too, and whether it was sound."""
    from harness.laws.registry import LAWS  # late: a run needs no laws before it is over

    failing = {verdict.law for verdict in control.verdicts if verdict.status == "fail"}
    broken = sorted(law for law in failing if LAWS[law].gate)
    verdicts = tuple(
        replace(verdict, reason=f"{verdict.reason} (without a fault too: see the control)")
        if verdict.status == "fail" and verdict.law in failing
        else verdict
        for verdict in judgement.verdicts
    )
    both = [verdict.law for verdict in judgement.verdicts if verdict.status == "fail" and verdict.law in failing]
    if broken:
        words = f"the control is invalid itself ({', '.join(broken)}): this machine could not carry the load today"
    elif both:
        words = f"not for the faults: {', '.join(both)} failed in the control as well"
    else:
        words = "whatever failed here held in the control: same client, plan and machine without faults"
    return replace(judgement, verdicts=verdicts, notices=(*judgement.notices, words))
