"""Units of the scenario file: `250ms 30s 2m 1h`, `40/s 600/min`, `0.1%`, `64KiB` (scenario.md, "Rules")."""

from __future__ import annotations

import re

DURATIONS = {"h": 3600.0, "m": 60.0, "s": 1.0}
RATES = {"s": 1.0, "min": 60.0, "h": 3600.0}
SIZES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}

NUMBER = r"\d+(?:\.\d+)?"
DURATION_PATTERN = rf"{NUMBER}(?:ms|s|m|h)"
RATE_PATTERN = rf"{NUMBER}/(?:s|min|h)"
RATIO_PATTERN = rf"{NUMBER}%"
SIZE_PATTERN = rf"\d+(?:{'|'.join(SIZES)})?"

_LONGEST_S = 366 * 24 * 3600.0
_LARGEST = 1e15


class TextError(ValueError):
    """A text that can't be read: `what` is wrong, the `cure`, and `index`, the character where it goes wrong."""

    def __init__(self, what: str, cure: str, index: int = 0) -> None:
        super().__init__(what)
        self.what = what
        self.cure = cure
        self.index = index


def duration_s(text: str) -> float:
    """Seconds of a duration such as `250ms`; raises TextError."""
    match = re.fullmatch(rf"({NUMBER})(ms|s|m|h)", text.strip())
    if match:
        # 410ms is the float nearest to 0.41, which a product with 0.001 is not
        seconds = float(match[1]) / 1000 if match[2] == "ms" else float(match[1]) * DURATIONS[match[2]]
        if seconds <= _LONGEST_S:
            return seconds
        raise TextError(f"{_short(text)} is longer than a year", "a run lasts minutes: check the unit (ms, s, m, h)")
    if re.fullmatch(NUMBER, text.strip()):
        raise TextError(f"{_short(text)} has no unit", f"say {_short(text)}s or {_short(text)}ms (units: ms, s, m, h)")
    raise TextError(f"{_short(text)!r} is not a duration", "write a number and a unit: 250ms, 30s, 2m, 1h")


def rate_per_s(text: str) -> float:
    """Calls per second of a rate such as `40/s` or `600/min`; raises TextError."""
    match = re.fullmatch(rf"({NUMBER})\s*/\s*(s|min|h)", text.strip())
    if match:
        return _bounded(text, float(match[1])) / RATES[match[2]]
    if re.fullmatch(NUMBER, text.strip()):
        raise TextError(f"{_short(text)} has no unit", f"say {_short(text)}/s (or /min, /h)")
    raise TextError(f"{_short(text)!r} is not a rate", "write a number per time: 40/s, 600/min")


def ratio(text: str) -> float:
    """A share between 0 and 1, of `0.1%` or `0.001`; raises TextError."""
    match = re.fullmatch(rf"({NUMBER})(%?)", text.strip())
    if not match:
        raise TextError(f"{_short(text)!r} is not a share", "write a percentage or a fraction: 0.1%, 0.001")
    value = float(match[1]) / (100 if match[2] else 1)
    if value > 1:
        raise TextError(
            f"{_short(text)} is more than the whole", f"a share is at most 100%; {_short(text)}% if you meant percent"
        )
    return value


def size_bytes(text: str) -> int:
    """Bytes of a size such as `64KiB` or `512`; raises TextError."""
    match = re.fullmatch(rf"(\d+)\s*({'|'.join(SIZES)})?", text.strip())
    if not match:
        raise TextError(f"{_short(text)!r} is not a size", "write whole bytes or a unit: 512, 64KiB, 1MB")
    return int(_bounded(text, int(match[1]) * SIZES[match[2] or "B"]))


def integer(text: str) -> int:
    """A whole number; raises TextError."""
    digits = text.strip()
    if not re.fullmatch(r"[+-]?\d+", digits):
        raise TextError(f"{_short(text)!r} is not a whole number", "write digits alone, such as 7")
    return int(_bounded(text, int(digits[:40])))


def number(text: str) -> float:
    """A plain number; raises TextError."""
    digits = text.strip()
    if not re.fullmatch(rf"[+-]?{NUMBER}", digits):
        raise TextError(f"{_short(text)!r} is not a number", "write digits, such as 3 or 0.5")
    return _bounded(text, float(digits))


def format_duration(seconds: float) -> str:
    """The shortest exact writing of a duration: `duration_s(format_duration(x)) == x` for x ≥ 0."""
    for unit, length in DURATIONS.items():
        if seconds >= length and (seconds / length).is_integer():
            return f"{int(seconds / length)}{unit}"
    millis = round(seconds * 1e3)
    if 0 < millis < 1000 and millis / 1000 == seconds:
        return f"{millis}ms"
    return f"{format_number(seconds)}s"


def format_rate(per_s: float) -> str:
    """The writing of a rate in calls/s: `rate_per_s(format_rate(x)) == x`."""
    return f"{format_number(per_s)}/s"


def format_number(value: float) -> str:
    """The exact decimal writing of a number, without an exponent."""
    text = repr(float(value))
    if "e" in text:
        return f"{value:.30f}".rstrip("0").rstrip(".")
    return text.removesuffix(".0")


def _bounded(text: str, value: float) -> float:
    if abs(value) > _LARGEST:
        raise TextError(f"{_short(text)} is too large", "write the number that you mean: this one fits no run")
    return value


def _short(text: str) -> str:
    text = text.strip()
    return text if len(text) <= 40 else text[:37] + "…"
