"""Tables as the page sets them: cells of text from a frame's numbers, and the same numbers as CSV to take away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from harness.report.words import UNKNOWN, figures

if TYPE_CHECKING:
    import pandas as pd


MOST_ROWS = 500
"""A table shows the first rows up to this many; the run folder has them all."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A text, whether it is a number (set flush right), and a smaller remark below it."""

    text: str
    numeric: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Grid:
    """A table: its head, its rows, a data URI of the CSV (empty: none offered), and how many rows were left out."""

    head: tuple[Cell, ...]
    rows: tuple[tuple[Cell, ...], ...]
    csv: str = ""
    left_out: int = 0


def plain(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Grid:
    """A table of texts."""
    return Grid(tuple(Cell(name) for name in head), tuple(tuple(Cell(text) for text in row) for row in rows))


def from_frame(
    frame: pd.DataFrame, hidden: Sequence[str] = (), notes: Mapping[str, Sequence[str]] | None = None
) -> Grid:
    """A table of a frame, numbers with three digits: `hidden` columns only in the CSV, `notes` by column below."""
    whole, frame = len(frame), frame.head(MOST_ROWS)
    shown = [name for name in frame.columns if name not in hidden]
    numeric = [frame[name].dtype.kind in "iuf" for name in shown]
    texts = [_texts(frame[name]) for name in shown]
    below = [(notes or {}).get(name) or [""] * len(frame) for name in shown]
    columns = [
        [Cell(text, number, note) for text, note in zip(column, remarks, strict=True)]
        for column, number, remarks in zip(texts, numeric, below, strict=True)
    ]
    head = tuple(Cell(name, number) for name, number in zip(shown, numeric, strict=True))
    return Grid(head, tuple(zip(*columns, strict=True)), csv_uri(frame), whole - len(frame))


def _texts(column: pd.Series[Any]) -> list[str]:
    """Whole numbers where all are whole, else three digits each; starts of bins as they are."""
    if column.dtype.kind not in "iuf":
        return [str(value) for value in column]
    if str(column.name).startswith("from "):
        return [f"{value:g}" for value in column.tolist()]
    whole = all(value != value or value == round(value) for value in column.tolist())
    return [UNKNOWN if value != value else f"{value:,.0f}" if whole else figures(value) for value in column.tolist()]


def csv_uri(frame: pd.DataFrame) -> str:
    """The frame as CSV in a data URI: a download that needs no network."""
    text = frame.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    return f"data:text/csv;charset=utf-8,{quote(text, safe=',.-:/()')}"
