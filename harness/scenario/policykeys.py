"""The `policy` key: what the integration promises, as in design.md; durations with units, seconds when read."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import ScenarioError
from harness.model import ERRORS, OPERATIONS
from harness.scenario.kinds import Key, ListOf, MapOf, read_keys
from harness.scenario.leaves import (
    BAD,
    BOOLEAN,
    DURATION,
    POSITIVE_DURATION,
    RATIO,
    Kind,
    Leaf,
    Sink,
    beside,
    choice,
    integer,
    number,
    shown,
    suggest,
)  # fmt: skip
from harness.scenario.nodes import Node, parse
from harness.units import TextError

ERROR_WORDS = (*(word for word in ERRORS if word), "timeout")


def _error_word(text: str) -> str:
    if text in ERROR_WORDS or re.fullmatch(r"[1-5]\d\d", text):
        return text
    raise TextError(f"{text!r} is not an error", suggest(text, ERROR_WORDS) + "; or a status such as 503")


_ERRORS = ListOf(Leaf(_error_word, {"type": ["string", "integer"]}))
_OPS = ListOf(choice(*OPERATIONS))


@dataclass(frozen=True, slots=True)
class Part:
    """A nested part of the policy: plain values by a closed table of keys."""

    keys: dict[str, Kind] = field(default_factory=dict)

    def read(self, node: Node, sink: Sink, name: str) -> Any:
        if node.kind != "map":
            return sink.note(node.where, f"{name} needs a map, not {shown(node)}", f"keys: {', '.join(self.keys)}")
        values = read_keys(node, {word: Key(kind, "") for word, kind in self.keys.items()}, sink, name)
        return {word: list(value) if isinstance(value, tuple) else value for word, value in values.items()}

    def schema(self) -> dict[str, Any]:
        return {
            "type": "object",
            "additionalProperties": False,
            "properties": {word: kind.schema() for word, kind in self.keys.items()},
        }


_TIMEOUT = Part(dict.fromkeys(("connect", "read", "write", "pool", "total"), POSITIVE_DURATION))
_BACKOFF = Part({
    "initial": DURATION, "multiplier": number(1), "max": DURATION, "spread": DURATION, "first": DURATION,
    "jitter": choice("none", "full", "equal", "decorrelated", "added"),
})  # fmt: skip
_RETRY = Part({
    "max_attempts": integer(1, 1000), "on": _ERRORS, "calls": _OPS, "backoff": _BACKOFF,
    "retry_after": choice("honour", "ignore"), "budget": Part({"ratio": number(0), "min_per_second": number(0)}),
    "reraise": BOOLEAN,
})  # fmt: skip
_BREAKER = Part({
    "fail_max": integer(1), "reset_timeout": POSITIVE_DURATION, "counts": _ERRORS, "half_open_trials": integer(1),
    "success_threshold": integer(1), "failure_ratio": RATIO, "window": POSITIVE_DURATION, "min_calls": integer(1),
})  # fmt: skip
_PROMISES: dict[str, Kind] = {
    "timeout": _TIMEOUT,
    "retry": _RETRY,
    "breaker": _BREAKER,
    "fallback": Part({"marked": BOOLEAN}),
    "sessions": choice("one_per_user", "per_call", "shared"),
}
WHOLE = Part({**_PROMISES, "calls": MapOf(Part(_PROMISES), tuple(op for op in OPERATIONS if op != "other"))})


@dataclass(frozen=True, slots=True)
class PolicyKey:
    """A policy in place, or {file: …} with one (below a key `policy` or alone)."""

    def read(self, node: Node, sink: Sink, name: str) -> Any:
        if list(node.entries) != ["file"]:
            return WHOLE.read(node, sink, name)
        place = node.entries["file"]
        try:
            path = beside(place)
            read = parse(Path(path).read_text(encoding="utf-8"), path)
        except (OSError, UnicodeDecodeError) as error:
            return sink.note(
                place.where, f"the policy file {place.text!r} can't be read: {error}", "paths are relative to this file"
            )
        except ScenarioError as error:
            sink.extend(error.problems)
            return BAD
        return WHOLE.read(read.entries["policy"] if list(read.entries) == ["policy"] else read, sink, name)

    def schema(self) -> dict[str, Any]:
        file = {
            "type": "object",
            "additionalProperties": False,
            "required": ["file"],
            "properties": {"file": {"type": "string"}},
        }
        return {"anyOf": [file, WHOLE.schema()]}


POLICY = PolicyKey()
