"""The integration guide's "Chatbot Memory Service", with its defects.

Defects kept: the session `chat-<id>` is never created, so every call is 404; `message_processed` is True whatever KATO
said; the body of a failure is passed on as the conversation's context; httpx's default time-outs, no deadline.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

SNIPPET = 50


class ChatbotMemoryService:
    """The guide's service."""

    def __init__(self, kato_url: str, policy: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        self.policy = policy
        self.kato_url = kato_url
        self.client = httpx.AsyncClient(timeout=policy["timeout"]["read"], headers=dict(headers))
        self.inspect = (self.client,)

    async def process_message(self, user_id: str, message: str, intent: str, sentiment: float) -> dict[str, Any]:
        session_id = f"chat-{user_id}"
        body = {"strings": [intent, message[:SNIPPET]], "vectors": [], "emotives": {"sentiment": sentiment}}
        await self.client.post(f"{self.kato_url}/sessions/{session_id}/observe", json=body)
        predictions = await self.client.get(f"{self.kato_url}/sessions/{session_id}/predictions")
        return {"message_processed": True, "conversation_context": predictions.json()}

    async def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        """Process a message of a user, whose id the harness passes as the session's."""
        intent, message = observation["strings"]
        return await self.process_message(session_id, message, intent, observation["emotives"]["sentiment"])

    async def predict(self, session_id: str) -> Any:
        """The context alone, fetched as the guide does."""
        predictions = await self.client.get(f"{self.kato_url}/sessions/chat-{session_id}/predictions")
        return {"conversation_context": predictions.json()}

    async def close(self) -> None:
        """Close the client, which the guide's never does."""
        await self.client.aclose()


def make(base_url: str, policy: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> ChatbotMemoryService:
    """The integration `guide-chatbot`; durations of `policy` in seconds."""
    return ChatbotMemoryService(base_url, policy, headers or {})
