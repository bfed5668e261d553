"""The integration guide's "OpenTelemetry Integration", with its defects.

Defects kept: nobody sets up a TracerProvider, so that the instrumentation makes spans that record nothing, puts no
traceparent on any request and exports nothing; `http.status_code` is the name before the conventions were stable, and
is set on the caller's span; the AsyncClient has httpx's default time-outs, bounded by no deadline. The guide shows
`observe` alone; a client of this make opens sessions and predicts in the same way, as here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
from opentelemetry import trace
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor

tracer = trace.get_tracer(__name__)


class TracedKatoClient:
    """The guide's client."""

    def __init__(self, base_url: str, policy: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        self.policy = policy
        self.base_url = base_url
        self.client = httpx.AsyncClient(timeout=policy["timeout"]["read"], headers=dict(headers))
        self.inspect = (self.client,)

    async def open_session(self, node_id: str) -> str:
        with tracer.start_as_current_span("kato.create_session"):
            response = await self.client.post(f"{self.base_url}/sessions", json={"node_id": node_id})
            response.raise_for_status()
            return str(response.json()["session_id"])

    async def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        with tracer.start_as_current_span("kato.observe") as span:
            span.set_attribute("kato.session_id", session_id)
            span.set_attribute("kato.observation_size", len(observation.get("strings", [])))
            response = await self.client.post(f"{self.base_url}/sessions/{session_id}/observe", json=observation)
            span.set_attribute("http.status_code", response.status_code)
            response.raise_for_status()
            return response.json()

    async def predict(self, session_id: str) -> Any:
        with tracer.start_as_current_span("kato.predict") as span:
            span.set_attribute("kato.session_id", session_id)
            response = await self.client.get(f"{self.base_url}/sessions/{session_id}/predictions")
            span.set_attribute("http.status_code", response.status_code)
            response.raise_for_status()
            return response.json()

    async def close(self) -> None:
        """Close the client, which the guide's never does."""
        await self.client.aclose()


def make(base_url: str, policy: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> TracedKatoClient:
    """The integration `guide-otel`; durations of `policy` in seconds."""
    if not HTTPXClientInstrumentor().is_instrumented_by_opentelemetry:
        HTTPXClientInstrumentor().instrument()
    return TracedKatoClient(base_url, policy, headers or {})
