"""The lean client: bare sockets and httptools, tens of thousands of checked calls a second on one core.

It keeps its time-outs, checks every answer, re-sends nothing, and tells the recorder of its attempts by itself.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from harness.integrations.fast_wire import Connection
from harness.integrations.kato import (
    SESSIONS_PATH,
    BadAnswerError,
    checked,
    learn_path,
    observe_path,
    predictions_path,
    session_body,
)
from harness.load.frame import CURRENT, Frame
from harness.load.hooks import AttemptRecorder
from harness.load.outcomes import Failure, classify
from harness.model import ATTEMPT_HEADER


class KatoStatusError(Exception):
    """KATO answered with a status that isn't 2xx."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status = status


class Fast:
    """One pool of connections for all users of the process, the last used first."""

    def __init__(
        self, base_url: str, policy: Mapping[str, Any], headers: Mapping[str, str], recorder: AttemptRecorder | None
    ) -> None:
        self.policy = policy
        timeout = policy["timeout"]
        self._connect, self._read, self._total = timeout["connect"], timeout["read"], timeout["total"]
        parts = urlsplit(base_url)
        self._address = (parts.hostname or "", parts.port or 80)
        fixed = {"host": parts.netloc, "content-type": "application/json", **headers}
        self._head = "".join(f"{name}: {value}\r\n" for name, value in fixed.items())
        self._recorder = recorder
        self._idle: list[Connection] = []
        self._encode = msgspec.json.Encoder().encode
        self._decode = msgspec.json.Decoder().decode

    def open_session(self, node_id: str, config: Mapping[str, Any] | None = None, ttl: int = 0) -> str:
        body = self._encode(session_body(node_id, config, ttl))
        return str(self._send("POST", SESSIONS_PATH, body)["session_id"])

    def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        return self._send("POST", observe_path(session_id), self._encode(observation))

    def predict(self, session_id: str) -> Any:
        return self._send("GET", predictions_path(session_id), b"")

    def learn(self, session_id: str) -> Any:
        return self._send("POST", learn_path(session_id), b"")

    def _send(self, method: str, path: str, body: bytes) -> dict[str, Any]:
        frame = CURRENT.get()
        mark = "" if frame is None else _mark(frame)
        head = f"{method} {path} HTTP/1.1\r\n{self._head}{mark}content-length: {len(body)}\r\n\r\n"
        status, content = self._attempt(head.encode() + body, frame)
        if not 200 <= status < 300:
            raise KatoStatusError(status)
        try:
            return checked(path, self._decode(content))
        except msgspec.DecodeError as error:
            raise BadAnswerError(f"{path} answered no JSON: {error}") from error

    def _attempt(self, request: bytes, frame: Frame | None) -> tuple[int, bytes]:
        connection, start_ns = None, time.monotonic_ns()
        try:
            connection = self._take()
            status = connection.exchange(request, self._read, start_ns / 1e9 + self._total)
        except BaseException as error:
            if connection is not None:
                connection.close()
            self._record(frame, connection, start_ns, classify(error))
            raise
        if frame is not None and 200 <= status < 300:
            frame.served = 1
        self._record(frame, connection, start_ns, None)
        if status < 300 and connection.kept_alive:
            connection.idle_since = time.monotonic()
            self._idle.append(connection)
        else:
            # KATO closes a connection after a 500 without saying so (contract, section 3)
            connection.close()
        return status, b"".join(connection.content)

    def _take(self) -> Connection:
        now = time.monotonic()
        while self._idle:
            connection = self._idle.pop()
            if connection.usable(now):
                connection.reused = True
                return connection
            connection.close()
        return Connection(self._address, self._connect)

    def _record(
        self, frame: Frame | None, connection: Connection | None, start_ns: int, failure: Failure | None
    ) -> None:
        if self._recorder is None:
            return
        call, attempt = (frame.call, frame.attempts) if frame is not None else (0, 0)
        port, reused, started_ns, status = 0, False, 0, 0
        if connection is not None:
            port, reused, started_ns = connection.port, connection.reused, connection.started_ns
            status = connection.parser.get_status_code() if started_ns else 0
        word, detail = (failure.error, failure.detail) if failure else ("", "")
        end_ns = time.monotonic_ns()
        self._recorder.attempt(call, attempt, "fast", word, status, start_ns, started_ns, end_ns, port, reused, detail)

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()


def _mark(frame: Frame) -> str:
    """The header lines of the call's next attempt, which begins."""
    frame.attempts += 1
    own = "".join(f"{name}: {value}\r\n" for name, value in frame.headers.items()) if frame.headers else ""
    return f"{own}{ATTEMPT_HEADER}: {frame.call}.{frame.attempts}\r\n"


def make(
    base_url: str,
    policy: Mapping[str, Any],
    headers: Mapping[str, str] | None = None,
    recorder: AttemptRecorder | None = None,
) -> Fast:
    """The integration `fast`; durations of `policy` in seconds."""
    return Fast(base_url, policy, headers or {}, recorder)
