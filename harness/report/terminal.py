"""The verdicts on a terminal: a rich table where a person watches, plain lines in CI, in pipes and with NO_COLOR."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from harness.report import queue
from harness.report.summary import (
    EXIT_MEANINGS,
    FAULTY,
    accounting_line,
    applicable,
    headline,
    not_applicable_line,
    one_line,
    place_of,
    slo_said,
    standing,
    subject_line,
    verdict_line,
)
from harness.report.whereabouts import said, whereabouts
from harness.report.words import STATUS_SIGNS, UNKNOWN, status_label

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from harness.evidence import Run
    from harness.laws.judge import Judgement
    from harness.model import SloResult, Verdict

LOG_WIDTH = 140
"""Columns of a table in a log, which has no width of its own."""

_STYLES = {"fail": "bold red", "invalid": "bold magenta", "warn": "yellow", "inconclusive": "cyan", "pass": "green"}


def render(run: Run, judgement: Judgement) -> bytes:
    """The verdicts as plain UTF-8 lines."""
    return ("\n".join(_lines(run, judgement)) + "\n").encode()


def show(run: Run, judgement: Judgement, out: TextIO, report: str = "") -> None:
    """Print the verdicts to `out`, as a table where it is a terminal and NO_COLOR is unset; `report` is its file."""
    if _is_watched(out):
        _show_table(run, judgement, _console(out))
    else:
        out.write(render(run, judgement).decode())
    if report:
        out.write(f"report: {report}\n")


def side_by_side(judgements: Sequence[tuple[str, Judgement]], out: TextIO) -> None:
    """Print one table: a law or SLO a row, a labelled judgement a column; laws decided for none are left out."""
    table = _table()
    table.add_column("law", no_wrap=True)
    for label, _ in judgements:
        table.add_column(label, ratio=1)
    by_law = [{verdict.law: verdict for verdict in judgement.verdicts} for _, judgement in judgements]
    for law, name in _laws([judgement for _, judgement in judgements]):
        if all(law in verdicts for verdicts in by_law) and not any(_decided(verdicts[law]) for verdicts in by_law):
            continue
        table.add_row(f"{law} {name}", *(_cell(verdicts.get(law)) for verdicts in by_law))
    by_slo = [{slo.name: slo for slo in judgement.slos} for _, judgement in judgements]
    for name in dict.fromkeys(name for slos in by_slo for name in slos):
        table.add_row(f"SLO {name}", *(_cell(slos.get(name)) for slos in by_slo))
    table.add_section()
    table.add_row("exit code", *(f"{j.exit_code} {EXIT_MEANINGS[j.exit_code]}" for _, j in judgements))
    _console(out).print(table)


def _decided(verdict: Verdict) -> bool:
    return verdict.status in ("pass", "fail", "warn", "invalid")


def _lines(run: Run, judgement: Judgement) -> list[str]:
    manifest = run.manifest
    question = one_line(str(manifest.get("run", {}).get("question", "")))
    return [
        *([question] if question else []),
        subject_line(manifest),
        *(verdict_line(verdict, manifest) for verdict in applicable(judgement.verdicts)),
        *(_slo_line(slo) for slo in judgement.slos),
        *(one_line(f"FINDING {f.rule} {f.where} {f.reason}; {f.cure}") for f in judgement.findings),
        *(one_line(f"NOTICE {notice}") for notice in judgement.notices),
        not_applicable_line(judgement.verdicts),
        accounting_line(manifest),
        *_slow(run, judgement),
        *queue.lines(run.history),
        headline(judgement),
        _exit_line(judgement),
    ]


def _slow(run: Run, judgement: Judgement) -> list[str]:
    """Where the time went, in a run that missed an objective."""
    line = said(whereabouts(run.history)) if any(slo.status == "fail" for slo in judgement.slos) else ""
    return [line] if line else []


def _slo_line(slo: SloResult) -> str:
    label = status_label(slo.status).upper()
    return one_line(f"{label} SLO {slo.name}: {slo_said(slo)}")


def _exit_line(judgement: Judgement) -> str:
    return f"exit {judgement.exit_code}: {EXIT_MEANINGS[judgement.exit_code]}"


def _laws(judgements: Sequence[Judgement]) -> list[tuple[str, str]]:
    told = [verdict for judgement in judgements for verdict in judgement.verdicts]
    return list(dict.fromkeys((verdict.law, verdict.name) for verdict in applicable(told)))


def _is_watched(out: TextIO) -> bool:
    return out.isatty() and not os.environ.get("NO_COLOR")


def _console(out: TextIO) -> Console:
    from rich.console import Console

    watched = _is_watched(out)
    width = None if watched or os.environ.get("COLUMNS") else LOG_WIDTH
    return Console(file=out, no_color=not watched, highlight=False, markup=False, width=width)


def _table() -> Table:
    from rich import box
    from rich.table import Table

    return Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")


def _cell(verdict: Verdict | SloResult | None) -> str:
    if verdict is None or verdict.status == "not_applicable":
        return UNKNOWN
    reason = f": {one_line(verdict.reason)}" if verdict.status != "pass" else ""
    return f"{STATUS_SIGNS[verdict.status]} {status_label(verdict.status)}{reason}"


def _show_table(run: Run, judgement: Judgement, console: Console) -> None:
    from rich.text import Text

    table = _table()
    for column in ("verdict", "law", "why"):
        table.add_column(column, no_wrap=column != "why", ratio=1 if column == "why" else None)
    for verdict in applicable(judgement.verdicts):
        table.add_row(_mark(verdict.status), verdict.law, _why(run, verdict))
    for slo in judgement.slos:
        table.add_row(_mark(slo.status), "SLO", Text.assemble((f"{slo.name} ", "bold"), slo_said(slo)))
    console.print(Text(str(run.manifest.get("run", {}).get("question", "")), "bold"))
    console.print(Text(subject_line(run.manifest), "dim"))
    console.print(table)
    told = (*judgement.notices, not_applicable_line(judgement.verdicts), accounting_line(run.manifest))
    for line in (*told, *_slow(run, judgement), *queue.lines(run.history)):
        console.print(Text(line, "dim"))
    console.print(Text(headline(judgement), _STYLES["fail" if judgement.exit_code else "pass"]))
    console.print(Text(_exit_line(judgement), "dim"))


def _mark(status: str) -> Text:
    from rich.text import Text

    return Text(f"{STATUS_SIGNS[status]} {status_label(status)}", _STYLES.get(status, "dim"))


def _why(run: Run, verdict: Verdict) -> Text:
    from rich.text import Text

    place = place_of(verdict, run.manifest)
    notes = standing(verdict)
    cure = verdict.cure if verdict.status in FAULTY else ""
    return Text.assemble(
        (verdict.name, "bold"),
        (f" {place}" if place else "", "underline"),
        f" {one_line(verdict.reason)}",
        (f" ({notes})" if notes else "", "dim"),
        (f"\ncure: {one_line(cure)}" if cure else "", "italic"),
    )
