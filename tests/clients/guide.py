"""The integration guide's clients that have no place among the built-in integrations, with all their defects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import httpx
import pybreaker

from tests.clients.base import READ_S, RESET_S, timeouts

SECOND = httpx.Timeout(READ_S)


class Shop:
    """The guide's "E-Commerce Recommendation Service": a session that nobody made, a status that nobody looks at, a
    dict that is sliced."""

    policy: ClassVar[Mapping[str, Any]] = timeouts()

    def __init__(self, base_url: str) -> None:
        self.kato = httpx.AsyncClient(base_url=base_url, timeout=SECOND)

    async def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        await self.kato.post(f"/sessions/user-{session_id}/observe", json=dict(observation))
        return {"tracked": True}

    async def predict(self, session_id: str) -> Any:
        response = await self.kato.get(f"/sessions/user-{session_id}/predictions")
        return [prediction["future"] for prediction in response.json()[:5]]

    async def close(self) -> None:
        await self.kato.aclose()


class Chatbot:
    """The guide's "Chatbot Memory Service": the same session bug; `message_processed: True` whatever KATO said."""

    policy: ClassVar[Mapping[str, Any]] = timeouts()

    def __init__(self, base_url: str) -> None:
        self.client = httpx.AsyncClient(base_url=base_url, timeout=SECOND)

    async def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        await self.client.post(f"/sessions/chat-{session_id}/observe", json=dict(observation))
        return {"message_processed": True}

    async def predict(self, session_id: str) -> Any:
        predictions = await self.client.get(f"/sessions/chat-{session_id}/predictions")
        return {"conversation_context": predictions.json()}

    async def close(self) -> None:
        await self.client.aclose()


class Service:
    """The guide's "FastAPI Microservice Integration": a session, an observe and a prediction in a row, each with a
    time-out of its own, for a caller who was promised one."""

    policy: ClassVar[Mapping[str, Any]] = timeouts(total=READ_S)

    def __init__(self, base_url: str) -> None:
        self.client = httpx.AsyncClient(base_url=base_url, timeout=SECOND)

    async def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        created = await self.client.post("/sessions", json={"node_id": session_id})
        created.raise_for_status()
        session = created.json()["session_id"]
        result = await self.client.post(f"/sessions/{session}/observe", json=dict(observation))
        result.raise_for_status()
        (await self.client.get(f"/sessions/{session}/predictions")).raise_for_status()
        return result.json()

    async def predict(self, session_id: str) -> Any:
        return await self.observe(session_id, {"strings": ["view:home"], "vectors": [], "emotives": {}})

    async def close(self) -> None:
        await self.client.aclose()


class AsyncResilient:
    """The guide's "Pybreaker Integration" with an AsyncClient, the obvious adaptation."""

    policy: ClassVar[Mapping[str, Any]] = {
        **timeouts(),
        "breaker": {"fail_max": 5, "reset_timeout": RESET_S, "counts": ["connect_error", "timeout", "reset", "5xx"]},
    }

    def __init__(self, base_url: str) -> None:
        self.client = httpx.AsyncClient(base_url=base_url, timeout=SECOND)
        self.breaker = pybreaker.CircuitBreaker(fail_max=5, reset_timeout=RESET_S)
        self.guarded = self.breaker(self.send)

    async def open_session(self, node_id: str) -> str:
        return str((await self.guarded("POST", "/sessions", {"node_id": node_id}))["session_id"])

    async def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        return await self.guarded("POST", f"/sessions/{session_id}/observe", dict(observation))

    async def predict(self, session_id: str) -> Any:
        return await self.guarded("GET", f"/sessions/{session_id}/predictions", None)

    async def send(self, method: str, path: str, body: Any) -> Any:
        response = await self.client.request(method, path, json=body)
        response.raise_for_status()
        return response.json()

    async def close(self) -> None:
        await self.client.aclose()
