"""Plots of response times: over time, as a heat map, as a percentile spectrum."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from harness.report.frames.latency import Heat
from harness.report.frames.timeline import Floats, Timeline
from harness.report.palette import HEATS, LINES, light
from harness.report.plots import shapes
from harness.report.plots.sheet import DASHES, Band, Key, Plot, Shape, Sheet, blank, name_unit, over_time

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LINES = (
    ("p50 ms", Key("p50 of ok calls", "median", "line")),
    ("p95 ms", Key("p95", "ok", "line")),
    ("p99 ms", Key("p99", "timeout", "line")),
    ("max ms", Key("max", "error", "dotted")),
)
_SHAPES: tuple[Shape, ...] = ("line", "dashed", "dashdot", "dotted")
_ONE_IN = (1, 2, 10, 100, 1_000, 10_000, 100_000, 1_000_000)


def latency(frame: pd.DataFrame, dots: pd.DataFrame, axis: Timeline, bands: Sequence[Band]) -> Plot:
    """Percentiles of ok calls a bin; with `dots` (time, ms, outcome) every call as a dot and the median alone."""
    lines = _LINES[: 1 if len(dots) else None]
    outcomes = list(dots.groupby("outcome", sort=False))

    def draw(sheet: Sheet) -> Figure:
        figure, axes = over_time(sheet, axis, bands)
        for outcome, points in outcomes:
            shapes.dots(axes, points["time"].to_numpy(), points["ms"].to_numpy(), light(str(outcome)))
        for column, key in lines:
            axes.plot(axis.middles, frame[column], DASHES[key.shape], color=light(key.colour))
        _log_ms(axes)
        return figure

    return Plot(draw, (*(Key(str(name), str(name), "dot") for name, _ in outcomes), *(key for _, key in lines)))


def _log_ms(axes: Axes) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    if axes.get_autoscaley_on() and not np.isfinite(axes.dataLim.minposy):
        axes.set_ylim(0.1, 1)  # in virtual time every call may have taken no time at all
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(10, (1.0, 2.0, 5.0) if high < 1000 * low else (1.0,), numticks=12))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    name_unit(axes, "ms")


def heat_map(heat: Heat, axis: Timeline, bands: Sequence[Band]) -> Plot:
    """Linear time × log latency; a darker cell holds more calls, six steps on a log scale of counts."""
    steps = [(low, high, colour) for (low, high), colour in zip(_steps(heat), HEATS, strict=True) if low < high]

    def draw(sheet: Sheet) -> Figure:
        figure, axes = over_time(sheet, axis, bands)
        axes.set_ylim(heat.edges_ms[0], heat.edges_ms[-1])
        _log_ms(axes)
        for low, high, colour in steps:
            shapes.rectangles(axes, *_runs(heat, low, high, axis.edges), facecolor=light(colour))
        return figure

    return Plot(draw, tuple(Key(_range(low, high), colour) for low, high, colour in steps))


def _steps(heat: Heat) -> list[tuple[int, int]]:
    """From and below of each step's counts; empty steps (from = below) where the counts are few."""
    top = int(heat.counts.max(initial=1))
    edges = np.ceil(np.geomspace(1, top + 1, len(HEATS) + 1) - 1e-9).astype(int)
    return list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))


def _range(low: int, high: int) -> str:
    calls = f"{low:,}" if high == low + 1 else f"{low:,} to {high - 1:,}"
    return f"{calls} call{'' if high == 2 else 's'}"


def _runs(heat: Heat, low: int, high: int, xs: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Left, right, bottom and top of the cells with counts in [low, high), neighbours in time joined."""
    cells = (heat.counts >= low) & (heat.counts < high)
    runs = [(a, b, row) for row in range(cells.shape[1]) for a, b in _stretches(cells[:, row])]
    begin, end, row = np.array(runs or np.empty((0, 3)), np.int64).T
    return xs[begin], xs[end], heat.edges_ms[row], heat.edges_ms[row + 1]


def _stretches(flags: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Iterable[tuple[int, int]]:
    changes = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return zip(changes[::2].tolist(), changes[1::2].tolist(), strict=True)


def percentile_spectrum(frame: pd.DataFrame) -> Plot:
    """Response time of ok calls against percentile, a line a phase; the x axis stretches the tail (HdrHistogram)."""
    phases = list(frame.groupby("phase", sort=False))
    keys = tuple(Key(str(name), *_sign(number)) for number, (name, _) in enumerate(phases))

    def draw(sheet: Sheet) -> Figure:
        figure, axes = blank(sheet)
        for key, (_, points) in zip(keys, phases, strict=True):
            axes.step(points["one in"], points["ms"], DASHES[key.shape], where="post", color=light(key.colour))
        axes.set_xscale("log")
        ticks = [one_in for one_in in _ONE_IN if one_in <= max(10, frame["one in"].max() if len(frame) else 10)]
        axes.set_xticks(ticks, [f"{100 - 100 / one_in:.6g}" for one_in in ticks])
        axes.set_xticks([], minor=True)
        axes.set_xlim(1, None)
        axes.set_xlabel("percentile, %")
        _log_ms(axes)
        return figure

    return Plot(draw, keys)


def _sign(number: int) -> tuple[str, Shape]:
    """The colour and dash of the n-th line: eight colours, then the same ones dashed."""
    return LINES[number % len(LINES)], _SHAPES[number // len(LINES) % len(_SHAPES)]
