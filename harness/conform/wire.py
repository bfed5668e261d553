"""Requests over HTTP, as a careful client sends them: one connection a request, bounded in time."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import httpx

from harness.conform.replay import Reply, Send
from harness.errors import PartMissing, UsageError

TIMEOUT_S = 60.0


def sender(url: str) -> Send:
    """Send to the server at `url`; raises UsageError for no URL, PartMissing where nobody answers.

    Each request has a connection of its own, because KATO closes kept ones after a 500 without saying so. The client
    lives as long as the function that is returned.
    """
    return _sender(url, kept=0)[0]


def keeping_sender(url: str) -> tuple[Send, Callable[[], None]]:
    """`sender` over one kept connection, and what closes it: for measuring."""
    return _sender(url, kept=1)


def _sender(url: str, kept: int) -> tuple[Send, Callable[[], None]]:
    base = url.rstrip("/")
    if not base.startswith(("http://", "https://")):
        raise UsageError(f"{url!r} is no URL of a server", "write it as http://127.0.0.1:8000")
    context = httpx.create_ssl_context() if base.startswith("https") else False
    client = httpx.Client(verify=context, timeout=TIMEOUT_S, limits=httpx.Limits(max_keepalive_connections=kept))

    def send(method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        try:
            reply = client.request(method, base + path, headers=headers, content=body)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise PartMissing(f"nobody listens at {base}: {error}", "start the server, or name its URL") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return 0, {}, f"{type(error).__name__}: {error}".encode()
        return reply.status_code, dict(reply.headers), reply.content

    return send, client.close
