"""The integration guide's "Consul" client, with its defects.

Defects kept: Consul is asked before every call, without a cache, so that its outage is KATO's; what the guide calls
round robin is always the first instance; an empty Service.Address makes a URL without a host; no time-out on KATO.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import requests

from harness.errors import UsageError


def agent_at(registry: str, **options: Any) -> Any:
    """py-consul's client for the agent at a URL; raises UsageError where either is missing."""
    if not registry:
        raise UsageError("this client asks a registry, and there is none", "add topology: {discovery: consul}")
    try:
        import consul
    except ModuleNotFoundError as error:
        cure = "pip install 'kato-harness[mesh]' (the package is called py-consul; others share its import name)"
        raise UsageError("this client needs py-consul, which isn't there", cure) from error
    parts = urlsplit(registry)
    return consul.Consul(host=parts.hostname, port=parts.port, **options)


class GuideConsul:
    """The guide's ConsulKatoClient."""

    def __init__(self, registry: str, policy: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        self.policy = policy
        self.consul = agent_at(registry)
        self.session = requests.Session()
        self.session.headers.update(headers)
        self.inspect = (self.session,)

    def _discover_kato_instances(self) -> list[dict[str, Any]]:
        """The guide's own: what Consul says just now."""
        _, services = self.consul.health.service("kato", passing=True)
        return [
            {"address": s["Service"]["Address"], "port": s["Service"]["Port"], "id": s["Service"]["ID"]}
            for s in services
        ]

    def get_kato_url(self) -> str:
        """The guide's "simple round-robin"."""
        instances = self._discover_kato_instances()
        if not instances:
            raise RuntimeError("No healthy KATO instances found")
        instance = instances[0]
        return f"http://{instance['address']}:{instance['port']}"

    def open_session(self, node_id: str) -> str:
        """The guide's create_session."""
        response = self.session.post(f"{self.get_kato_url()}/sessions", json={"node_id": node_id})
        response.raise_for_status()
        return str(response.json()["session_id"])

    def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        """The same pattern for observations."""
        response = self.session.post(f"{self.get_kato_url()}/sessions/{session_id}/observe", json=observation)
        response.raise_for_status()
        return response.json()

    def predict(self, session_id: str) -> Any:
        """The same pattern for predictions."""
        response = self.session.get(f"{self.get_kato_url()}/sessions/{session_id}/predictions")
        response.raise_for_status()
        return response.json()

    def close(self) -> None:
        """Close the session, which the guide's never does."""
        self.session.close()


def make(
    base_url: str, policy: Mapping[str, Any], headers: Mapping[str, str] | None = None, registry: str = ""
) -> GuideConsul:
    """The integration `guide-consul`; `registry` is the agent's URL, `base_url` is not used."""
    return GuideConsul(registry, policy, headers or {})
