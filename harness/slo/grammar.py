"""The one-line language of SLOs (scenario.md, "Rules"):

    METRIC [of SERIES] [where KEY=VALUE …] OP VALUE [of baseline] [in PHASE] [over|for|within DURATION]

Standard library only: the scenario reads it before anything runs. What comes from k6 or Taurus is refused with the way
to say it here (`foreign.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from harness.model import OPERATIONS, OUTCOMES
from harness.units import NUMBER, TextError, duration_s, format_duration, format_number, rate_per_s

LATENCIES = ("p", "mean", "max")
SERIES = ("response_time", "service_time", "dispatch_delay")
RATES = ("goodput", "rate")
COUNTS = ("duplicates", "lost", "count")
METRICS = ("p(95)", "mean", "max", "error_rate", *RATES, "amplification", *COUNTS)
KEYS = ("op", "outcome", "user", "status", "instance")
OPERATORS = ("<", "<=", ">", ">=", "==", "!=")
WINDOWS = ("over", "for", "within")
PLAIN_PHASES = ("warmup", "baseline", "recovery", "cooldown")
GRAMMAR = "METRIC [of SERIES] [where KEY=VALUE …] OP VALUE [of baseline] [in PHASE] [over|for|within DURATION]"

_SPACE = re.compile(r"\s*,?\s*")
_VALUE = rf"{NUMBER}(?:[%\w/]+|\s+(?:%|(?:ms|s|m|h)\b|/(?:s|min|h)\b))?"


@dataclass(frozen=True, slots=True)
class Slo:
    """One objective. `value` is in seconds, calls/s, a share, a ratio or a count, as the metric has it; with
    `of_baseline` it is a multiple of the baseline's value. `quantile` in (0, 1) belongs to metric p.

    `where` values: a status may be a class such as 5xx, a user may end in *.
    """

    metric: str
    operator: str
    value: float
    quantile: float = 0.0
    series: str = "response_time"
    where: Mapping[str, str] = field(default_factory=dict)
    of_baseline: bool = False
    phase: str = ""
    window: str = ""
    window_s: float = 0.0

    def holds(self, measured: float, bound: float) -> bool:
        """Whether `measured` OP `bound`."""
        return _COMPARE[self.operator](measured, bound)


_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}


def parse(text: str) -> Slo:
    """The objective in `text`; raises TextError with the index at which it goes wrong."""
    from harness.slo.foreign import translated

    if (said := translated(text)) is not None:
        raise TextError(f"{text.strip()!r} is {said.language}'s", said.cure)
    return _Parser(text).slo()


class _Parser:
    """Reads one line from left to right; `at` is the index reached."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def slo(self) -> Slo:
        metric, quantile = self._metric()
        series = self._series(metric) if self._word("of") else "response_time"
        where = self._where(metric) if self._word("where") else {}
        operator = self._operator(metric)
        start, value_text = self._take(_VALUE, "a value", "write a number with its unit, such as 300ms, 1% or 45/s")
        of_baseline = self._of_baseline(metric)
        value = self._value(metric, value_text, of_baseline, start)
        phase = self._phase() if self._word("in") else ""
        window = next((word for word in WINDOWS if self._word(word)), "")
        window_s = self._window(window) if window else 0.0
        self._end()
        if of_baseline and phase == "baseline":
            raise TextError("the baseline is compared with itself", "name another phase: in recovery", self._at)
        return Slo(metric, operator, value, quantile, series, where, of_baseline, phase, window, window_s)

    def _skip(self) -> None:
        match = _SPACE.match(self._text, self._at)
        self._at = match.end() if match else self._at

    def _match(self, pattern: str) -> str | None:
        self._skip()
        match = re.compile(pattern).match(self._text, self._at)
        if match is None:
            return None
        self._at = match.end()
        return match[0]

    def _word(self, word: str) -> bool:
        return self._match(rf"{word}\b") is not None

    def _take(self, pattern: str, what: str, cure: str) -> tuple[int, str]:
        """The next token and its index; raises TextError when it isn't there."""
        self._skip()
        start = self._at
        found = self._match(pattern)
        if found is None:
            raise TextError(f"{what} is missing at {self._rest()}", cure, start)
        return start, found

    def _rest(self) -> str:
        return repr(self._text[self._at :].strip()[:30]) if self._text[self._at :].strip() else "the end"

    def _metric(self) -> tuple[str, float]:
        start, word = self._take(r"[A-Za-z_]+", "a metric", f"begin with one of {', '.join(METRICS)}")
        if word == "p":
            _, inner = self._take(rf"\(\s*{NUMBER}\s*\)", "the percentile", "write it in brackets: p(95)")
            percent = float(inner.strip("() "))
            if not 0 < percent < 100:
                raise TextError(f"there is no {percent:g}th percentile", "use p(50), p(95), p(99.9) … or max", start)
            return "p", round(percent / 100, 12)
        if word not in (*LATENCIES, "error_rate", *RATES, "amplification", *COUNTS):
            raise TextError(f"{word!r} is not a metric", f"one of {', '.join(METRICS)}", start)
        return word, 0.0

    def _series(self, metric: str) -> str:
        start, word = self._take(r"\w+", "a series", f"one of {', '.join(SERIES)}")
        if metric not in LATENCIES:
            raise TextError(f"{metric} has no series", "leave `of …` out: series belong to p(N), mean and max", start)
        if word not in SERIES:
            raise TextError(f"{word!r} is not a series", f"one of {', '.join(SERIES)}", start)
        return word

    def _where(self, metric: str) -> dict[str, str]:
        where: dict[str, str] = {}
        while True:
            self._skip()
            start = self._at
            found = self._match(r"(?:and\s+)?[A-Za-z_]+\s*=(?!=)\s*[\w.*-]+")
            if found is None:
                break
            key, _, value = re.sub(r"^and\s+", "", found).partition("=")
            where[key.strip()] = _filter(metric, key.strip(), value.strip(), start)
        if not where:
            raise TextError("`where` names nothing", f"write where KEY=VALUE with a key of {', '.join(KEYS)}", self._at)
        return where

    def _operator(self, metric: str) -> str:
        start, operator = self._take(r"[<>=!]+", "a comparison", f"one of {' '.join(OPERATORS)}")
        if operator not in OPERATORS:
            raise TextError(f"{operator!r} is not a comparison", f"one of {' '.join(OPERATORS)}", start)
        if operator in ("==", "!=") and metric in (*LATENCIES, *RATES):
            raise TextError(f"{metric} is never exactly a value", "use <, <=, > or >=", start)
        return operator

    def _of_baseline(self, metric: str) -> bool:
        if not self._word("of"):
            return False
        start, _ = self._take(r"baseline\b", "`baseline`", "only `of baseline` may follow the value")
        if metric in COUNTS:
            raise TextError(
                f"{metric} grows with the length of a phase", "compare a rate or a share with baseline", start
            )
        return True

    def _value(self, metric: str, text: str, of_baseline: bool, start: int) -> float:
        try:
            text = "".join(text.split())
            if of_baseline:
                return _factor(text)
            return _READERS.get(metric, duration_s)(text)
        except TextError as error:
            cure = f"{metric} needs {_NEEDS.get(metric, 'a duration, such as 300ms')}"
            raise TextError(error.what, cure if not of_baseline else error.cure, start) from None

    def _phase(self) -> str:
        start, phase = self._take(
            r"[A-Za-z]\w*(?::[\w+]+)?", "a phase", f"one of {', '.join(PLAIN_PHASES)}, fault:NAME"
        )
        if phase in PLAIN_PHASES or re.fullmatch(r"fault:\w+(\+\w+)*", phase):
            return phase
        raise TextError(f"{phase!r} is not a phase", f"one of {', '.join(PLAIN_PHASES)}, fault:NAME", start)

    def _window(self, window: str) -> float:
        start, text = self._take(r"[\w.]+", "a duration", f"such as {window} 10s")
        try:
            seconds = duration_s(text)
        except TextError as error:
            raise TextError(error.what, error.cure, start) from None
        if seconds < 1:
            raise TextError(f"a window of {text} is too short to judge", "use at least 1s", start)
        return seconds

    def _end(self) -> None:
        self._skip()
        if self._at < len(self._text):
            raise TextError(f"{self._rest()} doesn't belong here", f"the order is {GRAMMAR}", self._at)


def _filter(metric: str, key: str, value: str, start: int) -> str:
    """The value of a where key, checked."""
    if key not in KEYS:
        raise TextError(f"{key!r} can't be asked for", f"one of {', '.join(KEYS)}", start)
    if key == "op" and value not in OPERATIONS[1:]:
        raise TextError(f"{value!r} is not a call", f"one of {', '.join(OPERATIONS[1:])}", start)
    if key == "outcome" and value not in (*OUTCOMES[1:], "any"):
        raise TextError(f"{value!r} is not an outcome", f"one of {', '.join(OUTCOMES[1:])}, any", start)
    if key == "outcome" and metric in ("error_rate", "goodput"):
        raise TextError(f"{metric} is about outcomes already", "use count or rate with where outcome=…", start)
    if key == "status" and not re.fullmatch(r"[1-5](\d\d|xx)", value):
        raise TextError(f"{value!r} is not a status", "write one, such as 503, or a class: 5xx", start)
    if key == "instance" and not value.isdigit():
        raise TextError(f"{value!r} is not an instance", "instances are numbered from 0", start)
    return value


def _factor(text: str) -> float:
    match = re.fullmatch(rf"({NUMBER})\s?(%|)", text)
    if match is None:
        raise TextError(
            f"{text!r} can't be compared with baseline", "write a share or a multiple: 50% or 1.5 of baseline"
        )
    return float(match[1]) / (100 if match[2] else 1)


def _share(text: str) -> float:
    value = _factor(text)
    if value > 1:
        raise TextError(f"{text} is more than all calls", "write a share, such as 1%")
    return value


def _number(text: str) -> float:
    if not re.fullmatch(NUMBER, text):
        raise TextError(f"{text!r} is not a plain number", "leave the unit out")
    return float(text)


def _count(text: str) -> float:
    if not re.fullmatch(r"\d+", text):
        raise TextError(f"{text!r} is not a number of calls", "write a whole number")
    return float(text)


_READERS: Mapping[str, Callable[[str], float]] = {
    "error_rate": _share,
    "goodput": rate_per_s,
    "rate": rate_per_s,
    "amplification": _number,
    "duplicates": _count,
    "lost": _count,
    "count": _count,
}
_NEEDS: Mapping[str, str] = {
    "error_rate": "a share, such as 1%",
    "goodput": "a rate, such as 45/s, or a share of baseline: 50% of baseline",
    "rate": "a rate, such as 45/s; a share of failures is error_rate",
    "amplification": "a plain number: attempts per call, such as 1.2",
    "duplicates": "a whole number",
    "lost": "a whole number",
    "count": "a whole number",
}


def write(slo: Slo) -> str:
    """The canonical line: `parse(write(slo)) == slo`."""
    words = [f"p({format_number(round(slo.quantile * 100, 9))})" if slo.metric == "p" else slo.metric]
    if slo.series != "response_time":
        words.append(f"of {slo.series}")
    if slo.where:
        words.append("where " + " ".join(f"{key}={value}" for key, value in slo.where.items()))
    words += [slo.operator, write_value(slo)]
    if slo.phase:
        words.append(f"in {slo.phase}")
    if slo.window:
        words.append(f"{slo.window} {format_duration(slo.window_s)}")
    return " ".join(words)


def write_value(slo: Slo) -> str:
    """The value with its unit."""
    if slo.of_baseline:
        return f"{format_number(slo.value)} of baseline"
    return write_measure(slo.metric, slo.value)


def write_measure(metric: str, value: float) -> str:
    """A value of that metric with its unit, exact."""
    if metric in LATENCIES:
        return format_duration(value)
    if metric in RATES:
        return f"{format_number(value)}/s"
    return format_number(value)
