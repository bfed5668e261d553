"""Witnesses unfolded: the call that a verdict points at, with its attempts and arrivals laid along its time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.evidence.history import History
from harness.evidence.table import Table
from harness.model import Verdict
from harness.report.words import duration, moment

MOST_EVENTS = 30
"""Of a call with more attempts and arrivals the first ones are shown."""


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a witness: what it was, when it began and how long it took, and its bar in % of the whole."""

    kind: str
    start: str
    lasted: str
    said: str
    left: float
    width: float


@dataclass(frozen=True, slots=True)
class Witness:
    """One witness: its title, what the law noted about it, and the events of its call in order of time."""

    title: str
    notes: tuple[tuple[str, str], ...]
    events: tuple[Event, ...]


Rows = Mapping[int, list[dict[str, Any]]]


def unfold(history: History, verdicts: Sequence[Verdict], start_ns: int) -> dict[str, tuple[Witness, ...]]:
    """The witnesses of each law id; each table is searched once for all of them."""
    wanted = sorted({_call_of(row) for verdict in verdicts for row in verdict.witnesses} - {0})
    tables = {name: _rows_of(getattr(history, name), wanted) for name in ("calls", "attempts", "arrivals")}
    return {v.law: tuple(_witness(row, tables, start_ns) for row in v.witnesses) for v in verdicts if v.witnesses}


def _call_of(witness: Mapping[str, Any]) -> int:
    call = witness.get("call")
    return int(call) if isinstance(call, (int, np.integer)) else 0


def _rows_of(table: Table, calls: Sequence[int]) -> Rows:
    found: dict[int, list[dict[str, Any]]] = {}
    for row in table.where(np.isin(table["call"], calls)).rows():
        found.setdefault(row["call"], []).append(row)
    return found


def _witness(witness: Mapping[str, Any], tables: Mapping[str, Rows], start_ns: int) -> Witness:
    call = _call_of(witness)
    own = {name: rows.get(call, []) for name, rows in tables.items()}
    known = own["calls"][0] if own["calls"] else {}
    notes = tuple(
        (key, _note(key, value, start_ns))
        for key, value in witness.items()
        if key != "call" and known.get(key) != value
    )
    title = f"call {call}" if call else "no single call"
    if known:
        title += f" · {known['op']}" + (f" · session {known['session']}" if known["session"] else "")
    return Witness(title, notes, _events(own, start_ns))


def _note(key: str, value: Any, start_ns: int) -> str:
    if key.endswith("_ns") and isinstance(value, (int, float, np.number)):
        return moment(float(value) - start_ns) if value > start_ns > 0 else duration(float(value))
    return str(value)


def _events(own: Mapping[str, list[dict[str, Any]]], start_ns: int) -> tuple[Event, ...]:
    spans = [
        *((row["intended_ns"], row["end_ns"], "call", _call_said(row)) for row in own["calls"]),
        *((row["start_ns"], row["end_ns"], f"attempt {row['attempt']}", _attempt_said(row)) for row in own["attempts"]),
        *(
            (row["arrive_ns"], _left(row), f"arrival {row['attempt'] or ''}".strip(), _arrival_said(row))
            for row in own["arrivals"]
        ),
    ]
    if not spans:
        return ()
    begin, end = min(span[0] for span in spans), max(span[1] for span in spans)
    whole = max(end - begin, 1)
    order = sorted(spans, key=lambda span: (span[2] != "call", span[0]))[:MOST_EVENTS]
    return tuple(
        Event(
            kind, moment(start - start_ns), duration(max(stop - start, 0)), said,
            round(100 * (start - begin) / whole, 2), round(100 * max(stop - start, 0) / whole, 2),
        )
        for start, stop, kind, said in order
    )  # fmt: skip


def _left(row: Mapping[str, Any]) -> int:
    return int(row["reply_ns"] or row["disconnect_ns"] or row["arrive_ns"])


def _call_said(row: Mapping[str, Any]) -> str:
    waited = row["start_ns"] - row["intended_ns"]
    parts = [row["outcome"], row["error"], str(row["status"] or ""), row["detail"]]
    return _joined(*parts, f"started {duration(waited)} after it was due" if waited > 1_000_000 else "")


def _attempt_said(row: Mapping[str, Any]) -> str:
    reused = "reused connection" if row["reused"] else "new connection"
    return _joined(
        row["result"],
        str(row["status"] or ""),
        f"{reused} {row['connection']}" if row["connection"] else "",
        row["detail"],
    )


def _arrival_said(row: Mapping[str, Any]) -> str:
    replied = str(row["status"] or "") if row["reply_ns"] else "cut before a reply"
    committed = f"commit {row['commit_seq']}" if row["commit_seq"] else "not committed"
    return _joined(
        replied,
        committed,
        f"fault {row['fault']}" if row["fault"] else "",
        f"paired by {row['paired_by']}" if row["paired_by"] else "",
    )


def _joined(*parts: str) -> str:
    return " · ".join(part for part in parts if part)
