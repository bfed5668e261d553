"""What a corrected consumer does with one message: observe once, ask for predictions, say what is to become of it."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx

from harness.services.consumers.journal import Journal

TIMEOUT = httpx.Timeout(5.0, connect=1.0)
FIRST_S, LONGEST_S = 0.1, 2.0
HOLD_S = 120.0
"""A message is held and tried again for so long while KATO is in trouble; then it goes back to the queue."""
UNKNOWN_TRIES = 3
"""A KATO that lost its Redis answers 404 for sessions that exist, so one 404 proves nothing."""


class Poison(Exception):
    """No try will ever do: the message belongs to the dead letters."""


class NotNow(Exception):
    """KATO was in trouble for too long: the message goes back to the queue."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message, read."""

    id: str
    session: str
    observation: dict[str, Any]


def read(body: bytes, message_id: str | None) -> Message:
    """The message; raises Poison for what is none."""
    try:
        data = json.loads(body)
        session, observation = data["session_id"], data["observation"]
    except (ValueError, KeyError, TypeError) as error:
        raise Poison(f"{type(error).__name__}: {error}") from error
    if not isinstance(session, str) or not isinstance(observation, dict):
        raise Poison("session_id is no text, or observation no object")
    return Message(message_id or sha256(body).hexdigest(), session, observation)


class Work:
    """Processes messages one after another against one KATO."""

    def __init__(self, kato_url: str, journal: Journal, sleep: Callable[[float], object] = time.sleep) -> None:
        self._kato = httpx.Client(base_url=kato_url, timeout=TIMEOUT, trust_env=False)
        self._journal = journal
        self._sleep = sleep
        self._turn = threading.Lock()
        self._lengths: dict[str, int] = {}

    def process(self, body: bytes, message_id: str | None) -> bytes:
        """The predictions to be published; raises Poison or NotNow."""
        message = read(body, message_id)
        with self._turn:  # after a reconnect the same message may come while its first try still runs
            self._trying(lambda: self._observe_once(message))
            predictions = self._trying(lambda: self._get(f"/sessions/{message.session}/predictions"))
        return json.dumps({"session_id": message.session, "predictions": predictions}).encode()

    def _observe_once(self, message: Message) -> None:
        """Observe, unless it is known, or can be read back, that this message was observed before."""
        if self._journal.done(message.id):
            return
        length = self._length(message.session)
        before = self._journal.before(message.id)
        if before is None:
            self._journal.begin(message.id, length)
        if before is None or length == before:
            reply = self._kato.post(f"/sessions/{message.session}/observe", json=message.observation)
            reply.raise_for_status()
            self._lengths[message.session] = int(reply.json()["stm_length"])
        self._journal.finish(message.id)

    def _length(self, session: str) -> int:
        """How many events the session holds: as KATO's last reply said, or read back where none did."""
        known = self._lengths.pop(session, None)  # until the next reply nothing is known
        return int(self._get(f"/sessions/{session}/stm")["length"]) if known is None else known

    def _get(self, path: str) -> Any:
        reply = self._kato.get(path)
        reply.raise_for_status()
        return reply.json()

    def _trying(self, act: Callable[[], Any]) -> Any:
        """Do it, again with back-off and jitter while KATO is in trouble."""
        began_s, tries = time.monotonic(), 0
        while True:
            tries += 1
            try:
                return act()
            except (httpx.HTTPError, ValueError) as error:
                if _hopeless(error, tries):
                    raise Poison(str(error)) from error
                if time.monotonic() - began_s > HOLD_S:
                    raise NotNow(str(error)) from error
            longest_s = min(FIRST_S * 2 ** min(tries, 10), LONGEST_S)
            self._sleep(longest_s * random.uniform(0.5, 1.0))


def _hopeless(error: Exception, tries: int) -> bool:
    if not isinstance(error, httpx.HTTPStatusError):
        return False
    status = error.response.status_code
    return (status == 404 and tries >= UNKNOWN_TRIES) or (400 <= status < 500 and status not in (404, 408, 425, 429))


def journal_in(folder: str) -> Journal:
    """The journal of a consumer that may write to `folder`."""
    return Journal(Path(folder) / "journal.jsonl")
