"""A capacity search as a page of its own: the answer, how near each probe came to its bound, and all probes."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence

from harness.capacity import Capacity
from harness.capacity.probe import ProbeResult
from harness.capacity.render import HEAD, answer, opinions, row, title
from harness.report.palette import css

WIDE, HIGH, LEFT, BELOW, TOP = 420, 230, 46, 40, 12
"""Of the drawing (px at its least): as wide as a phone, so that its letters are readable there."""
FEWEST_TICKS = 3
STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:52rem;padding:0 1rem;background:var(--paper);"
    "color:var(--ink);font-variant-numeric:tabular-nums}h1{font-size:1.3rem;overflow-wrap:anywhere}"
    "h2{font-size:1.1rem;margin:2rem 0 .3rem}.answer{font-weight:600}p,figure{margin:.4rem 0}figcaption,.muted{"
    "color:var(--muted);font-size:.9rem}svg{width:100%;max-width:36rem;height:auto}svg text{font-size:11px;"
    "fill:var(--muted)}.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:.88rem}th,td{padding:.25rem "
    ".9rem .25rem 0;border-bottom:1px solid var(--rule);text-align:right;white-space:nowrap}th{color:var(--muted)}"
    "th:last-child,td:last-child{text-align:left}"
)


def page(heading: str, found: Mapping[str, Capacity]) -> str:
    """The search, or one for each fault (empty: none), as one HTML file without anything from elsewhere."""
    parts = "".join(_section(fault, capacity, len(found) > 1) for fault, capacity in found.items())
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(heading)}</title><style>{css()}{STYLE}</style><h1>{html.escape(heading)}</h1>{parts}</html>\n"
    )


def _section(fault: str, capacity: Capacity, several: bool) -> str:
    head = f"<h2>{html.escape(title(fault).capitalize())}</h2>" if several else ""
    said = "".join(f"<p>{html.escape(_sentence(line))}</p>" for line in opinions(capacity))
    cells = "".join(f'<th scope="col">{name}</th>' for name in HEAD)
    rows = "".join(_table_row(row(probe)) for probe in by_rate(capacity))
    return (
        f'{head}<p class="answer">{html.escape(_sentence(answer(capacity)))}</p>{_figure(capacity)}{said}'
        f'<div class="scroll"><table><thead><tr>{cells}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def by_rate(capacity: Capacity) -> list[ProbeResult]:
    """Its probes, the lowest rate first."""
    return sorted(capacity.probes, key=lambda probe: probe.rate)


def _table_row(cells: Sequence[str]) -> str:
    return f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in cells)}</tr>"


def _sentence(line: str) -> str:
    return f"{line[0].upper()}{line[1:]}."


def _figure(capacity: Capacity) -> str:
    """Each probe by rate and by its nearest objective's measure as a multiple of the bound; both axes logarithmic."""
    drawn = [probe for probe in by_rate(capacity) if math.isfinite(probe.excess)]
    if len(drawn) < FEWEST_TICKS:
        return ""
    xs = _Axis([math.log(probe.rate) for probe in drawn], LEFT, WIDE - 12)
    ys = _Axis([*(probe.excess for probe in drawn), 0.0], HIGH - BELOW, TOP)
    alt = f"{len(drawn)} probes; {answer(capacity)}"
    parts = [
        *_answer_marks(capacity, xs),
        f'<line x1="{LEFT}" x2="{WIDE - 12}" y1="{ys(0):.1f}" y2="{ys(0):.1f}" stroke="var(--fail)"/>',
        *(_tick(xs(math.log(rate)), HIGH - BELOW + 15, "middle", f"{rate:g}") for rate in _round(xs)),
        *(_tick(LEFT - 6, ys(math.log(times)) + 4, "end", f"{times:g}×") for times in _round(ys)),
        _tick(WIDE - 12, HIGH - 6, "end", "offered, calls/s"),
        *(_dot(xs(math.log(probe.rate)), ys(probe.excess), probe.held) for probe in drawn),
    ]
    return (
        f'<figure><svg viewBox="0 0 {WIDE} {HIGH}" role="img" aria-label="{html.escape(alt)}">{"".join(parts)}</svg>'
        "<figcaption>The objective nearest to its bound, as a multiple of that bound (the line): ● held, ○ did not; "
        "shaded is the interval of the answer.</figcaption></figure>"
    )


class _Axis:
    """From logarithms to pixels, with a twentieth of room at both ends."""

    def __init__(self, values: Sequence[float], begin: float, end: float) -> None:
        room = max((max(values) - min(values)) / 20, 0.02)
        self.low, self.high = min(values) - room, max(values) + room
        self._begin, self._end = begin, end

    def __call__(self, value: float) -> float:
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self._begin + share * (self._end - self._begin)


def _round(axis: _Axis) -> list[float]:
    """Round numbers within an axis: of 1, 2, 5 or, where those are too few, of all first digits; at most a few."""
    powers = range(math.floor(axis.low / math.log(10)) - 1, math.ceil(axis.high / math.log(10)) + 1)
    for digits in ((1,), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9)):
        found = [digit * 10.0**power for power in powers for digit in digits]
        found = [value for value in found if axis.low <= math.log(value) <= axis.high]
        if len(found) >= FEWEST_TICKS:
            break
    return found


def _answer_marks(capacity: Capacity, xs: _Axis) -> list[str]:
    if not capacity.rate:
        return []
    ends = [math.log(end) if 0 < end < math.inf else side for end, side in
            ((capacity.interval.low, xs.low), (capacity.interval.high, xs.high))]  # fmt: skip
    low, high, at = (xs(value) for value in (*ends, math.log(capacity.rate)))
    span = f'y="{TOP}" height="{HIGH - BELOW - TOP}"'
    return [
        f'<rect x="{low:.1f}" width="{high - low:.1f}" {span} fill="var(--calm)" opacity=".6"/>',
        f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{HIGH - BELOW}" stroke="var(--median)"/>',
    ]


def _tick(x: float, y: float, anchor: str, words: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{words}</text>'


def _dot(x: float, y: float, held: bool) -> str:
    fill = "var(--ok)" if held else "var(--paper)"
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{fill}" stroke="var(--median)"/>'
