"""Recorded cases: requests with the answers that KATO gave, self-contained, read from JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import contracts
from harness.errors import UsageError

CASES = ("cases.jsonl", "more.jsonl")
"""Cases by hand, and drawn ones: mixed calls and odd bodies, recorded alike."""

NO_BODY = object()
"""The request has no body."""

ANY_BODY = object()
"""The answer's body was not recorded whole."""


@dataclass(frozen=True, slots=True)
class Expected:
    """The recorded answer: status, Content-Type, the body as parsed JSON or as text, and headers that must be equal."""

    status: int
    content_type: str
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """One request. `raw` goes out as it is, `body` as JSON; `save` names the session that the answer opens.

    `wait_s`: seconds to wait before the request. Texts may hold `${run}` and the `${name}` of saved sessions.
    """

    method: str
    path: str
    expected: Expected
    body: Any = NO_BODY
    raw: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    save: str = ""
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Case:
    """A name and steps that need no other case."""

    name: str
    steps: tuple[Step, ...]


def shipped(name: str, release: str = contracts.LATEST) -> list[dict[str, Any]]:
    """The records of one shipped file of contract data, like `cases.jsonl`."""
    return [json.loads(line) for line in contracts.data(name, release).decode().split("\n") if line]


def load_cases(path: Path | None = None, release: str = contracts.LATEST) -> list[Case]:
    """The cases of a file, or the shipped ones; raises UsageError naming the line that is no case."""
    if path is None:
        return [_case(record) for name in CASES for record in shipped(name, release)]
    return list(_read(path))


def _read(path: Path) -> Iterator[Case]:
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cases {path}: {error}", "name a readable file of JSON lines") from None
    for number, line in enumerate(lines, 1):
        try:
            yield _case(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            cure = 'one object a line: {"case": name, "steps": [{"method", "path", "expect": {"status", "body"}}]}'
            raise UsageError(f"{path}:{number}: no case ({type(error).__name__}: {error})", cure) from None


def _case(record: Mapping[str, Any]) -> Case:
    return Case(str(record["case"]), tuple(_step(step) for step in record["steps"]))


def _step(record: Mapping[str, Any]) -> Step:
    expect = record["expect"]
    return Step(
        str(record["method"]),
        str(record["path"]),
        Expected(int(expect["status"]), str(expect.get("content_type") or ""), expect.get("body")),
        record.get("body", NO_BODY),
        record.get("raw"),
        {str(name): str(value) for name, value in record.get("headers", {}).items()},
        str(record.get("save", "")),
        float(record.get("wait_s", 0.0)),
    )
