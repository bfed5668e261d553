"""Writes an accepted failure into a scenario file, leaving its comments and layout as they are."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from harness.errors import UsageError


def add_known(path: Path, entry: Mapping[str, Any]) -> None:
    """Append `entry` to the `known:` list, in place of one of the same law; raises UsageError when it can't be."""
    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = 200
    try:
        tree = yaml.load(path.read_text(encoding="utf-8"))
        known = tree.setdefault("known", [])
        known[:] = [other for other in known if other["law"] != entry["law"]]
        until = datetime.date.fromisoformat(str(entry["until"]))
        known.append({**entry, "until": until})
        with path.open("w", encoding="utf-8") as file:
            yaml.dump(tree, file)
    except OSError as error:
        what = f"{path} can't be written: {error.strerror}"
        raise UsageError(what, "shipped scenarios are read-only; copy the file and run that") from error
