"""SLO lines while a run goes on: `abort_if` over a sliding window, and `steady_state` before the first fault."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.evidence.history import History
from harness.evidence.table import Table
from harness.model import Span
from harness.slo.grammar import parse
from harness.slo.judge import evaluate, judge


def abort_reason(conditions: Iterable[str], history: History, now_ns: int) -> str | None:
    """The first condition that is true of the calls that *ended* in its window before `now_ns`, in words; else None.

    A call counts when it ends: one that is still in flight has no outcome yet. A condition without data is not true,
    nor is one that the sample can't decide, nor one whose window reaches back before the run.
    """
    begun_ns = min((span.start_ns for span in history.phases), default=now_ns)
    for text in conditions:
        slo = parse(text)
        start_ns = now_ns - round(slo.window_s * 1e9)
        if start_ns < begun_ns:
            continue
        ended = history.calls.where((history.calls["end_ns"] > start_ns) & (history.calls["end_ns"] <= now_ns))
        shifted = _at_their_end(ended)
        window = History(calls=shifted, attempts=history.attempts, phases=(Span("window", start_ns, now_ns),))
        status, measured, _, _ = judge(slo, window)
        if status == "pass":
            return f"{text}: {measured}"
    return None


def _at_their_end(calls: Table) -> Table:
    """The calls moved in time so that each is meant to start when it really ended; its durations stay."""
    shift = calls["end_ns"] - 1 - calls["intended_ns"]
    moved = {name: calls[name] + shift for name in ("intended_ns", "ready_ns", "start_ns", "end_ns")}
    return Table({**calls.columns, **moved})


def unsteady(names: Sequence[str], slos: Iterable[Mapping[str, Any]], history: History) -> tuple[str, ...]:
    """Why the steady state does not hold: one line for each named SLO that isn't a pass on the calls so far.

    `history` holds the baseline's calls and a phase `baseline` that ends now.
    """
    chosen = [each for each in slos if each["name"] in names]
    results = evaluate(chosen, history)
    return tuple(
        f"{result.name}: {result.expression}: {result.reason or result.status}"
        for result in results
        if result.status != "pass"
    )
