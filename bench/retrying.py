"""The lean client of bench/observes.py: it re-sends whatever failed, and now and then says done when nothing was.

Each observation gets a symbol of its own, and what the caller was told is written down. At the end every session's STM
is read back, so that what was committed is known without the harness's evidence: KATO_TRUTH names the file.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from harness.integrations.fast import Fast
from harness.load.frame import CURRENT

ATTEMPTS = 3
SHRUG_EVERY = 5
"""Each so many-th call that failed for good is answered as if it had been done."""

POLICY = {"timeout": {"connect": 0.2, "read": 0.2, "total": 0.4}}


class Retrying:
    """Up to three attempts of everything, at once."""

    def __init__(self, base_url: str, fast: Fast) -> None:
        self._at = urlsplit(base_url)
        self._fast = fast
        self.policy = {**POLICY, "retry": {"max_attempts": ATTEMPTS, "calls": ["observe", "open_session"]}}
        self._failed = 0
        # bytes: threads share it, and Python's text files mix up what several of them write
        self._truth = Path(os.environ["KATO_TRUTH"]).open("wb")  # noqa: SIM115 - closed in close
        self._sessions: list[str] = []

    def open_session(self, node_id: str) -> str:
        session = self._persist(lambda: self._fast.open_session(node_id))
        self._sessions.append(session)
        return str(session)

    def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        frame = CURRENT.get()
        assert frame is not None
        marked = {**observation, "strings": [f"call-{frame.call}"]}
        try:
            answer = self._persist(lambda: self._fast.observe(session_id, marked))
        except Exception:
            self._failed += 1
            if self._failed % SHRUG_EVERY:
                raise
            answer = {"status": "okay"}
        self._truth.write(b"%d\n" % frame.call)
        return answer

    def predict(self, session_id: str) -> Any:
        return self._fast.predict(session_id)

    def _persist(self, send: Any) -> Any:
        for _ in range(ATTEMPTS - 1):
            with contextlib.suppress(Exception):
                return send()
        return send()

    def close(self) -> None:
        """Write down what every session holds."""
        self._truth.write(b"stm\n")
        connection = HTTPConnection(str(self._at.hostname), self._at.port)
        for session in self._sessions:
            connection.request("GET", f"/sessions/{session}/stm")
            for event in json.loads(connection.getresponse().read())["stm"]:
                self._truth.write(f"{event[0].removeprefix('call-')}\n".encode())
        self._truth.write(b"end\n")
        self._truth.close()
        connection.close()
        self._fast.close()


def make(base_url: str, recorder: Any = None) -> Retrying:
    """The client."""
    return Retrying(base_url, Fast(base_url, POLICY, {}, recorder))


def truth(path: str) -> tuple[list[int], list[int]]:
    """The calls that were told done, and the call of each committed event."""
    told, held = Path(path).read_text().split("stm\n")
    lines = held.splitlines()
    assert lines[-1] == "end", json.dumps(lines[-3:])
    return [int(line) for line in told.split()], [int(line) for line in lines[:-1]]
