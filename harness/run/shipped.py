"""Scenarios that come with the harness: beside the package in a checkout, inside it when it is installed."""

from __future__ import annotations

import difflib
from pathlib import Path

from harness.errors import UsageError

PACKAGE = Path(__file__).resolve().parent.parent


def shipped_folder(kind: str) -> Path:
    """The folder of shipped `scenarios` or `locustfiles`."""
    installed = PACKAGE / "shipped" / kind
    return installed if installed.is_dir() else PACKAGE.parent / kind


def shipped_names() -> list[str]:
    """The names of the shipped scenarios."""
    return sorted(path.stem for path in shipped_folder("scenarios").glob("*.yaml"))


def shipped_scenario(name: str) -> Path:
    """The file `name`, or the shipped scenario of that name; raises UsageError for neither."""
    path = Path(name)
    if path.is_file():
        return path
    names = shipped_names()
    if name in names:
        return shipped_folder("scenarios") / f"{name}.yaml"
    near = difflib.get_close_matches(path.stem, names, 1)
    hint = f"did you mean {near[0]}?" if near else f"the shipped scenarios are {', '.join(names)}"
    raise UsageError(f"there is no scenario file {name}, and no shipped scenario of that name", hint)
