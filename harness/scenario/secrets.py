"""References and redaction: a secret is a reference in everything that is written, and resolved when it is used."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.scenario.leaves import REFERENCE

MASK = "[redacted]"
_SENSITIVE = re.compile(r"authorization|cookie|token|secret|password|api[-_]?key|credential", re.IGNORECASE)
_USERINFO = re.compile(r"//[^/@\s]+@")


def reveal(value: Any) -> Any:
    """The value with every `${env:NAME}` and `${file:PATH}` in its texts resolved, maps and lists included.

    A file's last line end is dropped. Raises UsageError for a variable that isn't set or a file that can't be read.
    """
    if isinstance(value, str):
        return REFERENCE.sub(lambda match: _resolved(match[1], match[2]), value)
    if isinstance(value, Mapping):
        return {key: reveal(item) for key, item in value.items()}
    return type(value)(reveal(item) for item in value) if isinstance(value, (list, tuple)) else value


def _resolved(kind: str, name: str) -> str:
    if kind == "env":
        found = os.environ.get(name)
        if found is None:
            raise UsageError(f"the environment variable {name} is not set", f"set {name}: the scenario refers to it")
        return found
    try:
        return Path(name).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the secret file {name} can't be read: {error}", "mend the path or its permissions") from None


def redacted(value: Any, path: tuple[str, ...] = ()) -> Any:
    """Plain scenario values without what may be secret: texts of the target's headers and of headers named like
    secrets, and user names in URLs. References stay: they are no secrets themselves."""
    if isinstance(value, Mapping):
        return {name: redacted(item, (*path, *name.split("."))) for name, item in value.items()}
    if isinstance(value, list):
        return [redacted(item, path) for item in value]
    if not isinstance(value, str):
        return MASK if _secret(path) else value
    if _secret(path):
        return "".join(match[0] for match in REFERENCE.finditer(value)) or MASK
    return _USERINFO.sub(f"//{MASK}@", value)


def _secret(path: tuple[str, ...]) -> bool:
    return "headers" in path and ("target" in path or bool(_SENSITIVE.search(path[-1])))
