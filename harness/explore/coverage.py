"""What an exploration has covered: its places, what became of each, and both as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from harness.explore.space import OPS

State = Literal["tried", "not felt", "same", "never called", "left out"]
STATES: tuple[State, ...] = ("tried", "not felt", "same", "never called", "left out")
TITLES = {"open_session": "create", "observe": "observe", "predict": "predict", "": "any"}


@dataclass(frozen=True, slots=True)
class Place:
    """One schedule of the space. `attempt`: first, second (after `before`), or every. `laws` failed it that don't fail
    without a fault; `same` as another place: it can't differ from that."""

    phase: str
    fault: str
    op: str
    attempt: Literal["first", "second", "every"]
    state: State
    laws: tuple[str, ...] = ()
    before: str = ""


def counted(places: Iterable[Place]) -> dict[str, int]:
    """How many places are in which state."""
    counts = Counter(place.state for place in places)
    return {state: counts[state] for state in STATES if counts[state]}


def grid(places: Sequence[Place]) -> str:
    """Faults by operation, one request and every request; laws where some failed."""
    cells: dict[tuple[str, ...], str] = {
        (p.phase, p.fault, p.op, p.attempt): _cell(p) for p in places if p.attempt != "second"
    }
    columns = [(op, "first") for op in OPS] + [(op, "every") for op in (*OPS, "")]
    heads = [f"{'1' if attempt == 'first' else 'all'} {TITLES[op]}" for op, attempt in columns]
    rows: list[list[str]] = []
    for phase, fault in dict.fromkeys((place.phase, place.fault) for place in places if place.attempt != "second"):
        rows.append([f"{phase}: {fault}", *(cells.get((phase, fault, *column), "") for column in columns)])
    widths = [max(len(row[at]) for row in [["", *heads], *rows]) for at in range(len(columns) + 1)]
    lines = [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in [["", *heads], *rows]
    ]
    return "\n".join(lines) + "\n"


def _cell(place: Place) -> str:
    if place.state == "tried":
        return " ".join(place.laws) or "ok"
    return {"not felt": "-", "same": "=", "never called": "-", "left out": "?"}[place.state]


def plain(places: Iterable[Place]) -> list[dict[str, Any]]:
    """As JSON takes it."""
    return [
        {
            "phase": p.phase, "fault": p.fault, "op": p.op, "attempt": p.attempt, "before": p.before,
            "state": p.state, "laws": list(p.laws),
        }
        for p in places
    ]  # fmt: skip
