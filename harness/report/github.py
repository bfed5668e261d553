"""GitHub Actions: a step summary in Markdown, and annotations that stand beside the client's own lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.model import SloResult, Verdict
from harness.report.summary import (
    EXIT_MEANINGS,
    FAULTY,
    accounting_line,
    applicable,
    headline,
    moves_exit,
    not_applicable_line,
    one_line,
    place_of,
    slo_said,
    standing,
    subject_line,
)
from harness.report.words import STATUS_SIGNS, status_label

if TYPE_CHECKING:
    from harness.evidence import Run
    from harness.laws.judge import Judgement


def render(run: Run, judgement: Judgement) -> bytes:
    """The step summary as Markdown: append it to the file that GITHUB_STEP_SUMMARY names."""
    question = one_line(str(run.manifest.get("run", {}).get("question", "")))
    lines = [
        f"## {_text(headline(judgement))}",
        "",
        *([f"**{_text(question)}**", ""] if question else []),
        f"{_text(subject_line(run.manifest))} · exit {judgement.exit_code}: {EXIT_MEANINGS[judgement.exit_code]}",
        "",
        *_table(("Verdict", "Law", "Why"), [_law_row(run, verdict) for verdict in applicable(judgement.verdicts)]),
        *_table(("SLO", "Expression", "Measured", "Samples"), [_slo_row(slo) for slo in judgement.slos]),
        *(f"- {f.rule} `{f.where}`: {_text(f.reason)}; {_text(f.cure)}" for f in judgement.findings),
        *(f"- {_text(notice)}" for notice in judgement.notices),
        "",
        f"{_text(accounting_line(run.manifest))} · {_text(not_applicable_line(judgement.verdicts))}",
        "",
    ]
    return "\n".join(lines).encode()


def commands(run: Run, judgement: Judgement) -> bytes:
    """Workflow commands to print to stdout: `::error` where the exit code is decided, `::warning` for the rest."""
    told = [verdict for verdict in applicable(judgement.verdicts) if verdict.status in FAULTY]
    slos = [slo for slo in judgement.slos if slo.status in ("fail", "invalid")]
    lines = [_law_command(run, verdict) for verdict in told] + [_slo_command(slo) for slo in slos]
    return "".join(f"{line}\n" for line in lines).encode()


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    if not rows:
        return []
    return [_row(head), _row(("---",) * len(head)), *(_row(row) for row in rows), ""]


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def _law_row(run: Run, verdict: Verdict) -> tuple[str, ...]:
    place = place_of(verdict, run.manifest)
    why = (f"`{place}` " if place else "") + _text(verdict.reason)
    notes = f" _({_text(note)})_" if (note := standing(verdict)) else ""
    cure = f"<br>cure: {_text(verdict.cure)}" if verdict.cure and verdict.status in FAULTY else ""
    return (_mark(verdict), f"{verdict.law} {verdict.name}", why + notes + cure)


def _slo_row(slo: SloResult) -> tuple[str, ...]:
    return (f"{_mark(slo)} {_text(slo.name)}", f"`{_text(slo.expression)}`", _text(slo.measured), f"{slo.samples:,}")


def _mark(verdict: Verdict | SloResult) -> str:
    mark = f"{STATUS_SIGNS[verdict.status]} {status_label(verdict.status)}"
    return f"**{mark}**" if verdict.status in ("fail", "invalid") and moves_exit(verdict) else mark


def _text(text: str) -> str:
    escaped = one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return escaped.replace("|", "&#124;")


def _law_command(run: Run, verdict: Verdict) -> str:
    place = place_of(verdict, run.manifest)
    where = f"file={_property(place.file)},line={place.line}," if place else ""
    title = _property(f"{verdict.law} {verdict.name}")
    cure = f"\ncure: {verdict.cure}" if verdict.cure else ""
    return f"::{_level(verdict)} {where}title={title}::{_message(verdict.reason + cure)}"


def _slo_command(slo: SloResult) -> str:
    return f"::{_level(slo)} title={_property(f'SLO {slo.name}')}::{_message(slo_said(slo))}"


def _level(verdict: Verdict | SloResult) -> str:
    return "error" if verdict.status in ("fail", "invalid") and moves_exit(verdict) else "warning"


def _message(text: str) -> str:
    """Escaped as the workflow command's data (GitHub's toolkit: %, CR, LF)."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """Escaped as a workflow command's property (also colon and comma)."""
    return _message(text).replace(":", "%3A").replace(",", "%2C")
