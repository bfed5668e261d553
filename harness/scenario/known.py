"""Writes an accepted failure into a scenario file: one line more, nothing else touched."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from harness.errors import UsageError
from harness.scenario.load import load_scenario
from harness.scenario.nodes import Node, parse

_PLAIN = re.compile(r"[A-Za-z0-9][\w.-]*")


def add_known(file: str | Path, entry: Mapping[str, str]) -> None:
    """Add `entry` (law, reason, until, …) to the `known` list of a scenario file.

    The new text is read before it is written: raises ScenarioError when it would be wrong, UsageError when the list
    stands in a file that this one extends.
    """
    path = Path(file)
    scenario = load_scenario(path)
    text = path.read_text(encoding="utf-8")
    known = parse(text, str(path)).entries.get("known")
    if known is None and scenario.known:
        raise UsageError(f"{path} takes its known list from a file that it extends", "add the entry in that file")
    changed = _with(text, known, _line(entry))
    load_scenario(path, text=changed)
    path.write_text(changed, encoding="utf-8")


def _line(entry: Mapping[str, str]) -> str:
    pairs = (
        f"{key}: {value if _PLAIN.fullmatch(value) else json.dumps(value, ensure_ascii=False)}"
        for key, value in entry.items()
    )
    return f"{{{', '.join(pairs)}}}"


def _with(text: str, known: Node | None, line: str) -> str:
    """The text with the entry as the first of `known`: at the end of the file, in its brackets, or above its items."""
    if known is None:
        return f"{text.rstrip()}\n\nknown:\n  - {line}\n"
    lines = text.splitlines(keepends=True)
    at = sum(len(each) for each in lines[: known.where.line - 1]) + known.where.column - 1
    if text[at] == "[":
        return f"{text[: at + 1]}{line}{', ' if known.items else ''}{text[at + 1 :]}"
    return f"{text[:at]}- {line}\n{' ' * (known.where.column - 1)}{text[at:]}"
