"""The guide's recommendation service, corrected.

A user has a session that was opened; a view that was not committed is an error of its caller; recommendations are read
from both shapes of a prediction, and while KATO is unwell the user's last good ones are given, marked as degraded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.integrations.answers import LastGood, next_events, unwell
from harness.integrations.fixed_httpx import FixedHttpx

TOP = 5
PREFIX = "view:"


class FixedShop:
    """Each call ends within `timeout.total`."""

    def __init__(self, base_url: str, policy: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        self.policy = policy
        self._kato = FixedHttpx(base_url, policy, headers)
        self._last = LastGood()
        self.inspect = self._kato.inspect

    async def open_session(self, node_id: str) -> str:
        return await self._kato.open_session(node_id)

    async def learn(self, session_id: str) -> Any:
        return await self._kato.learn(session_id)

    async def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        """Track a view; what fails is raised."""
        await self._kato.observe(session_id, observation)
        return {"tracked": str(observation["strings"][0]).removeprefix(PREFIX)}

    async def predict(self, session_id: str) -> Any:
        """The next products that the best TOP predictions expect, each once."""
        try:
            answer = await self._kato.predict(session_id)
        except Exception as error:
            if not unwell(error):
                raise
            return {"recommendations": self._last.get(session_id), "degraded": True}
        events = list(next_events(answer["predictions"]))[:TOP]
        products = [name.removeprefix(PREFIX) for event in events for name in event if name.startswith(PREFIX)]
        unique = list(dict.fromkeys(products))[:TOP]
        self._last.keep(session_id, unique)
        return {"recommendations": unique, "degraded": False}

    def degraded(self, result: Any) -> bool:
        """Whether the answer is a substitute."""
        return bool(result.get("degraded"))

    def symbols(self, result: Any) -> list[str]:
        """The symbols that an answer names."""
        return [f"{PREFIX}{product}" for product in result["recommendations"]]

    async def close(self) -> None:
        await self._kato.close()


def make(base_url: str, policy: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> FixedShop:
    """The integration `fixed-shop`; durations of `policy` in seconds."""
    return FixedShop(base_url, policy, headers or {})
