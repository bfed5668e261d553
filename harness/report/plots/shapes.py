"""Many rectangles or dots as one path each: a fraction of the SVG that one element a piece would take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from harness.report.frames.timeline import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def rectangles(axes: Axes, left: Floats, right: Floats, low: Floats, high: Floats, **look: Any) -> None:
    """Filled rectangles (arrays of one length) as one path; `look` goes to matplotlib's PathPatch."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    xs = np.column_stack([left, right, right, left, left]).ravel()
    ys = np.column_stack([low, low, high, high, low]).ravel()
    codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY] * len(left)
    axes.add_patch(PathPatch(Path(np.column_stack([xs, ys]), codes), linewidth=0, **look))


def dots(axes: Axes, xs: Floats, ys: Floats, colour: str) -> None:
    """Dots as one path of strokes without length and with round ends; the axes widen to hold them."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    corners = np.repeat(np.column_stack([xs, ys]), 2, axis=0)
    codes = np.tile([Path.MOVETO, Path.LINETO], len(xs))
    path = Path(corners, codes)
    axes.add_patch(PathPatch(path, edgecolor=colour, facecolor="none", linewidth=3.2, capstyle="round", alpha=0.75))
    axes.update_datalim(corners)
    axes.autoscale_view(scalex=False)


def merged(left: Floats, right: Floats, gap: float) -> tuple[Floats, Floats]:
    """Intervals in ascending order, joined where less than `gap` parts them: what a reader can tell apart."""
    if not len(left):
        return left, right
    reach = np.maximum.accumulate(right)
    begins = np.concatenate([[True], left[1:] - reach[:-1] >= gap])
    starts = np.flatnonzero(begins)
    return left[starts], reach[np.append(starts[1:], len(left)) - 1]
