"""Which lines of law code each test runs: noted once, and kept for as long as neither tests nor code change."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec

from tests.mutants.families import LAWS, ROOT

KEPT = ROOT / ".pytest_cache" / "law-mutants.json"


@dataclass(frozen=True, slots=True)
class Watched:
    """One test without any mutant: the processor time it took (s), and the (file, line) of law code that it ran."""

    took_s: float
    lines: list[tuple[str, int]]


def known() -> list[Watched]:
    """The tests in the order in which they are collected; none where anything has changed since they were noted."""
    if not KEPT.exists():
        return []
    text, runs = msgspec.json.decode(KEPT.read_bytes(), type=tuple[str, list[Watched]])
    return runs if text == _fingerprint() else []


def remember(runs: list[Watched]) -> list[Watched]:
    """The same, kept."""
    KEPT.parent.mkdir(exist_ok=True)
    KEPT.write_bytes(msgspec.json.encode((_fingerprint(), runs)))
    return runs


def _fingerprint() -> str:
    """Of the code and its tests, this interpreter's version too."""
    found = sha256(sys.version.encode())
    for path in sorted([*(ROOT / "harness").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]):
        found.update(path.read_bytes())
    return found.hexdigest()


class Lines:
    """Notes the lines of law code that run inside the block."""

    def __init__(self) -> None:
        self.lines: set[tuple[str, int]] = set()
        self._names: dict[str, str | None] = {}

    def __enter__(self) -> Lines:
        sys.settrace(self._called)
        return self

    def __exit__(self, *unused: object) -> None:
        sys.settrace(None)

    def _called(self, frame: FrameType, event: str, arg: Any) -> Any:
        path = frame.f_code.co_filename
        if path not in self._names:
            self._names[path] = Path(path).name if Path(path).parent == LAWS else None
        name = self._names[path]
        if name is None:
            return None

        def within(frame: FrameType, event: str, arg: Any) -> Any:
            self.lines.add((name, frame.f_lineno))
            return within

        return within(frame, event, arg)
