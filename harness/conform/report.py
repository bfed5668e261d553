"""What a conformance run found: one row a request, and what was left out with its reason."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

_SHOWN = 100
_WIDTH = 160


@dataclass(frozen=True, slots=True)
class Row:
    """One request: what was asked in which case, the recorded answer, the one that came, and how they differ."""

    endpoint: str
    case: str
    step: int
    expected: str
    got: str
    differences: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """The answer conforms."""
        return not self.differences


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Requests of the recording that this run does not ask, and why."""

    what: str
    reason: str


@dataclass(frozen=True, slots=True)
class ConformReport:
    """All rows of a run against `url`."""

    url: str
    rows: tuple[Row, ...]
    left_out: tuple[LeftOut, ...] = ()

    @property
    def passed(self) -> bool:
        """Something was asked and every answer conforms."""
        return bool(self.rows) and all(row.passed for row in self.rows)

    @property
    def summary(self) -> str:
        """One line of totals."""
        names = {row.case for row in self.rows}
        failed = {row.case for row in self.rows if not row.passed}
        answers = sum(row.passed for row in self.rows)
        return (
            f"{len(names) - len(failed)} of {len(names)} cases, {answers} of {len(self.rows)} answers as recorded"
            f" · {len(self.left_out)} left out"
        )

    def as_json(self) -> dict[str, Any]:
        """The report as JSON values."""
        return {
            "format": 1,
            "url": self.url,
            "passed": self.passed,
            "summary": self.summary,
            "rows": [{**asdict(row), "passed": row.passed} for row in self.rows],
            "left_out": [asdict(item) for item in self.left_out],
        }

    def render(self) -> str:
        """The report as text: a table with a row a case and endpoint, the failures in full, the rest left out."""
        console = Console(file=io.StringIO(), width=_WIDTH, no_color=True)
        console.print(_table(self.rows))
        for reason, count in Counter(item.reason for item in self.left_out).items():
            names = dict.fromkeys(item.what for item in self.left_out if item.reason == reason)
            console.print(f"left out ({count}): {'; '.join(names)}: {reason}", highlight=False, markup=False)
        console.print(self.summary, highlight=False, markup=False)
        text: str = console.file.getvalue()  # type: ignore[attr-defined]
        return text


def _table(rows: Sequence[Row]) -> Table:
    table = Table(title=None)
    for name in ("endpoint", "case", "expected", "got"):
        table.add_column(name, overflow="fold")
    for row in rows:
        got = _cut(row.got) if row.passed else "\n".join([f"✗ {_cut(row.got)}", *row.differences])
        table.add_row(*map(_plain, (row.endpoint, f"{row.case} #{row.step}", _cut(row.expected), got)))
    return table


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def _plain(text: str) -> Any:
    from rich.text import Text

    return Text(text)
