"""The lean client: bare sockets and httptools, tens of thousands of checked calls a second on one core.

It keeps its time-outs, checks every answer, re-sends nothing, and tells the recorder of its attempts by itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

from harness.integrations.fast_answers import answer
from harness.integrations.fast_hub import HubConnection, Together
from harness.integrations.fast_wait import in_hub
from harness.integrations.fast_wire import Connection, Pool
from harness.integrations.kato import (
    SESSIONS_PATH,
    learn_path,
    observe_path,
    predictions_path,
    session_body,
)
from harness.load.frame import CURRENT, NOTHING, Frame
from harness.load.hooks import AttemptRecorder
from harness.load.outcomes import Failure, classify
from harness.model import ATTEMPT_HEADER

_TARGET = {"observe": ("POST", observe_path), "predict": ("GET", predictions_path), "learn": ("POST", learn_path)}


class Fast:
    """One pool of connections for all users of the process."""

    def __init__(
        self, base_url: str, policy: Mapping[str, Any], headers: Mapping[str, str], recorder: AttemptRecorder | None
    ) -> None:
        self.policy = policy
        timeout = policy["timeout"]
        self._connect, self._read, self._total = timeout["connect"], timeout["read"], timeout["total"]
        parts = urlsplit(base_url)
        self._address = (parts.hostname or "", parts.port or 80)
        self._fixed = {"host": parts.netloc, "content-type": "application/json", **headers}
        self._recorder = recorder
        self._pool = Pool()
        self._in_hub = in_hub()
        self._encode = msgspec.json.Encoder().encode

    def open_session(self, node_id: str, config: Mapping[str, Any] | None = None, ttl: int = 0) -> str:
        body = self._encode(session_body(node_id, config, ttl))
        return str(self._send("open_session", "POST", SESSIONS_PATH, body)["session_id"])

    def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        return self._send("observe", "POST", observe_path(session_id), self._encode(observation))

    def predict(self, session_id: str) -> Any:
        return self._send("predict", "GET", predictions_path(session_id), b"")

    def learn(self, session_id: str) -> Any:
        return self._send("learn", "POST", learn_path(session_id), b"")

    def head(self, op: str, session_id: str, headers: Mapping[str, str]) -> bytes:
        """What the requests of an operation of a session begin with, `headers` being its user's."""
        method, path = _TARGET[op]
        return self._head(method, path(session_id), headers, True)

    def tail(self, observation: Mapping[str, Any] | None) -> bytes:
        """What a request that observes something ends with, or one without a body."""
        return b".1\r\n%b" % _with_body(b"" if observation is None else self._encode(observation))

    def direct(self, op: str, request: bytes, call: int, start_ns: int) -> tuple[bytes, int]:
        """A call's one attempt, outside any frame; the head of its record and when the answer's headers were there.

        The head is empty where the attempt was recorded here: whoever records the call writes both at once, else.
        """
        return self._judged(op, self._attempt(request, call, 1, start_ns), call, start_ns)

    def hub(self, answered: Callable[[Sequence[Any]], object], unusual: Callable[[Any], object]) -> Together | None:
        """What carries calls without a greenlet, where there is a hub (exchange.Direct)."""
        within_s = min(self._read, self._total)
        return Together(within_s, self._pool, answered, unusual) if self._in_hub else None

    def finish(self, begun: Any, op: str, call: int) -> tuple[bytes, int]:
        """What `begin` has begun and wasn't answered as usual, down to what `direct` gives."""
        start_ns = begun.start_ns
        return self._judged(op, self._attempt(begun.request, call, 1, start_ns, begun), call, start_ns)

    def _judged(self, op: str, connection: Connection, call: int, start_ns: int) -> tuple[bytes, int]:
        try:
            answer(op, connection)
        except Exception:
            self._record(call, 1, connection, start_ns, None)
            raise
        usual = connection.status == 200
        if usual and connection.row:
            return connection.row, connection.started_ns
        self._record(call, 1, connection, start_ns, None)
        if usual and self._recorder is not None:
            connection.row = self._recorder.attempt_head("fast", 200, connection.port)
            connection.reused = True
        return b"", 0

    def _head(self, method: str, path: str, headers: Mapping[str, str], marked: bool) -> bytes:
        lines = "".join(f"{name}: {value}\r\n" for name, value in {**self._fixed, **headers}.items())
        return f"{method} {path} HTTP/1.1\r\n{lines}{f'{ATTEMPT_HEADER}: ' if marked else ''}".encode()

    def _send(self, op: str, method: str, path: str, body: bytes) -> Any:
        frame = CURRENT.get()
        start_ns = time.monotonic_ns()
        call, attempt = _begun(frame)
        head = self._head(method, path, NOTHING if frame is None else frame.headers, frame is not None)
        mark = f"{call}.{attempt}\r\n" if frame is not None else ""
        request = head + mark.encode() + _with_body(body)
        connection = self._attempt(request, call, attempt, start_ns)
        self._record(call, attempt, connection, start_ns, None)
        if frame is not None and 200 <= connection.status < 300:
            frame.served = 1
        return answer(op, connection)

    def _attempt(
        self, request: bytes, call: int, attempt: int, start_ns: int, begun: Connection | None = None
    ) -> Connection:
        """The connection that holds a whole answer, and is free again; an attempt that failed is recorded."""
        connection, start = begun, start_ns * 1e-9
        try:
            if connection is None:
                connection = self._pool.take(start_ns) or self._opened()
                connection.begin(request)
            status = connection.finish(request, self._read, start, start + self._total)
        except BaseException as error:
            if connection is not None:
                connection.close()
            self._record(call, attempt, connection, start_ns, classify(error))
            raise
        if status < 300 and connection.kept_alive:
            self._pool.put(connection)
        else:
            # KATO closes a connection after a 500 without saying so (contract, section 3)
            connection.close()
        return connection

    def _opened(self) -> Connection:
        if self._in_hub:
            return HubConnection(self._address, self._connect)
        return Connection(self._address, self._connect)

    def _record(
        self, call: int, attempt: int, connection: Connection | None, start_ns: int, failure: Failure | None
    ) -> None:
        if self._recorder is None:
            return
        port, reused, started_ns, status = 0, False, 0, 0
        if connection is not None:
            port, reused, started_ns = connection.port, connection.reused, connection.started_ns
            status = connection.status
        word, detail = (failure.error, failure.detail) if failure else ("", "")
        end_ns = time.monotonic_ns()
        self._recorder.attempt(call, attempt, "fast", word, status, start_ns, started_ns, end_ns, port, reused, detail)

    def close(self) -> None:
        self._pool.close()


def _with_body(body: bytes) -> bytes:
    return b"content-length: %d\r\n\r\n%b" % (len(body), body)


def _begun(frame: Frame | None) -> tuple[int, int]:
    """The call and the number of its next attempt, which begins; zeros outside any call."""
    if frame is None:
        return 0, 0
    frame.attempts += 1
    return frame.call, frame.attempts


def make(
    base_url: str,
    policy: Mapping[str, Any],
    headers: Mapping[str, str] | None = None,
    recorder: AttemptRecorder | None = None,
) -> Fast:
    """The integration `fast`; durations of `policy` in seconds."""
    return Fast(base_url, policy, headers or {}, recorder)
