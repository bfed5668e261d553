"""Which lines of law code each test runs."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from tests.mutants.families import LAWS


@dataclass(frozen=True, slots=True)
class Watched:
    """One test without any mutant: the processor time it took (s), and the (file, line) of law code that it ran."""

    took_s: float
    lines: list[tuple[str, int]]


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
