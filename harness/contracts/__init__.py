"""Contract data by KATO release: a folder a release, with what was recorded from it (docs/next-kato.md).

`release.json` names the version that the recorded server told of itself; `cases.jsonl`, `more.jsonl`,
`exchanges.jsonl`, `openapi.json` and `settings.json` are the recordings.
"""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files

LATEST = "3.10"
"""The release that is imitated and asked for where none is named."""


def releases() -> tuple[str, ...]:
    """The releases with contract data, oldest first."""
    names = (entry.name for entry in files(__name__).iterdir() if entry.is_dir())
    return tuple(sorted((name for name in names if re.fullmatch(r"\d+\.\d+", name)), key=_order))


@cache
def data(name: str, release: str = LATEST) -> bytes:
    """One file of a release's contract data, like `cases.jsonl`; empty where that was not recorded."""
    file = files(__name__) / release / name
    return file.read_bytes() if file.is_file() else b""


def version(release: str = LATEST) -> str:
    """The full version of the recorded server, like 3.10.1."""
    return str(json.loads(data("release.json", release))["version"])


def _order(name: str) -> tuple[int, ...]:
    return tuple(map(int, name.split(".")))
