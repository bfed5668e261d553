"""Writes an accepted failure into a scenario file: one line added or replaced, nothing else touched."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from harness.errors import UsageError
from harness.scenario.load import load_scenario

_PLAIN = re.compile(r"[A-Z]\d{1,2}|\d{4}-\d\d-\d\d")
_TRAILING = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\n)*[ \t]*$")
"""Blank lines and comments behind an entry: they belong to what follows."""


def add_known(path: Path, entry: Mapping[str, str]) -> None:
    """Add `entry` (law, reason, until, …) to the `known` list of a scenario file, or replace the law's general one.

    The new text is read before it is written: raises ScenarioError when it would be wrong, UsageError when the file
    can't be written or takes its list from a file that it extends.
    """
    scenario = load_scenario(path)
    text = path.read_text(encoding="utf-8")
    known = _known_list(text)
    if known is None and scenario.known:
        raise UsageError(f"{path} takes its known list from a file that it extends", "add the entry in that file")
    changed = _with(text, known, entry["law"], _line(entry))
    load_scenario(path, text=changed)
    try:
        path.write_text(changed, encoding="utf-8")
    except OSError as error:
        what = f"{path} can't be written: {error.strerror}"
        raise UsageError(what, "shipped scenarios are read-only; copy the file and run that") from error


def _line(entry: Mapping[str, str]) -> str:
    pairs = (f"{key}: {_scalar(value)}" for key, value in entry.items())
    return f"{{{', '.join(pairs)}}}"


def _scalar(value: str) -> str:
    return value if _PLAIN.fullmatch(value) else json.dumps(value, ensure_ascii=False)


def _known_list(text: str) -> Any:
    """The YAML node of the file's own `known` list, with marks; None when it has none."""
    root = YAML(typ="safe", pure=True).compose(text)
    return next((value for key, value in root.value if key.value == "known"), None)


def _with(text: str, known: Any, law: str, line: str) -> str:
    """The text with the entry: in place of the law's, at the end of the file, in the list's brackets, or on top."""
    if known is None:
        return f"{text.rstrip()}\n\nknown:\n  - {line}\n"
    for item in known.value:
        keys = {key.value: value.value for key, value in item.value}
        if keys.get("law") == law and "where" not in keys:
            start, end = item.start_mark.index, item.end_mark.index
            rest = _TRAILING.search(text[start:end])
            return f"{text[:start]}{line}{rest[0] if rest else ''}{text[end:]}"
    at, column = known.start_mark.index, known.start_mark.column
    if text[at] == "[":
        return f"{text[: at + 1]}{line}{', ' if known.value else ''}{text[at + 1 :]}"
    return f"{text[:at]}- {line}\n{' ' * column}{text[at:]}"
