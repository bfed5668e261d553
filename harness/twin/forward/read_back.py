"""GET /sessions/{id}/stm on a connection of its own, off the path of the forwarded traffic."""

from __future__ import annotations

import asyncio
import json

from harness.twin.forward.request import ForwardRequest
from harness.twin.forward.target import Target
from harness.twin.http import Request

TIMEOUT_S = 2.0


async def read_stm_length(target: Target, session: str, model: ForwardRequest) -> int | None:
    """How many events the session's memory holds; None where KATO doesn't say within TIMEOUT_S.

    The headers are those of the request `model`, so that a KATO behind authorization answers.
    """
    try:
        reply = await asyncio.wait_for(_exchange(target, _request(session, model)), TIMEOUT_S)
    except (OSError, TimeoutError):
        return None
    head, _, body = reply.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        return None
    try:
        length = json.loads(body[body.index(b"{") : body.rindex(b"}") + 1])["length"]
    except (ValueError, KeyError, TypeError):
        return None
    return length if isinstance(length, int) else None


def _request(session: str, model: ForwardRequest) -> ForwardRequest:
    path = f"/sessions/{session}/stm"
    headers = [(name, value) for name, value in model.raw_headers if name.lower() != b"content-type"]
    return ForwardRequest(Request("GET", path, "", {}, b""), path.encode(), headers, None)


async def _exchange(target: Target, request: ForwardRequest) -> bytes:
    reader, writer = await asyncio.open_connection(target.host, target.port, ssl=target.tls)
    try:
        head = request.head(target.prefix, target.authority)
        writer.write(head[:-2] + b"connection: close\r\n\r\n")
        return await reader.read()
    finally:
        writer.close()
