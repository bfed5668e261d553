"""Requests of the witness's own to the target, each on a connection of its own, off the path of the traffic."""

from __future__ import annotations

import asyncio
import json

from harness.twin.forward.request import ForwardRequest
from harness.twin.forward.target import Target
from harness.twin.http import Request

TIMEOUT_S = 2.0
Headers = list[tuple[bytes, bytes]]


async def read_stm_length(target: Target, session: str, model: ForwardRequest) -> int | None:
    """How many events the session's memory holds; None where KATO doesn't say within TIMEOUT_S.

    The headers are those of the request `model`, so that a KATO behind authorization answers.
    """
    return length_in(await ask(target, "GET", f"/sessions/{session}/stm", model.raw_headers))


def length_in(reply: tuple[int, bytes] | None) -> int | None:
    """The length that an answer of /stm tells, None where it tells none."""
    if reply is None or reply[0] != 200:
        return None
    body = reply[1]
    try:
        length = json.loads(body[body.index(b"{") : body.rindex(b"}") + 1])["length"]
    except (ValueError, KeyError, TypeError):
        return None
    return length if isinstance(length, int) else None


async def ask(target: Target, method: str, path: str, headers: Headers) -> tuple[int, bytes] | None:
    """Status and raw body of the answer; None where none comes within TIMEOUT_S."""
    kept = [(name, value) for name, value in headers if name.lower() != b"content-type"]
    request = ForwardRequest(Request(method, path, "", {}, b""), path.encode(), kept, None)
    try:
        reply = await asyncio.wait_for(_exchange(target, request), TIMEOUT_S)
    except (OSError, TimeoutError):
        return None
    head, _, body = reply.partition(b"\r\n\r\n")
    status = head[9:12]
    return (int(status), body) if head.startswith(b"HTTP/1.") and status.isdigit() else None


async def _exchange(target: Target, request: ForwardRequest) -> bytes:
    reader, writer = await asyncio.open_connection(target.host, target.port, ssl=target.tls)
    try:
        head = request.head(target.prefix, target.authority)
        writer.write(head[:-2] + b"connection: close\r\n\r\n")
        return await reader.read()
    finally:
        writer.close()
