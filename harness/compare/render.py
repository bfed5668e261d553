"""A comparison for people and for programs."""

from __future__ import annotations

import math
from typing import Any

from harness.compare.answer import Comparison, Shift

HEAD = ("metric", "base", "new", "shift", "95 % interval", "p", "answer")


def text(comparison: Comparison) -> str:
    """A table, the notices, and the answer in its last line."""
    rows = [HEAD, *map(_row, comparison.shifts)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(HEAD))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    base, new = comparison.runs
    closing = f"{comparison.answer} ({base} base runs, {new} new ones)"
    if comparison.answer == "can't tell" and comparison.more:
        closing += f": needs {comparison.more} more runs of each"
    return "\n".join([*lines, *(f"note: {notice}" for notice in comparison.notices), closing]) + "\n"


def _row(each: Shift) -> tuple[str, ...]:
    unit = each.metric.unit
    relative = "" if math.isnan(each.relative) else f" ({each.relative:+.1%})"
    ends = f"{_number(each.interval.low, '+')} to {_number(each.interval.high, '+')}"
    answer = f"{each.answer}: {each.words}" if each.words else each.answer
    return (
        f"{each.metric.name} {unit}".strip(),
        _number(each.base),
        _number(each.new),
        _number(each.shift, "+") + relative,
        ends if math.isfinite(each.interval.low) else "too few runs",
        "" if math.isnan(each.p) else f"{each.p:.2g}",
        answer,
    )


def _number(value: float, sign: str = "") -> str:
    return "no data" if math.isnan(value) else f"{value:{sign}.4g}"


def as_json(comparison: Comparison) -> dict[str, Any]:
    """The comparison as plain values, format 1; numbers that are none are null."""
    return {
        "format": 1,
        "answer": comparison.answer,
        "runs": {"base": comparison.runs[0], "new": comparison.runs[1]},
        "more_runs": comparison.more,
        "metrics": [_json_row(each) for each in comparison.shifts],
        "notices": list(comparison.notices),
    }


def _json_row(each: Shift) -> dict[str, Any]:
    metric = each.metric
    return {
        "metric": metric.name,
        "unit": metric.unit,
        "lower_is_better": metric.lower_is_better,
        "floor": {"relative": metric.relative, "absolute": metric.absolute},
        "base": _plain(each.base),
        "new": _plain(each.new),
        "shift": _plain(each.shift),
        "relative": _plain(each.relative),
        "interval": [_plain(each.interval.low), _plain(each.interval.high)],
        "p": _plain(each.p),
        "answer": each.answer,
        "more_runs": each.more,
        "reason": each.words,
    }


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None
