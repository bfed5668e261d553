"""Clients with one defect in what becomes of sessions and observations: D2, D3, D6, D7."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import httpx

from tests.clients.base import Client, Plain, Retrying, retries


class ObservesTwice(Client):
    """Repeats the last observe before each prediction, to be sure."""

    runs_in, law = ("lost_reply",), "D2"

    def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        found = super().observe(session_id, observation)
        super().observe(session_id, observation)
        return found


class RetriesUntilLost(Retrying):
    """Sends an observe again after each lost answer, until it gives up: one failed call, three commits."""

    runs_in, law = ("lost_replies",), "D3"
    policy = {**retries(), "calls": {}}

    def worth(self, op: str, error: Exception) -> bool:
        return isinstance(error, httpx.RemoteProtocolError) or super().worth(op, error)


class AlwaysNewSession(Plain):
    """`create or reuse` that always creates (finding 25)."""

    runs_in, law = ("steady",), "D6"

    def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        return super().observe(self.session(session_id), observation)

    def predict(self, session_id: str) -> Any:
        return super().predict(self.session(session_id))

    def session(self, user: str) -> str:
        return str(self.send("POST", "/sessions", {"node_id": user})["session_id"])


class SessionForEachOperation(AlwaysNewSession):
    """Remembers a user's session for each operation apart: predictions know nothing of the observes."""

    runs_in, law = ("steady",), "D6"

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self.known: dict[tuple[str, str], str] = {}

    def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        return Plain.observe(self, self.remembered("observe", session_id), observation)

    def predict(self, session_id: str) -> Any:
        return Plain.predict(self, self.remembered("predict", session_id))

    def remembered(self, op: str, user: str) -> str:
        if (op, user) not in self.known:
            self.known[op, user] = self.session(user)
        return self.known[op, user]


class NeverMadeSession(Client):
    """Uses `user-<id>` as a session that nobody made (findings 28 and 29)."""

    runs_in, law = ("steady",), "D6"

    def open_session(self, node_id: str) -> str:
        return f"user-{node_id}"


class TakesEmptyBodies(Client):
    """`response.json() if response.content else {}`."""

    runs_in, law = ("broken_answers",), "D7"

    def send(self, method: str, path: str, body: Any = None) -> Any:
        response = self.http.request(method, path, json=body)
        response.raise_for_status()
        return response.json() if response.content else {}


class TakesBrokenJson(Client):
    """An answer that is no JSON is handed on as text."""

    runs_in, law = ("broken_answers",), "D7"

    def send(self, method: str, path: str, body: Any = None) -> Any:
        response = self.http.request(method, path, json=body)
        response.raise_for_status()
        try:
            return response.json()
        except json.JSONDecodeError:
            return {"text": response.text}


class NeverReadsBodies(Client):
    """Looks at the status of an observe, and never at its answer."""

    runs_in, law = ("broken_answers",), "D7"

    def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        response = self.http.post(f"/sessions/{session_id}/observe", json=dict(observation))
        response.raise_for_status()
        return {"status": "okay"}
