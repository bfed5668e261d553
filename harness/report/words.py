"""Numbers and statuses as a reader wants them: three significant digits, units, a sign beside each colour."""

from __future__ import annotations

from collections.abc import Mapping

STATUS_SIGNS: Mapping[str, str] = {
    "fail": "✗",
    "invalid": "⊘",
    "warn": "!",
    "inconclusive": "?",
    "not_exercised": "○",
    "pass": "✓",
    "not_applicable": "–",
}
"""The sign of every status, worst first; the sign carries the meaning where colour can't."""

UNKNOWN = "–"

_UNITS = ((1e9, "s"), (1e6, "ms"), (1e3, "µs"))


def status_label(status: str) -> str:
    """`not_exercised` as words: "not exercised"."""
    return status.replace("_", " ")


def digits(value: float) -> str:
    """A number with three significant digits, never in exponent form: 4440, 12.3, 0.05."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    decimals = 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:.{decimals}f}".rstrip("0").rstrip(".")


def figures(value: float) -> str:
    """A number with three significant digits for columns, trailing zeros kept: 4,440, 31.0, 0.82; a dash for NaN."""
    if value != value:
        return UNKNOWN
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.{1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3}f}"


def duration(value_ns: float | None) -> str:
    """Nanoseconds with the unit that keeps the number readable: "4.44 s", "340 ms", "12 µs"; None is a dash."""
    if value_ns is None or value_ns != value_ns:
        return UNKNOWN
    if value_ns == 0:
        return "0 ms"
    scale, unit = next(((s, u) for s, u in _UNITS if abs(value_ns) >= s * 0.9995), (1.0, "ns"))
    return f"{digits(value_ns / scale)} {unit}"


def milliseconds(value_ns: float | None) -> str:
    """Nanoseconds as milliseconds without the unit, for columns that name it; None is a dash."""
    return UNKNOWN if value_ns is None or value_ns != value_ns else digits(value_ns / 1e6)


def moment(offset_ns: float | None) -> str:
    """An offset from the start of the run: "12.30 s"; None is a dash."""
    return UNKNOWN if offset_ns is None else f"{offset_ns / 1e9:.2f} s"


def share(part: float, whole: float) -> str:
    """`part` of `whole` in per cent: "99.8 %"; a dash of nothing."""
    return UNKNOWN if not whole else f"{digits(100 * part / whole)} %"


def count(value: float, noun: str = "") -> str:
    """A count with thousands separated, and its noun in the plural where that is due: "1 call", "3,600,000 calls"."""
    text = f"{value:,.0f}"
    return f"{text} {noun}{'' if value == 1 else 's'}" if noun else text


def rate(per_second: float) -> str:
    """Calls a second: "20/s"."""
    return f"{digits(per_second)}/s"
