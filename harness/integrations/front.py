"""The driver of a front service: one POST to `/api/process` a call, as a browser's backend would make it.

Every tenth caller goes away early, as people do. A failure that tells of the service's inside is an error of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import httpx

PATH = "/api/process"
PATIENCE = 4.0
"""How many times the promised total the driver waits, so that the service's own end is seen."""
HASTY_EVERY = 10
HASTE = 0.4
"""Every tenth caller waits for this share of the total."""
INSIDE = re.compile(
    r"""127\.0\.0\.1|localhost|\bErrno\b|Traceback|\bFile\ ["\\]|\.py\b
    |https?://(?:[^\s/"']*:\d|[\w-]+(?:[/"'\s]|$)|[\w.-]+\.(?:svc|local|internal)\b)
    |\b(?:httpx|httpcore|aiohttp|urllib3|requests\.|HTTPConnectionPool|Max\ retries\ exceeded)
    |Connection\ refused|All\ connection\ attempts\ failed|Name\ or\ service\ not\ known|Cannot\ connect\ to\ host
    |\b[A-Z]\w*(?:Error|Exception|Timeout|Expired)\(
    |\b(?:Connect|Read|Write|Pool|Close|Connection(?:Reset|Refused)?|RemoteProtocol|HTTPStatus|ClientConnector|ClientOS
    |ServerDisconnected|JSONDecode|Retry|CircuitBreaker|Timeout|OS|Key|Type|Value|Attribute|Index|Name|Runtime)Error\b
    |\b(?:Connect|Read|Write|Pool)Timeout\b""",
    re.VERBOSE,
)
"""Addresses, and exceptions of Python and its HTTP clients; an error type or a help page of the API's own is none."""


class LeakedInternalsError(httpx.HTTPStatusError):
    """The service's answer tells of its inside: an address, an exception."""


class FrontDriver:
    """One client for all users of the service."""

    def __init__(self, base_url: str, policy: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        self.policy = policy
        self._total = policy["timeout"]["total"]
        limits = httpx.Limits(max_connections=500, max_keepalive_connections=500, keepalive_expiry=2.0)
        self._client = httpx.AsyncClient(base_url=base_url, headers=dict(headers), limits=limits)
        self._calls = 0

    async def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        """Let the service process an observation of a user, whose id the harness passes."""
        self._calls += 1
        patience = HASTE if self._calls % HASTY_EVERY == 0 else PATIENCE
        body = {"user_id": session_id, "strings": [], "vectors": [], "emotives": {}} | dict(observation)
        response = await self._client.post(PATH, json=body, timeout=patience * self._total)
        if response.status_code >= 500 and INSIDE.search(response.text):
            raise LeakedInternalsError(response.text[:80], request=response.request, response=response)
        response.raise_for_status()
        return response.json()

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()


def make(base_url: str, policy: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> FrontDriver:
    """The integration `front`; durations of `policy` in seconds."""
    return FrontDriver(base_url, policy, headers or {})
