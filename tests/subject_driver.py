"""The driver of subject_service.py: asks it over HTTP what its users would."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx


class Driver:
    def __init__(self, base_url: str) -> None:
        self._client = httpx.Client(base_url=base_url, timeout=3.0, trust_env=False)

    def open_session(self, node_id: str) -> str:
        return str(self._asked({"user": node_id})["session"])

    def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        return self._asked({"session": session_id, "strings": observation["strings"]})

    def predict(self, session_id: str) -> Any:
        return self._asked({"session": session_id})

    def close(self) -> None:
        self._client.close()

    def _asked(self, body: Mapping[str, Any]) -> Any:
        reply = self._client.post("/remember", json=body)
        reply.raise_for_status()
        return reply.json()


def make(base_url: str) -> Driver:
    return Driver(base_url)
