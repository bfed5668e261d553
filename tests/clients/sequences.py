"""Clients that observe by KATO's observe-sequence, one observation at a time or many that waited: D2, D4."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, ClassVar

import httpx

from tests.clients.base import Client, timeouts

BATCH = 5


class SendsSequences(Client):
    """Each observation is a sequence of one."""

    runs_in = ("refuse", "lost_reply", "now_and_then")

    def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        return self.send_all(session_id, [dict(observation)])

    def send_all(self, session_id: str, observations: list[dict[str, Any]]) -> Any:
        path = f"/sessions/{session_id}/observe-sequence"
        return self.call("observe", "POST", path, {"observations": observations})


class EventsApart(Client):
    """Each string is an event of its own, before them a mark that a turn begins; a sequence holds all but the mark."""

    runs_in = ("chat", "lost_reply", "refuse")

    def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        events = [{"strings": ["<turn>"]}, *({"strings": [name]} for name in observation["strings"])]
        self.call("observe", "POST", f"/sessions/{session_id}/observe", events[0])
        rest = [{**event, "emotives": observation["emotives"]} for event in events[1:]]
        return self.call("observe", "POST", f"/sessions/{session_id}/observe-sequence", {"observations": rest})

    def learn(self, session_id: str) -> Any:
        return self.call("learn", "POST", f"/sessions/{session_id}/learn")


class ResendsSequences(SendsSequences):
    """A sequence whose answer was lost is sent again, as it says."""

    runs_in, law = ("lost_reply",), "D2"
    policy = {
        **timeouts(),
        "retry": {"max_attempts": 2, "on": ["reset", "protocol_error"], "calls": ["observe"], "reraise": True},
    }

    def send_all(self, session_id: str, observations: list[dict[str, Any]]) -> Any:
        try:
            return super().send_all(session_id, observations)
        except httpx.RemoteProtocolError:
            return super().send_all(session_id, observations)


class Batches(SendsSequences):
    """Observations wait until five are together, somebody asks, or the client closes; and longer where KATO can't be
    reached."""

    runs_in = ("refuse", "steady")
    policy = {**timeouts(), "fallback": {"marked": True}}
    unsent: ClassVar[tuple[type[Exception], ...]] = (httpx.ConnectError,)

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self.waiting: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)

    def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        self.waiting[session_id].append(dict(observation))
        sent = len(self.waiting[session_id]) >= BATCH and self.flush(session_id)
        return {"queued": not sent, "answer": None}

    def predict(self, session_id: str) -> Any:
        self.flush(session_id)
        return super().predict(session_id)

    def flush(self, session_id: str) -> bool:
        """Whether nothing waits any more."""
        waiting = self.waiting[session_id]
        try:
            if waiting:
                self.send_all(session_id, list(waiting))
        except self.unsent:
            return False
        waiting.clear()
        return True

    def close(self) -> None:
        for session_id in self.waiting:
            self.flush(session_id)
        super().close()


class BatchesAgain(Batches):
    """What waited goes on waiting where the answer was lost."""

    runs_in, law = ("lost_then_quiet",), "D2"
    unsent = (httpx.TransportError,)


class BatchesBackwards(Batches):
    """The last one that waited is the first that KATO gets."""

    runs_in, law = ("steady",), "D4"

    def send_all(self, session_id: str, observations: list[dict[str, Any]]) -> Any:
        return super().send_all(session_id, observations[::-1])


class SendsOneByOne(Batches):
    """What waited is sent one by one, within the call that finds five together, or within a prediction."""

    runs_in = ("refuse", "steady")

    def send_all(self, session_id: str, observations: list[dict[str, Any]]) -> Any:
        while self.waiting[session_id]:
            Client.observe(self, session_id, self.waiting[session_id][0])
            self.waiting[session_id].pop(0)
