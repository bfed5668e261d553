"""What a fault rule of the witness does to one request: end it before KATO sees it, or change KATO's answer."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from time import time
from typing import Any, Protocol

from harness.twin.http import PHRASES, Request, encode_head
from harness.twin.steps import Close, Fate, Fill, Reset, Send, Step, Wait

JSON_TYPE = {"content-type": "application/json"}
TEXT_TYPE = {"content-type": "text/plain; charset=utf-8"}
HTML_PAGE = b"<html><head><title>Welcome</title></head><body><h1>Welcome</h1></body></html>"


class Reply(Protocol):
    """An answer of KATO, embedded or real, as far as effects need it."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def body(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class PlainReply:
    """A reply that the witness itself makes."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Before:
    """KATO never sees the request; the client gets `fate(request)`."""

    fate: Callable[[Request], Fate]


@dataclass(frozen=True, slots=True)
class After:
    """KATO handles the request; the client gets `fate(request, reply)` instead of the reply."""

    fate: Callable[[Request, Reply], Fate]


@dataclass(frozen=True, slots=True)
class Delay:
    """KATO handles the request at once; its reply leaves `seconds` later."""

    seconds: float


Effect = Before | After | Delay


def plain(request: Request, reply: Reply) -> Fate:
    """The reply as it is; the connection is closed where the client asked for it, and said so in a header."""
    close = not request.keep_alive or reply.headers.get("connection") == "close"
    says_so = request.headers.get("connection") == "close" and "connection" not in reply.headers
    body = b"" if request.method == "HEAD" else reply.body
    sent = Send(encode_head(reply.status, reply.headers, len(reply.body), says_so) + body)
    return Fate(reply.status, (sent, Close()) if close else (sent,))


def cut(how: str) -> Fate:
    """No reply: the connection ends in order (`close`) or by RST (`reset`)."""
    return Fate(0, (Reset() if how == "reset" else Close(),), whole=False)


def status_fate(request: Request, status: int, body: str = "kato", retry_after: object = None) -> Fate:
    """A whole reply with `status`, as KATO would word it (`body` kato), without body (none), or with that text."""
    headers, content = (TEXT_TYPE, body.encode()) if body not in ("kato", "none") else kato_body(request, status)
    if body == "none":
        headers, content = {}, b""
    if retry_after is not None:
        headers = {**headers, "retry-after": retry_after_value(retry_after)}
    return plain(request, PlainReply(status, headers, content))


def retry_after_value(value: object) -> str:
    """Retry-After of RFC 9110, 10.2.3: whole seconds, or an HTTP date so many seconds ahead."""
    if isinstance(value, Mapping):
        return formatdate(math.ceil(time() + float(value["date"])), usegmt=True)
    return str(math.ceil(float(str(value))))


def kato_body(request: Request, status: int) -> tuple[Mapping[str, str], bytes]:
    """Content type and body that KATO 3.10.1 gives with `status` (contract, section 3)."""
    if status in (500, 502, 503, 504):
        text = "Internal Server Error" if status == 500 else PHRASES[status]
        return TEXT_TYPE, text.encode()
    parts = request.path.split("/")
    if status == 404 and len(parts) > 3 and parts[1] == "sessions":
        return JSON_TYPE, _json({"error": _not_found(parts[2])})
    if status == 422:
        return JSON_TYPE, _json({"detail": [_INVALID]})
    return JSON_TYPE, _json({"detail": PHRASES.get(status, "Error")})


_INVALID = {"type": "missing", "loc": ["body"], "msg": "Field required", "input": None}


def _not_found(session: str) -> dict[str, str]:
    message = f"Session {session} not found or expired"
    return {"code": "SESSION_NOT_FOUND", "message": message, "session_id": session}


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def drip(size: int, every: float, total: int) -> After:
    """The headers, then `total` pieces of `size` bytes, `every` seconds apart; the last holds what is left.

    A body shorter than `total` pieces is padded with JSON white space.
    """

    def fate(request: Request, reply: Reply) -> Fate:
        body = reply.body.ljust(size * total)
        pieces = [body[at * size : (at + 1) * size] for at in range(total - 1)] + [body[(total - 1) * size :]]
        steps: list[Step] = [Send(encode_head(reply.status, _unsized(reply.headers), len(body)))]
        for piece in pieces:
            steps += (Send(piece), Wait(every))
        return Fate(reply.status, tuple(steps[:-1]))

    return After(fate)


def truncate(after: int) -> After:
    """Content-Length of the whole body, `after` bytes of it, then the connection is closed."""

    def fate(request: Request, reply: Reply) -> Fate:
        head = encode_head(reply.status, reply.headers, len(reply.body))
        return Fate(reply.status, (Send(head + reply.body[: min(after, len(reply.body) - 1)]), Close()), whole=False)

    return After(fate)


def _unsized(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name != "content-length"}


def rewritten(change: Callable[[Reply], tuple[Mapping[str, str], bytes]]) -> After:
    """The reply with the headers and the body that `change` makes of it."""

    def fate(request: Request, reply: Reply) -> Fate:
        headers, body = change(reply)
        return plain(request, PlainReply(reply.status, _unsized(headers), body))

    return After(fate)


def malformed(reply: Reply) -> tuple[Mapping[str, str], bytes]:
    """The first half of the body, complete for HTTP and broken as JSON."""
    return reply.headers, reply.body[: max(1, len(reply.body) // 2)]


def huge(size: int) -> After:
    """The body padded with JSON white space to `size` bytes."""

    def fate(request: Request, reply: Reply) -> Fate:
        length = max(size, len(reply.body))
        head = encode_head(reply.status, _unsized(reply.headers), length)
        return Fate(reply.status, (Send(head + reply.body), Fill(length - len(reply.body))))

    return After(fate)
