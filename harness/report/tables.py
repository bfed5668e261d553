"""Tables as the page sets them: cells of text from a frame's numbers, and the same numbers as CSV to take away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from harness.report.words import UNKNOWN, digits

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Cell:
    """A text, whether it is a number (set flush right), and a smaller remark below it."""

    text: str
    numeric: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Grid:
    """A table: its head, its rows, and a data URI of the CSV (empty: none offered)."""

    head: tuple[Cell, ...]
    rows: tuple[tuple[Cell, ...], ...]
    csv: str = ""


def plain(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Grid:
    """A table of texts."""
    return Grid(tuple(Cell(name) for name in head), tuple(tuple(Cell(text) for text in row) for row in rows))


def from_frame(
    frame: pd.DataFrame, hidden: Sequence[str] = (), notes: Mapping[str, Sequence[str]] | None = None
) -> Grid:
    """A table of a frame, numbers with three digits: `hidden` columns only in the CSV, `notes` by column below."""
    shown = [name for name in frame.columns if name not in hidden]
    numeric = {name: frame[name].dtype.kind in "iufb" for name in shown}
    columns = [
        [
            Cell(_text(value), numeric[name], note)
            for value, note in zip(frame[name], _notes(notes, name, len(frame)), strict=True)
        ]
        for name in shown
    ]
    head = tuple(Cell(name, numeric[name]) for name in shown)
    return Grid(head, tuple(zip(*columns, strict=True)), csv_uri(frame))


def _notes(notes: Mapping[str, Sequence[str]] | None, name: str, size: int) -> Sequence[str]:
    return (notes or {}).get(name) or [""] * size


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return UNKNOWN if value != value else digits(float(value))


def csv_uri(frame: pd.DataFrame) -> str:
    """The frame as CSV in a data URI: a download that needs no network."""
    text = frame.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    return f"data:text/csv;charset=utf-8,{quote(text, safe=',.-:/()')}"
