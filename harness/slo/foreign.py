"""Thresholds of k6 and criteria of Taurus, recognised to be refused with the same thing in our words.

Sources: k6 documentation, "Thresholds" and "Metrics"; Taurus documentation, "Pass/Fail Criteria". A Taurus criterion
says when a test *fails*, an SLO what must *hold*: its comparison is turned round.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.model import OPERATIONS
from harness.units import NUMBER, format_duration, format_number

_TURNED = {">": "<=", ">=": "<", "<": ">=", "<=": ">", "=": "!=", "==": "!="}

_K6_METRIC = re.compile(r"^\s*['\"]?([A-Za-z]\w*)(\{[^}]*\})?['\"]?\s*:\s*(.+)$", re.DOTALL)
_K6 = re.compile(
    rf"^\s*(avg|min|med|value|rate|p\(\s*{NUMBER}\s*\)|max|count)\s*(===|==|!=|<=|>=|<|>)\s*({NUMBER})\s*$"
)
_TAURUS = re.compile(
    rf"^\s*(?:[^:<>=]+:\s*)?(avg-rt|avg-lt|avg-ct|stdev-rt|bytes|hits|success|succ|failures|fail|rc[\w?*\\]*?|p{NUMBER})"
    rf"(?:\s+(?:of|for)\s+(.+?))?\s*(>=|<=|==|=|>|<)\s*([\d.]+[\w%]*)"
    r"(?:\s+(for|within|over)\s+(\d+)\s*(ms|s|m|h)?)?\s*(?:,\s*(stop|continue)\s+as\s+(failed|non-failed))?\s*$"
)
_COMPOUND = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:([\d.]+)s)?(?:(\d+)ms)?")


@dataclass(frozen=True, slots=True)
class Said:
    """Whose words they were, how it is said here (empty: not at all), and what else to know."""

    language: str
    here: str
    note: str = ""

    @property
    def cure(self) -> str:
        """The advice in one line."""
        return "; ".join(filter(None, (f"say {self.here}" if self.here else "", self.note)))


def translated(text: str) -> Said | None:
    """What a k6 threshold or a Taurus criterion is here; None when the text is neither."""
    text = text.replace("\\", "").strip()
    metric = _K6_METRIC.match(text)
    if metric and not text.startswith("fault:"):
        inner = _k6(metric[3].strip("[]'\" "), metric[1], metric[2] or "")
        if inner is not None:
            return inner
    if "p(" in text or not (match := _TAURUS.match(text)):
        return _k6(text, "", "")
    return _taurus(match)


def _k6(text: str, metric: str, tags: str) -> Said | None:
    match = _K6.match(text)
    if match is None:
        return None
    method, operator, number = match[1].replace(" ", ""), match[2], float(match[3])
    if method in ("count", "max") and not metric and operator != "===":
        return None if method == "count" else Said("k6", f"max {operator} {format_number(number)}ms")
    where = _where(tags)
    operator = "==" if operator == "===" else operator
    if method == "rate":
        return Said(
            "k6", _rate(metric, operator, number), "rate is calls per time here, a share of failures is error_rate"
        )
    if method == "value":
        return Said("k6", "", "no gauge is recorded here: an SLO speaks of calls, such as p(95) < 300ms")
    if method == "count":
        return Said("k6", f"count{where} {operator} {match[3].split('.')[0]}")
    ours = {"avg": "mean", "med": "p(50)", "min": "p(1)"}.get(method, method)
    note = "the fastest call promises nothing: the 1st percentile stands for min" if method == "min" else ""
    note = "a tag becomes `where` with op, outcome, user, status or instance" if tags and not where else note
    return Said("k6", f"{ours}{where} {_loose(operator)} {format_number(number)}ms", note)


def _rate(metric: str, operator: str, number: float) -> str:
    """k6's rate: a share between 0 and 1 (of failures, or of checks that passed), or a counter's calls per second."""
    if number > 1:
        return f"rate {_loose(operator)} {format_number(number)}/s"
    failures = metric == "http_req_failed" or (not metric and operator in ("<", "<="))
    if failures:
        return f"error_rate {operator} {format_number(round(number * 100, 9))}%"
    turned = {">": "<", ">=": "<=", "<": ">", "<=": ">="}.get(operator, operator)
    return f"error_rate {turned} {format_number(round((1 - number) * 100, 9))}%"


def _where(tags: str) -> str:
    """k6's tag selector as `where`, when it names something that calls have here."""
    pairs = re.findall(r"(\w+)\s*:+\s*([\w.*-]+)", tags)
    known = {"status": "status", "name": "op", "op": "op", "group": "op"}
    kept = [
        f"{known[key]}={value}"
        for key, value in pairs
        if key in known and (value in OPERATIONS[1:] or re.fullmatch(r"[1-5]\d\d", value))
    ]
    return f" where {' '.join(kept)}" if kept else ""


def _loose(operator: str) -> str:
    """Latencies and rates are never exactly a value."""
    return {"==": "<=", "!=": "<"}.get(operator, operator)


def _taurus(match: re.Match[str]) -> Said | None:
    subject, label, sign, threshold, logic, length, unit, _, status = match.groups()
    if subject.startswith("p") and sign in ("<", "<="):
        status = "non-failed"  # nobody fails a test for being fast: this is an objective written as p95 < …
    operator = sign if status == "non-failed" else _TURNED[sign]
    window = f" {_logic(logic)} {max(int(length), 1)}{unit or 's'}" if logic else ""
    where = f"op={label.strip()}" if label and label.strip() in OPERATIONS[1:] else ""
    if subject == "bytes":
        return Said("Taurus", "", "sizes of answers are not judged here: an SLO speaks of calls, such as p(95) < 300ms")
    words = _criterion(subject, _loose(operator), threshold, where)
    if words is None:
        return None
    notes = ["a criterion of Taurus says when to fail, an SLO what must hold"] if operator != sign else []
    notes += ["spread is bounded by a percentile here"] if subject == "stdev-rt" else []
    notes += ["a label becomes `where op=…`"] if label and not where else []
    return Said("Taurus", words + window, "; ".join(notes))


def _logic(logic: str) -> str:
    """Taurus's `within` aggregates like its `over`; ours asks for one window that holds."""
    return "over" if logic == "within" else logic


def _criterion(subject: str, operator: str, threshold: str, where: str) -> str | None:
    selected = f" where {where}" if where else ""
    if subject.startswith("p") or "-" in subject:
        metric = f"p({subject[1:]})" if subject.startswith("p") else "p(95)" if subject == "stdev-rt" else "mean"
        series = " of service_time" if subject in ("avg-lt", "avg-ct") else ""
        seconds = _seconds(threshold)
        return None if seconds is None else f"{metric}{series}{selected} {operator} {format_duration(seconds)}"
    number = re.match(NUMBER, threshold)
    if number is None:
        return None
    value = float(number[0])
    if subject == "hits":
        return f"rate{selected} {operator} {format_number(value)}/s"
    if subject.startswith("rc"):
        return _response_codes(subject[2:], operator, value, threshold.endswith("%"), where)
    return _successes(subject, operator, value, threshold.endswith("%"), where)


def _successes(subject: str, operator: str, value: float, percent: bool, where: str) -> str:
    failures = subject.startswith("fail")
    if not percent:
        filters = " ".join(filter(None, (where, f"outcome={'error' if failures else 'ok'}")))
        return f"count where {filters} {operator} {int(value)}"
    selected, value = f" where {where}" if where else "", min(value, 100.0)
    if failures:
        return f"error_rate{selected} {operator} {format_number(value)}%"
    turned = {">": "<", ">=": "<=", "<": ">", "<=": ">="}.get(operator, operator)
    return f"error_rate{selected} {turned} {format_number(round(100 - value, 9))}%"


def _response_codes(code: str, operator: str, value: float, percent: bool, where: str) -> str:
    """Taurus's rc500, rc4??, rc*, rcException as a status, a class, or failures at large."""
    status = code.replace("?", "x")
    if re.fullmatch(r"[1-5](\d\d|xx)", status):
        filters = " ".join(filter(None, (where, f"status={status}")))
        return f"count where {filters} {operator} {int(value)}"
    return (
        f"error_rate {operator} {format_number(min(value, 100.0))}%"
        if percent
        else f"rate {operator} {format_number(value)}/s"
    )


def _seconds(text: str) -> float | None:
    """Seconds of Taurus's `2s500ms`, `150ms` or bare `2` (seconds)."""
    if re.fullmatch(NUMBER, text):
        return float(text)
    match = _COMPOUND.fullmatch(text)
    if match is None or not any(match.groups()):
        return None
    hours, minutes, seconds, millis = (float(part or 0) for part in match.groups())
    return round(hours * 3600 + minutes * 60 + seconds + millis / 1000, 6)
