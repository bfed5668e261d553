"""What goes out of the embedded KATO: its answers, and the exceptions that become answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

JSON_TYPE: Mapping[str, str] = {"content-type": "application/json"}
TEXT_TYPE: Mapping[str, str] = {"content-type": "text/plain; charset=utf-8"}
HTML_TYPE: Mapping[str, str] = {"content-type": "text/html; charset=utf-8"}

encode = msgspec.json.Encoder().encode
"""JSON of an answer; NaN and infinities become null, as in KATO's answers."""


class Request(Protocol):
    """One HTTP request: `path` decoded and without query, `headers` with lower-case names, `body` maybe empty."""

    @property
    def method(self) -> str: ...

    @property
    def path(self) -> str: ...

    @property
    def query(self) -> str: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def body(self) -> bytes: ...


@dataclass(slots=True)
class Answer:
    """KATO's reply. `headers` lack content-length, date, server and x-trace-id, which the server adds.

    `committed`: the request changed stored state. `futures`: as in spool.ARRIVALS. `delay`: seconds for which the
    stores kept the worker busy; math.inf: it never answers, and answers nobody else either.
    """

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=lambda: JSON_TYPE)
    session_id: str = ""
    node_id: str = ""
    committed: bool = False
    delay: float = 0.0
    futures: int = 0


class RefusedError(Exception):
    """The request ends here, with `status` and a JSON `content`."""

    def __init__(self, status: int, content: Any, headers: Mapping[str, str] = JSON_TYPE) -> None:
        super().__init__(status)
        self.status = status
        self.content = content
        self.headers = headers


class CrashError(Exception):
    """KATO raises here and nobody catches it: 500, text/plain."""


def detail(status: int, text: Any) -> RefusedError:
    """FastAPI's error body for `status`."""
    return RefusedError(status, {"detail": text})


def strict_json(content: Any) -> bytes:
    """JSON of an error body; raises CrashError where KATO fails to write it (NaN, infinities, lone surrogates)."""
    try:
        return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except ValueError:
        raise CrashError from None


def crashed(session_id: str, node_id: str, committed: bool) -> Answer:
    """The answer of an unhandled exception; the server closes the connection after it."""
    return Answer(500, b"Internal Server Error", TEXT_TYPE, session_id, node_id, committed)
