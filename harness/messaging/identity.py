"""Which message is this: by its id, else by what its body carries, as it may be published again without its id."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from harness.model import ATTEMPT_HEADER

_FIELD = ATTEMPT_HEADER.encode()
_TOKEN = re.compile(re.escape(_FIELD) + rb'\\*"\s*:\s*\\*"([\w-]+)')
"""Also within a text of JSON, where quotes are escaped; the number of the attempt is left out."""


def identity(properties: Any, body: bytes) -> str:
    """The id of a message, '' for none."""
    return str(getattr(properties, "message_id", None) or "") or carried(body)


def carried(body: bytes) -> str:
    """The id that a body carries: the call's number, or the name of a poison; '' for none."""
    found = _TOKEN.search(body) if _FIELD in body else None
    return found[1].decode() if found else ""


def names(properties: Any) -> Iterator[str]:
    """What a publish may name its cause by: its correlation id, its own id, or a header."""
    for value in (getattr(properties, "correlation_id", None), getattr(properties, "message_id", None)):
        yield str(value or "")
    for value in (getattr(properties, "headers", None) or {}).values():
        yield value.decode(errors="replace") if isinstance(value, (bytes, bytearray)) else str(value)
