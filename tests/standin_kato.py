"""The least KATO that the witness's own tests need: sessions that count their observations."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

from harness.twin.http import Request
from harness.twin.kato.messages import Answer


class StandInKato:
    """POST /sessions opens s1, s2, …; POST /sessions/{id}/observe commits; anything else is a 404.

    Each answer takes `delay` seconds. ClickHouse hung freezes the worker; Redis hung or slow makes observes wait.
    """

    def __init__(self, delay: float = 0.0) -> None:
        self.observed: dict[str, list[bytes]] = {}
        self.delay = delay
        self.hung = False
        self.wait = 0.0

    def handle(self, request: Request) -> Answer:
        parts = request.path.split("/")
        if request.path == "/sessions" and request.method == "POST":
            session = f"s{len(self.observed) + 1}"
            self.observed[session] = []
            return self._answer({"session_id": session}, session)
        if len(parts) == 4 and parts[3] == "observe" and parts[2] in self.observed:
            if self.hung:
                return Answer(200, b"", delay=math.inf)
            self.observed[parts[2]].append(request.body)
            return self._answer({"status": "okay", "stm_length": len(self.observed[parts[2]])}, parts[2])
        return Answer(404, b'{"detail":"Not Found"}')

    def snapshot(self, session_id: str) -> object:
        return tuple(self.observed.get(session_id, ()))

    def restore(self, session_id: str, snapshot: object) -> None:
        assert isinstance(snapshot, tuple)
        if session_id in self.observed:
            self.observed[session_id] = list(snapshot)

    def stm_lengths(self) -> dict[str, int]:
        return {session: len(seen) for session, seen in self.observed.items()}

    def set_store(self, store: str, mode: str, slow: float) -> None:
        if store == "redis":
            self.wait = math.inf if mode == "hung" else slow if mode == "slow" else 0.0
        elif store == "clickhouse":
            self.hung = mode == "hung"

    def redis_wait(self, request: Request) -> float:
        return self.wait if request.path.startswith("/sessions/") else 0.0

    def _answer(self, body: Mapping[str, object], session: str) -> Answer:
        raw = json.dumps(body).encode()
        return Answer(200, raw, session_id=session, node_id=f"node-{session}", committed=True, delay=self.delay)
