"""The guide's async service client, corrected: one client for the process, one session a user, one deadline a call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.integrations.deadline import within
from harness.integrations.kato import (
    SESSIONS_PATH,
    learn_path,
    observe_path,
    predictions_path,
    session_body,
)
from harness.integrations.wire_httpx_async import AsyncHttpxWire


class FixedHttpx:
    """Every call ends within `timeout.total`; what fails is raised as httpx raised it, nothing is re-sent."""

    def __init__(self, base_url: str, policy: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        self.policy = policy
        self._total = policy["timeout"]["total"]
        self._wire = AsyncHttpxWire(base_url, policy["timeout"], headers)
        self.inspect = (self._wire.client,)

    async def open_session(self, node_id: str, config: Mapping[str, Any] | None = None, ttl: int = 0) -> str:
        return str((await self._send("POST", SESSIONS_PATH, session_body(node_id, config, ttl)))["session_id"])

    async def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        return await self._send("POST", observe_path(session_id), dict(observation))

    async def predict(self, session_id: str) -> Any:
        return await self._send("GET", predictions_path(session_id))

    async def learn(self, session_id: str) -> Any:
        return await self._send("POST", learn_path(session_id))

    async def _send(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        with within(self._total):
            return await self._wire.send(method, path, body)

    async def close(self) -> None:
        await self._wire.close()


def make(base_url: str, policy: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> FixedHttpx:
    """The integration `fixed-httpx`; durations of `policy` in seconds."""
    return FixedHttpx(base_url, policy, headers or {})
