"""KATO's paths and the least that an answer of each must hold (contract, sections 1 and 2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class BadAnswerError(ValueError):
    """A 2xx answer that is no answer of KATO's: not JSON, not an object, or without the key that makes it one."""


def observe_path(session_id: str) -> str:
    """POST an observation here."""
    return f"/sessions/{session_id}/observe"


def predictions_path(session_id: str) -> str:
    """GET predictions here."""
    return f"/sessions/{session_id}/predictions"


def learn_path(session_id: str) -> str:
    """POST without a body to learn what was observed."""
    return f"/sessions/{session_id}/learn"


SESSIONS_PATH = "/sessions"


def session_body(node_id: str, config: Mapping[str, Any] | None = None, ttl: int = 0) -> dict[str, Any]:
    """What opens a session; `ttl` in s, 0: KATO's own."""
    optional = {"config": dict(config or {}), "ttl_seconds": ttl}
    return {"node_id": node_id, **{key: value for key, value in optional.items() if value}}


_KEYS = {"sessions": ("session_id", str), "observe": ("status", str), "predictions": ("predictions", list)}


def checked(path: str, answer: Any) -> dict[str, Any]:
    """The answer, if it is the object that this path gives; raises BadAnswerError otherwise."""
    if not isinstance(answer, dict):
        raise BadAnswerError(f"{path} answered {type(answer).__name__}, not an object")
    key, kind = _KEYS.get(path.rpartition("/")[2], ("status", str))
    if not isinstance(answer.get(key), kind):
        raise BadAnswerError(f"{path} answered without {key}: {sorted(answer)[:5]}")
    return answer
