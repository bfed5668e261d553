"""The HTML report: one file that opens anywhere offline, equal bytes for equal evidence."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from harness.evidence.history import History
from harness.model import Verdict
from harness.report import details, palette, panels, queue, summary, tables, words
from harness.report.frames import traffic, validity
from harness.report.frames.phases import LEVELS, outcome_table, phase_table
from harness.report.frames.timeline import timeline
from harness.report.witnesses import Witness, unfold

if TYPE_CHECKING:
    from harness.evidence import Run
    from harness.laws.judge import Judgement

QUIET = ("not_exercised", "pass", "not_applicable")
"""Statuses whose verdicts the page folds to a line each group, so that the others stand out."""

_PAGE = Path(__file__).parent / "page"


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict with what the page says beside it."""

    verdict: Verdict
    place: summary.Place | None
    standing: str
    decisive: bool
    witnesses: tuple[Witness, ...]


def render(run: Run, judgement: Judgement) -> bytes:
    """The page as UTF-8: verdicts first, then what happened, the policy, the faults, and whether to believe it."""
    environment = Environment(
        loader=FileSystemLoader(_PAGE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals |= {"sign": words.STATUS_SIGNS, "label": words.status_label, "faulty": summary.FAULTY}
    environment.filters["prose"] = _prose
    style = palette.css() + (_PAGE / "report.css").read_text("utf-8")
    page = environment.get_template("report.html.j2")
    return page.render(style=Markup(style), **_verdicts(run, judgement), **_evidence(run, judgement)).encode()


def _verdicts(run: Run, judgement: Judgement) -> dict[str, Any]:
    manifest = run.manifest
    described = manifest.get("run", {})
    witnesses = unfold(run.history, judgement.verdicts, int(manifest.get("start_ns", 0)))
    judged = [
        _judged(run, verdict, witnesses.get(verdict.law, ())) for verdict in summary.worst_first(judgement.verdicts)
    ]
    return {
        "name": described.get("name") or run.folder.name,
        "question": described.get("question") or "A run without a question",
        "subject": summary.subject_line(manifest),
        "headline": summary.headline(judgement),
        "exit_code": judgement.exit_code,
        "meaning": summary.EXIT_MEANINGS[judgement.exit_code],
        "tally": summary.tally(judgement),
        "shown": [each for each in judged if each.verdict.status not in QUIET],
        "folded": [(status, [each for each in judged if each.verdict.status == status]) for status in QUIET],
        "slos": judgement.slos,
        "findings": judgement.findings,
        "notices": judgement.notices,
    }


def _judged(run: Run, verdict: Verdict, witnesses: tuple[Witness, ...]) -> Judged:
    decisive = verdict.status in ("fail", "invalid") and summary.moves_exit(verdict)
    return Judged(verdict, summary.place_of(verdict, run.manifest), summary.standing(verdict), decisive, witnesses)


def _evidence(run: Run, judgement: Judgement) -> dict[str, Any]:
    manifest, history = run.manifest, run.history
    axis = timeline(history, int(manifest.get("start_ns", 0)), int(manifest.get("end_ns", 0)))
    seen = panels.view(history, axis)
    return {
        "accounting": summary.accounting_line(manifest),
        "fault_names": panels.fault_names(seen.bands),
        "story": panels.story(seen),
        "spectrum": panels.percentiles(seen),
        "phases": _phases(seen),
        "outcome_times": tables.from_frame(outcome_table(history)),
        "attempts": tables.from_frame(traffic.attempts_by_phase(history, seen.attempts)),
        "times": _times(history),
        "queue": queue.lines(history),
        "faults": details.faults(history, axis.start_ns),
        "policy": details.policy(manifest),
        "health": details.health(run, judgement),
        "health_panels": panels.health(seen),
        "processes": tables.from_frame(validity.processes(history)),
        "run_facts": details.run_facts(manifest),
        "scenario": details.scenario(manifest),
    }


def _times(history: History) -> tables.Grid:
    meanings = [meaning for _, _, meaning in validity.TIMES.values()]
    return tables.from_frame(validity.times_of_a_call(history), notes={"time": meanings})


def _phases(seen: panels.View) -> tables.Grid:
    frame = phase_table(seen.history, seen.by_phase, seen.axis)
    bounds = [f"{label} {side}" for label in LEVELS for side in ("low", "high")]
    rows = frame.to_dict("records")
    notes = {f"{label} ms": [_bounds(row[f"{label} low"], row[f"{label} high"]) for row in rows] for label in LEVELS}
    return tables.from_frame(frame, [name for name in bounds if name in frame], notes)


def _bounds(low: float, high: float) -> str:
    """The interval as text; one-sided where the calls carry one side only."""
    if math.isfinite(low) and math.isfinite(high):
        return f"{words.figures(low)} to {words.figures(high)}"
    if math.isfinite(low):
        return f"≥ {words.figures(low)}"
    return f"≤ {words.figures(high)}" if math.isfinite(high) else ""


def _prose(text: str) -> Markup:
    """Text with `quoted` names set as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))
