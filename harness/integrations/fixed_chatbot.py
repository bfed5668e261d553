"""The guide's chatbot memory, corrected.

A user has a session that was opened; a message counts as processed only when KATO committed it; a context that can't
be had is the last good one, marked as degraded. One deadline spans both steps of a message.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.integrations.answers import LastGood, next_events, unwell
from harness.integrations.deadline import within
from harness.integrations.fixed_httpx import FixedHttpx

SNIPPET = 50


class FixedChatbot:
    """Each message ends within `timeout.total`."""

    def __init__(self, base_url: str, policy: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        self.policy = policy
        self._total = policy["timeout"]["total"]
        self._kato = FixedHttpx(base_url, policy, headers)
        self._last = LastGood()
        self.inspect = self._kato.inspect

    async def open_session(self, node_id: str) -> str:
        return await self._kato.open_session(node_id)

    async def learn(self, session_id: str) -> Any:
        return await self._kato.learn(session_id)

    async def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        """Process a message: observe it, or raise; then its context, or a marked substitute."""
        intent, message = observation["strings"]
        told = {"strings": [intent, message[:SNIPPET]], "vectors": [], "emotives": dict(observation["emotives"])}
        with within(self._total):
            await self._kato.observe(session_id, told)
            return {"message_processed": True, **await self._context(session_id)}

    async def predict(self, session_id: str) -> Any:
        """The context alone."""
        return await self._context(session_id)

    async def _context(self, session_id: str) -> dict[str, Any]:
        try:
            answer = await self._kato.predict(session_id)
        except Exception as error:
            if not unwell(error):
                raise
            return {"conversation_context": self._last.get(session_id), "degraded": True}
        context = [name for event in next_events(answer["predictions"]) for name in event]
        self._last.keep(session_id, context)
        return {"conversation_context": context, "degraded": False}

    def degraded(self, result: Any) -> bool:
        """Whether the context is a substitute."""
        return bool(result.get("degraded"))

    def symbols(self, result: Any) -> list[str]:
        """The symbols that an answer names."""
        return list(result["conversation_context"])

    async def close(self) -> None:
        await self._kato.close()


def make(base_url: str, policy: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> FixedChatbot:
    """The integration `fixed-chatbot`; durations of `policy` in seconds."""
    return FixedChatbot(base_url, policy, headers or {})
