"""The integration guide's "E-Commerce Recommendation Service", with its defects.

Defects kept: the session `user-<id>` is never created, so every call is 404; the status of an answer is never looked
at; `response.json()[:5]` slices what is an object, `future[0]` fails where a pattern has ended, and both are taken for
lists of lists; httpx's default time-outs, no deadline; nobody closes the client.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx


class RecommendationService:
    """The guide's service."""

    def __init__(self, kato_url: str, policy: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        self.policy = policy
        self.kato = httpx.AsyncClient(base_url=kato_url, timeout=policy["timeout"]["read"], headers=dict(headers))
        self.inspect = (self.kato,)

    async def track_view(self, user_id: str, product_id: str) -> None:
        session_id = f"user-{user_id}"
        body = {"strings": [f"view:{product_id}"], "vectors": [], "emotives": {}}
        await self.kato.post(f"/sessions/{session_id}/observe", json=body)

    async def get_recommendations(self, user_id: str) -> list[str]:
        session_id = f"user-{user_id}"
        response = await self.kato.get(f"/sessions/{session_id}/predictions")
        predictions = response.json()
        recommendations = []
        for pred in predictions[:5]:
            if pred["future"]:
                for event in pred["future"][0]:
                    if event.startswith("view:"):
                        recommendations.append(event.split(":")[1])  # noqa: PERF401 - the guide's own loop
        return recommendations

    async def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        """Track a view for a user, whose id the harness passes; the service's endpoint answers what this returns."""
        product = str(observation["strings"][0]).partition(":")[2]
        await self.track_view(session_id, product)
        return {"tracked": product}

    async def predict(self, session_id: str) -> Any:
        """Recommend."""
        return {"recommendations": await self.get_recommendations(session_id)}

    def symbols(self, result: Any) -> list[str]:
        """The symbols that an answer names."""
        return [f"view:{product}" for product in result["recommendations"]]

    async def close(self) -> None:
        """Close the client, which the guide's never does."""
        await self.kato.aclose()


def make(base_url: str, policy: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> RecommendationService:
    """The integration `guide-shop`; durations of `policy` in seconds."""
    return RecommendationService(base_url, policy, headers or {})
