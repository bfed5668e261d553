"""Plots of the harness's own health: a line a process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.report.frames.timeline import Timeline
from harness.report.palette import LINES, light
from harness.report.plots.sheet import Band, Key, Plot, Sheet, name_unit, over_time

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def by_process(frame: pd.DataFrame, unit: str, axis: Timeline, bands: Sequence[Band]) -> Plot:
    """The highest value of each bin, a line a process; bins without a sample are bridged."""
    keys = tuple(Key(str(name), LINES[n % len(LINES)], "line") for n, name in enumerate(frame.columns[1:]))

    def draw(sheet: Sheet) -> Figure:
        figure, axes = over_time(sheet, axis, bands)
        for key in keys:
            known = frame[key.label].notna().to_numpy()
            axes.plot(axis.middles[known], frame[key.label][known], color=light(key.colour))
        axes.set_ylim(0, None)
        axes.yaxis.set_major_formatter("{x:,g}")
        name_unit(axes, unit)
        return figure

    return Plot(draw, keys)
