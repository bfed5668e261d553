"""Requests over HTTP, as a careful client sends them: one after the other, bounded in time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx

from harness.conform.replay import Reply, Send
from harness.errors import PartMissing, UsageError

TIMEOUT_S = 60.0

KEPT_S = 1.0
"""An idle connection is used again within so long; KATO closes it after 5 s, what stands before it perhaps earlier."""


def _has_place(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


@contextmanager
def sender(url: str) -> Iterator[Send]:
    """Send to the server at `url`; raises UsageError for no URL, PartMissing where nobody answers.

    One connection is kept: with it stays the worker, and what that remembers of a node, where a KATO has several. After
    a 500 KATO closes it without saying so, and the next request gets a new one.
    """
    base = url.rstrip("/")
    if not base.startswith(("http://", "https://")) or not _has_place(base):
        raise UsageError(f"{url!r} is no URL of a server", "write it as http://127.0.0.1:8000")
    context = httpx.create_ssl_context() if base.startswith("https") else False
    limits = httpx.Limits(max_keepalive_connections=1, keepalive_expiry=KEPT_S)

    def connected() -> httpx.Client:
        return httpx.Client(verify=context, timeout=TIMEOUT_S, limits=limits)

    client = connected()

    def send(method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        nonlocal client
        try:
            reply = client.request(method, base + path, headers=headers, content=body)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise PartMissing(f"nobody listens at {base}: {error}", "start the server, or name its URL") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return 0, {}, f"{type(error).__name__}: {error}".encode()
        if reply.status_code == 500:
            client.close()
            client = connected()
        return reply.status_code, dict(reply.headers), reply.content

    try:
        yield send
    finally:
        client.close()
