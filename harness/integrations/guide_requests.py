"""The integration guide's "Kubernetes DNS" client, with its defects.

Defects kept: no time-out on anything, so a silent peer holds a call for ever; one requests.Session for all users,
with the library's pool of ten connections; no close.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import requests


class GuideRequests:
    """The guide's KatoClient; `base_url` stands for `http://kato.<namespace>.svc.cluster.local:8000`."""

    def __init__(self, base_url: str, policy: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        self.policy = policy
        self.base_url = base_url
        self.session = requests.Session()
        self.session.headers.update({"Content-Type": "application/json", **headers})
        self.inspect = (self.session,)

    def open_session(self, node_id: str) -> str:
        """The guide's create_session."""
        response = self.session.post(f"{self.base_url}/sessions", json={"node_id": node_id, "config": {}})
        response.raise_for_status()
        return str(response.json()["session_id"])

    def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        response = self.session.post(f"{self.base_url}/sessions/{session_id}/observe", json=observation)
        response.raise_for_status()
        return response.json()

    def predict(self, session_id: str) -> Any:
        """The same pattern for predictions."""
        response = self.session.get(f"{self.base_url}/sessions/{session_id}/predictions")
        response.raise_for_status()
        return response.json()

    def close(self) -> None:
        """Close the session, which the guide's never does."""
        self.session.close()


def make(base_url: str, policy: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> GuideRequests:
    """The integration `guide-requests`; durations of `policy` in seconds."""
    return GuideRequests(base_url, policy, headers or {})
