"""Plots of traffic over time: outcomes, attempts, rates, and the breaker's state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from harness.report.frames.timeline import Timeline
from harness.report.palette import light
from harness.report.plots.shapes import merged, rectangles
from harness.report.plots.sheet import DASHES, Band, Key, Plot, Sheet, name_unit, over_time

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

OUTCOME_COLOURS: Mapping[str, str] = {"ok": "calm"} | {
    name: name for name in ("degraded", "rejected", "timeout", "error", "cancelled", "overflow")
}
"""Also the order of stacking, best first; what is well stays in the background."""

ATTEMPT_COLOURS: Mapping[str, str] = {
    "none": "cancelled",
    "1": "calm",
    "2": "rejected",
    "3": "timeout",
    "4 or more": "error",
}
STATE_COLOURS: Mapping[str, str] = {
    "closed": "calm",
    "half_open": "rejected",
    "open": "timeout",
    "unknown": "cancelled",
}
_RATE_LINES = (Key("offered", "muted", "dashed"), Key("attempts", "timeout", "line"), Key("goodput", "ok", "line"))


def stacked(frame: pd.DataFrame, colours: Mapping[str, str], unit: str, axis: Timeline, bands: Sequence[Band]) -> Plot:
    """Columns of the frame in calls/s piled up in the order of `colours`, a step a bin."""

    keys = tuple(Key(name, colour) for name, colour in colours.items() if name in frame and frame[name].any())

    def draw(sheet: Sheet) -> Figure:
        figure, axes = over_time(sheet, axis, bands)
        base = np.zeros(axis.size)
        for key in keys:
            top = base + frame[key.label].to_numpy()
            axes.stairs(top, axis.edges, baseline=base, fill=True, color=light(key.colour), linewidth=0)
            base = top
        axes.set_ylim(0, max(base.max(initial=0) * 1.05, 1))
        axes.yaxis.set_major_formatter("{x:,g}")
        name_unit(axes, unit)
        return figure

    return Plot(draw, keys)


def rates(frame: pd.DataFrame, axis: Timeline, bands: Sequence[Band]) -> Plot:
    """Offered rate, attempts and goodput as steps."""

    def draw(sheet: Sheet) -> Figure:
        figure, axes = over_time(sheet, axis, bands)
        for key in _RATE_LINES:
            dash = DASHES[key.shape]
            axes.stairs(
                frame[key.label], axis.edges, baseline=None, color=light(key.colour), linestyle=dash, linewidth=1.6
            )
        axes.set_ylim(0, max(frame[[key.label for key in _RATE_LINES]].to_numpy().max(initial=0) * 1.05, 1))
        axes.yaxis.set_major_formatter("{x:,g}")
        name_unit(axes, "per s")
        return figure

    return Plot(draw, _RATE_LINES)


def breaker_lanes(frame: pd.DataFrame, axis: Timeline, bands: Sequence[Band]) -> Plot:
    """A lane for each source and process, coloured by state."""
    lanes = [own for _, own in frame.groupby(["source", "process"], sort=False)]
    many = frame["process"].nunique() > 1
    names = [f"{own['source'].iloc[0]} {own['process'].iloc[0]}" if many else own["source"].iloc[0] for own in lanes]
    start, end = f"from {axis.unit}", f"to {axis.unit}"

    def draw(sheet: Sheet) -> Figure:
        figure, axes = over_time(sheet, axis, bands)
        least = axis.span / sheet.plot_width * 2
        for lane, spans in enumerate(lanes):
            for state, own in spans.groupby("state", sort=False):
                begin, stop = own[start].to_numpy(), own[end].to_numpy()
                left, right = merged(begin, np.maximum(stop, begin + least), least)
                bottom = np.full(len(left), lane - 0.36)
                rectangles(axes, left, right, bottom, bottom + 0.72, facecolor=light(STATE_COLOURS[str(state)]))
        axes.set_yticks(range(len(lanes)), names)
        axes.set_ylim(len(lanes) - 0.4, -0.6)
        axes.grid(visible=False)
        return figure

    return Plot(
        draw, tuple(Key(state.replace("_", "-"), STATE_COLOURS[state]) for state in dict.fromkeys(frame["state"]))
    )
