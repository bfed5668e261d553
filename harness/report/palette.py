"""One palette for page and plots, light and dark, told apart with any colour vision (after Okabe and Ito, and Tol).

Plots are drawn in the light colours and their hex values then become CSS variables, so that one drawing serves both
colour schemes; every light value is therefore unique.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

PALETTE: Mapping[str, tuple[str, str]] = {
    "paper": ("#fdfdfc", "#14171a"),
    "raised": ("#f4f4f1", "#1c2024"),
    "ink": ("#1b1e22", "#e7e9eb"),
    "muted": ("#5a626b", "#a0a8b0"),
    "rule": ("#dfe1e3", "#30363c"),
    "link": ("#1f5f96", "#8cc0ec"),
    "fail": ("#b23a0e", "#ff9468"),
    "invalid": ("#76409c", "#cf9fee"),
    "warn": ("#845c00", "#e5b64f"),
    "inconclusive": ("#2a5f8c", "#8fbce4"),
    "pass": ("#0a6b4d", "#55c8a4"),
    "neutral": ("#626a72", "#9aa2aa"),
    "ok": ("#4a7fb5", "#5b93c9"),
    "calm": ("#b9cfe5", "#2b4a66"),
    "degraded": ("#3f9c93", "#58c2b7"),
    "rejected": ("#e3b23c", "#e0b03a"),
    "timeout": ("#d4641f", "#ee8443"),
    "error": ("#8c2f5b", "#d5719b"),
    "cancelled": ("#9b9fa4", "#7d8389"),
    "overflow": ("#2f3337", "#d2d5d8"),
    "median": ("#123f6b", "#bfe0ff"),
    "band": ("#b08a5b", "#c49a66"),
    "band-name": ("#7c5a2c", "#d9b687"),
    "heat-1": ("#d3e3f1", "#1b3549"),
    "heat-2": ("#a6c7e3", "#245071"),
    "heat-3": ("#72a4d0", "#32719c"),
    "heat-4": ("#437fb8", "#4a95c8"),
    "heat-5": ("#205c9a", "#82bde4"),
    "heat-6": ("#0b3a6c", "#d3ebfc"),
    "line-1": ("#5d656d", "#b3bac1"),
    "line-2": ("#0c6fb0", "#5eb0ea"),
    "line-3": ("#cf5a06", "#f3883c"),
    "line-4": ("#078a69", "#3cc39b"),
    "line-5": ("#b8609a", "#e296c5"),
    "line-6": ("#a8831a", "#e6c453"),
    "line-7": ("#5b4ea3", "#a79cf0"),
    "line-8": ("#8b4a2b", "#cf9170"),
}
"""Name to (light, dark)."""

LINES = tuple(name for name in PALETTE if name.startswith("line-"))
HEATS = tuple(name for name in PALETTE if name.startswith("heat-"))

_NAMES = {light: name for name, (light, _) in PALETTE.items()}


def light(name: str) -> str:
    """The colour to draw with."""
    return PALETTE[name][0]


def with_variables(svg: str) -> str:
    """The drawing with each colour of the palette replaced by its CSS variable."""
    return re.sub(r"#[0-9a-f]{6}", lambda found: f"var(--{_NAMES[found[0]]})" if found[0] in _NAMES else found[0], svg)


def css() -> str:
    """The CSS variables of both schemes; the light one is also what is printed."""
    sides = [";".join(f"--{name}:{pair[side]}" for name, pair in PALETTE.items()) for side in (0, 1)]
    dark = f"@media screen and (prefers-color-scheme:dark){{:root{{{sides[1]}}}}}"
    return f":root{{color-scheme:light dark;{sides[0]}}}{dark}"
