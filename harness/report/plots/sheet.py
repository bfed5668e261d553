"""The sheet that every plot is drawn on: its size, the one style, the time axis with its fault bands, and its SVG."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from harness.report.frames.timeline import Timeline
from harness.report.palette import light, with_variables
from harness.report.plots.shapes import merged, rectangles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEFT, RIGHT, BOTTOM, TOP = 58, 10, 38, 24
"""Margins in CSS pixels, equal for all sheets so that the time axes of stacked plots line up."""

MOST_EDGES = 40
"""Up to this many bands have their edges drawn; more would hide what they frame."""

_CHARACTER = 6.2
"""Width of a character of a band's label (CSS pixels)."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """Width and height in CSS pixels; `narrow` is the drawing for a phone."""

    width: int
    height: int
    narrow: bool = False

    @property
    def plot_width(self) -> int:
        """Width between the margins (CSS pixels)."""
        return self.width - LEFT - RIGHT


@dataclass(frozen=True, slots=True)
class Band:
    """The window of one fault in the time axis' unit, with its letter and name."""

    letter: str
    name: str
    start: float
    end: float


Shape = Literal["box", "dot", "line", "dashed", "dotted", "dashdot"]
DASHES: Mapping[str, str] = {"line": "-", "dashed": "--", "dashdot": "-.", "dotted": ":"}


@dataclass(frozen=True, slots=True)
class Key:
    """One entry of a plot's legend, which the page sets as text: a colour of the palette and the shape of its sign."""

    label: str
    colour: str
    shape: Shape = "box"


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot ready to be drawn on any sheet, and its legend."""

    draw: Callable[[Sheet], Figure]
    keys: tuple[Key, ...] = ()


def style(salt: str) -> dict[Any, Any]:
    """matplotlib settings of all plots: real text in SVG, thin grey axes, ids that depend on the plot alone."""
    ink, muted, rule = light("ink"), light("muted"), light("rule")
    return {
        "svg.fonttype": "none", "svg.hashsalt": salt, "path.simplify": False, "figure.dpi": 72,
        "font.family": "DejaVu Sans", "font.size": 11, "text.color": ink, "text.parse_math": False,
        "axes.labelsize": 11, "axes.labelcolor": muted, "axes.edgecolor": rule, "axes.linewidth": 1,
        "axes.grid": True, "axes.grid.axis": "y", "axes.axisbelow": True,
        "axes.spines.top": False, "axes.spines.right": False, "axes.spines.left": False,
        "grid.color": rule, "grid.linewidth": 0.8, "lines.linewidth": 1.6,
        "xtick.color": rule, "xtick.labelcolor": muted, "xtick.labelsize": 11, "xtick.minor.size": 0,
        "ytick.color": rule, "ytick.labelcolor": muted, "ytick.labelsize": 11,
        "ytick.major.size": 0, "ytick.minor.size": 0,
        "figure.facecolor": "none", "axes.facecolor": "none", "savefig.facecolor": "none",
    }  # fmt: skip


def blank(sheet: Sheet) -> tuple[Figure, Axes]:
    """A figure of the sheet's size with one axes inside the margins."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(sheet.width / 72, sheet.height / 72))
    corner = (LEFT / sheet.width, BOTTOM / sheet.height)
    size = (sheet.plot_width / sheet.width, (sheet.height - BOTTOM - TOP) / sheet.height)
    return figure, figure.add_axes((*corner, *size))


def name_unit(axes: Axes, unit: str) -> None:
    """Write the unit of the y axis above its numbers, where it reads without turning the head."""
    axes.annotate(
        unit, (0, 1), xycoords="axes fraction", xytext=(-4, 5), textcoords="offset points", ha="right", va="bottom",
        color=light("muted"), fontsize=11, annotation_clip=False,
    )  # fmt: skip


def over_time(sheet: Sheet, axis: Timeline, bands: Sequence[Band]) -> tuple[Figure, Axes]:
    """A sheet whose x axis is the run, with its fault bands shaded and named above."""
    figure, axes = blank(sheet)
    axes.set_xlim(0, axis.span)
    axes.set_xlabel(f"time since start, {axis.unit}")
    pixels = sheet.plot_width / axis.span
    _shade(axes, bands, pixels)
    free = 0.0
    for band in bands:
        free = _name(axes, band, pixels, free)
    return figure, axes


def _shade(axes: Axes, bands: Sequence[Band], pixels: float) -> None:
    windows = np.array(sorted((band.start, band.end) for band in bands), np.float64).reshape(-1, 2)
    left, right = merged(windows[:, 0], windows[:, 1], 2 / pixels)
    inside = axes.get_xaxis_transform()
    colour, bottom, top = light("band"), np.zeros(len(left)), np.ones(len(left))
    rectangles(axes, left, right, bottom, top, facecolor=colour, alpha=0.16, zorder=0, transform=inside)
    if len(left) <= MOST_EDGES:
        axes.vlines(np.concatenate([left, right]), 0, 1, transform=inside, color=colour, linewidth=0.8)


def _name(axes: Axes, band: Band, pixels: float, free: float) -> float:
    """Name the band above the plot, by its letter where narrow, not at all within the last name; where that ends."""
    label = f"{band.letter} {band.name}"
    if (band.end - band.start) * pixels < _CHARACTER * (len(label) + 1):
        label = band.letter
    middle = (band.start + band.end) / 2
    half = _CHARACTER * len(label) / 2 / pixels
    if middle - half < free:
        return free
    axes.annotate(
        label, (middle, 1), xycoords=("data", "axes fraction"), xytext=(0, 5), textcoords="offset points",
        ha="center", va="bottom", color=light("band-name"), fontsize=11, annotation_clip=False,
    )  # fmt: skip
    return middle + half


def svg(plot: Plot, sheet: Sheet, salt: str, alt: str) -> str:
    """The drawing as inline SVG: equal bytes for equal data, colours as CSS variables, `alt` for who can't see it."""
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(style(salt))
        out = io.StringIO()
        plot.draw(sheet).savefig(
            out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
        )
    return _inline(out.getvalue(), sheet, alt)


def _inline(text: str, sheet: Sheet, alt: str) -> str:
    body = text[text.index(">", text.index("<svg")) + 1 :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    used = set(re.findall(r"#([\w-]+)(?=[\")])", body))
    body = re.sub(r' id="([^"]*)"', lambda found: found[0] if found[1] in used else "", body)
    body = re.sub(r"-?\d+\.\d{2,}", lambda found: f"{float(found[0]):.1f}".removesuffix(".0"), body)
    body = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", body)
    body = re.sub(r"\s*\n\s*", "\n", body)
    kind = "narrow" if sheet.narrow else "wide"
    head = f'<svg class="{kind}" viewBox="0 0 {sheet.width} {sheet.height}" role="img" aria-label="{_attribute(alt)}">'
    return head + with_variables(body)


def _attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
