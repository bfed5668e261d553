"""The map of recovery as text, JSON and a page of its own: rows triggers, columns loads."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from math import isnan
from typing import Any

from harness.laws.recovery_map import Cell

MEANINGS: Mapping[str, str] = {
    "returns": "in band again at the same load",
    "late": "broken for longer than it may be after the trigger is gone; back by itself, without halving the load",
    "metastable": "broken after the trigger is gone, at the load that was fine; back only when the load was halved",
    "damaged": "broken after the trigger is gone, also when the load was halved for 30 s and restored",
    "overloaded": "not fine before the trigger: no load for this map",
    "stays": "broken after the trigger is gone",
}
COLOURS: Mapping[str, str] = {
    "returns": "#d5ecd9", "late": "#f5ebb8", "metastable": "#f6d0a8", "damaged": "#efb3ab", "stays": "#efb3ab",
    "overloaded": "#dddddd",
}  # fmt: skip


def words(cell: Cell) -> str:
    """A cell in a few words."""
    back = f" in {cell.back_s:.0f} s" if cell.state in ("returns", "late") else ""
    return f"{cell.state}{back}"


def text(cells: Sequence[Cell]) -> str:
    """The map for a terminal, and what its words mean."""
    loads = list(dict.fromkeys(cell.load for cell in cells))
    rows = [["trigger", *(f"{load:.0%}" for load in loads)]]
    rows += [[f"{trigger:g} s", *map(words, line)] for trigger, line in _lines(cells)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(loads) + 1)]
    lines = ["  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines += ["", *(f"{state}: {MEANINGS[state]}" for state in dict.fromkeys(cell.state for cell in cells))]
    return "\n".join(lines) + "\n"


def plain(cells: Sequence[Cell]) -> list[dict[str, Any]]:
    """As JSON takes it; `back_s` null: it did not come back."""
    return [
        {"trigger_s": c.trigger_s, "load": c.load, "state": c.state, "back_s": None if isnan(c.back_s) else c.back_s}
        for c in cells
    ]


def page(title: str, cells: Sequence[Cell]) -> str:
    """The map as one HTML file without anything from elsewhere; colour never speaks alone."""
    loads = list(dict.fromkeys(cell.load for cell in cells))
    heads = "".join(f'<th scope="col">{load:.0%}</th>' for load in loads)
    rows = "".join(
        f'<tr><th scope="row">{trigger:g} s</th>{"".join(map(_table_cell, line))}</tr>'
        for trigger, line in _lines(cells)
    )
    states = dict.fromkeys(cell.state for cell in cells)
    keys = "".join(f"<dt>{state}</dt><dd>{html.escape(MEANINGS[state])}</dd>" for state in states)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{STYLE}</style>"
        f"<h1>{html.escape(title)}</h1><table><caption>Length of the trigger (rows) by load as a share of KATO's "
        f"capacity (columns)</caption><thead><tr><th></th>{heads}</tr></thead><tbody>{rows}</tbody></table>"
        f"<dl>{keys}</dl></html>\n"
    )


STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:48rem;padding:0 1rem;color:#1b1b1b}"
    "h1{font-size:1.3rem;overflow-wrap:anywhere}"
    "table{border-collapse:collapse;width:100%}caption{text-align:left;padding:.5rem 0}"
    "th,td{border:1px solid #999;padding:.5rem;text-align:left;font-weight:normal}dt{font-weight:bold}"
)


def _table_cell(cell: Cell) -> str:
    return f'<td style="background:{COLOURS[cell.state]}">{html.escape(words(cell))}</td>'


def _lines(cells: Sequence[Cell]) -> list[tuple[float, list[Cell]]]:
    """The cells of each trigger, in the order of the loads."""
    triggers = dict.fromkeys(cell.trigger_s for cell in cells)
    return [(trigger, [cell for cell in cells if cell.trigger_s == trigger]) for trigger in triggers]
