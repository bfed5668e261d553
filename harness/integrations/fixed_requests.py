"""The guide's requests client, corrected: time-outs on every request, a deadline a call, a pool that fits its users."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from harness.integrations.deadline import within
from harness.integrations.kato import (
    SESSIONS_PATH,
    checked,
    learn_path,
    observe_path,
    predictions_path,
    session_body,
)
from harness.integrations.wire_urllib3 import pool_classes

POOL_SIZE = 1000
"""As many calls at once as one process makes; beyond it connections are made and thrown away."""


class DeadlineAdapter(HTTPAdapter):
    """requests' adapter over connections whose every wait is cut to the call's deadline."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = pool_classes()


class FixedRequests:
    """Every call ends within `timeout.total`; what fails is raised as requests raised it, nothing is re-sent."""

    def __init__(self, base_url: str, policy: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        self.policy = policy
        self._base_url = base_url
        self._timeout = (policy["timeout"]["connect"], policy["timeout"]["read"])
        self._total = policy["timeout"]["total"]
        self.session = requests.Session()
        self.session.trust_env = False  # no .netrc and proxy look-ups for each request to a service of our own
        self.session.headers.update(headers)
        adapter = DeadlineAdapter(pool_connections=1, pool_maxsize=POOL_SIZE)
        self.session.mount("http://", adapter)
        self.session.mount("https://", adapter)
        self.inspect = (self.session,)

    def open_session(self, node_id: str, config: Mapping[str, Any] | None = None, ttl: int = 0) -> str:
        return str(self._send("POST", SESSIONS_PATH, session_body(node_id, config, ttl))["session_id"])

    def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        return self._send("POST", observe_path(session_id), dict(observation))

    def predict(self, session_id: str) -> Any:
        return self._send("GET", predictions_path(session_id))

    def learn(self, session_id: str) -> Any:
        return self._send("POST", learn_path(session_id))

    def _send(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        with within(self._total):
            response = self.session.request(method, self._base_url + path, json=body, timeout=self._timeout)
        response.raise_for_status()
        return checked(path, response.json())

    def close(self) -> None:
        self.session.close()


def make(base_url: str, policy: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> FixedRequests:
    """The integration `fixed-requests`; durations of `policy` in seconds."""
    return FixedRequests(base_url, policy, headers or {})
