"""The integration guide's "FastAPI Microservice Integration", with its defects.

Defects kept: every request makes a new AsyncClient that nobody closes; "create or reuse session" always creates, so
nothing accumulates and sessions leak; the steps' time-outs add up, since no deadline spans them; 30 s bounds each
read, not the answer. Not kept: that each client loads the certificates anew (tens of ms of CPU, which would hide the
rest); they share one TLS context here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx


class KatoService:
    """The guide's service client: one instance a request."""

    def __init__(self, base_url: str, timeout: httpx.Timeout, headers: Mapping[str, str], tls: Any) -> None:
        self._base_url = base_url
        self.client = httpx.AsyncClient(timeout=timeout, headers=dict(headers), verify=tls)

    async def create_session(self, node_id: str) -> str:
        response = await self.client.post(f"{self._base_url}/sessions", json={"node_id": node_id})
        response.raise_for_status()
        return str(response.json()["session_id"])

    async def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        response = await self.client.post(f"{self._base_url}/sessions/{session_id}/observe", json=observation)
        response.raise_for_status()
        return response.json()

    async def get_predictions(self, session_id: str) -> Any:
        response = await self.client.get(f"{self._base_url}/sessions/{session_id}/predictions")
        response.raise_for_status()
        return response.json()


class GuideHttpx:
    """The guide's endpoint: it owns its sessions, one for every request it serves."""

    def __init__(self, base_url: str, policy: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        self.policy = policy
        self._base_url = base_url
        self._headers = headers
        self._timeout = httpx.Timeout(policy["timeout"]["read"])
        self._tls = httpx.create_ssl_context()
        self.inspect = (self._service(),)

    def _service(self) -> KatoService:
        return KatoService(self._base_url, self._timeout, self._headers, self._tls)

    async def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        """Observe for a user, whose id the harness passes as the session's."""
        service = self._service()
        return await service.observe(await service.create_session(session_id), observation)

    async def predict(self, session_id: str) -> Any:
        """Predict for a user, in a session that has seen nothing."""
        service = self._service()
        return await service.get_predictions(await service.create_session(session_id))

    async def close(self) -> None:
        """The guide's service has nothing that closes its clients."""


def make(base_url: str, policy: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> GuideHttpx:
    """The integration `guide-httpx`; durations of `policy` in seconds."""
    return GuideHttpx(base_url, policy, headers or {})
