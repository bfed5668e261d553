"""The least KATO that the witness's own tests need: sessions that count their observations."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.twin.http import Request

JSON_TYPE = {"content-type": "application/json"}


@dataclass(frozen=True, slots=True)
class StandInAnswer:
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=lambda: JSON_TYPE)
    session_id: str = ""
    node_id: str = ""
    committed: bool = False
    delay: float = 0.0


class StandInKato:
    """POST /sessions opens s1, s2, …; POST /sessions/{id}/observe commits; anything else is a 404."""

    def __init__(self, delay: float = 0.0) -> None:
        self.observed: dict[str, list[bytes]] = {}
        self.delay = delay

    def handle(self, request: Request) -> StandInAnswer:
        parts = request.path.split("/")
        if request.path == "/sessions" and request.method == "POST":
            session = f"s{len(self.observed) + 1}"
            self.observed[session] = []
            return self._answer({"session_id": session}, session)
        if len(parts) == 4 and parts[3] == "observe" and parts[2] in self.observed:
            self.observed[parts[2]].append(request.body)
            return self._answer({"status": "okay", "stm_length": len(self.observed[parts[2]])}, parts[2])
        return StandInAnswer(404, b'{"detail":"Not Found"}')

    def snapshot(self, session_id: str) -> object:
        return tuple(self.observed.get(session_id, ()))

    def restore(self, session_id: str, snapshot: object) -> None:
        assert isinstance(snapshot, tuple)
        if session_id in self.observed:
            self.observed[session_id] = list(snapshot)

    def _answer(self, body: Mapping[str, object], session: str) -> StandInAnswer:
        raw = json.dumps(body).encode()
        return StandInAnswer(200, raw, JSON_TYPE, session, f"node-{session}", True, self.delay)
