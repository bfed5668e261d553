"""KATO over several instances: each request to the next one, and on to another where a connection is refused.

A pool for each address; every wait of a call is cut to its deadline. Only what never arrived is sent again.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import urllib3

from harness.integrations.deadline import cut, left, within
from harness.integrations.kato import SESSIONS_PATH, BadAnswerError, checked, learn_path, observe_path, predictions_path
from harness.integrations.members import Address, Members
from harness.integrations.reference import KatoStatusError, never_arrived
from harness.integrations.wire_urllib3 import pool_classes

MAX_CONNECTIONS = 200
"""Per instance and process."""


class Spread:
    """A client of all instances that `look_up` names; see `members.Members`. Calls end within `timeout.total`."""

    def __init__(
        self,
        look_up: Callable[[], Iterable[Address]],
        pause_s: float,
        policy: Mapping[str, Any],
        headers: Mapping[str, str],
    ) -> None:
        self.policy = policy
        timeout = policy["timeout"]
        self._total = timeout["total"]
        self._timeout = urllib3.Timeout(connect=timeout["connect"], read=timeout["read"])
        self._attempts = policy["retry"]["max_attempts"]
        self._headers = {**headers, "content-type": "application/json"}
        self._pools: dict[Address, Any] = {}
        self._lock = threading.Lock()
        self.members = Members(look_up, pause_s, self._forget)
        self.members.start()

    def open_session(self, node_id: str) -> str:
        return str(self._send("POST", SESSIONS_PATH, {"node_id": node_id})["session_id"])

    def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        return self._send("POST", observe_path(session_id), dict(observation), session_id)

    def predict(self, session_id: str) -> Any:
        return self._send("GET", predictions_path(session_id), session=session_id)

    def learn(self, session_id: str) -> Any:
        return self._send("POST", learn_path(session_id), session=session_id)

    def _send(self, method: str, path: str, body: Any = None, session: str = "") -> dict[str, Any]:
        headers = {**self._headers, "x-session-id": session} if session else self._headers
        content = None if body is None else json.dumps(body).encode()
        with within(self._total):
            addresses = self.members.in_turn(left())[: self._attempts]
            for address in addresses:
                try:
                    return self._attempt(address, method, path, content, headers)
                except Exception as error:
                    if not never_arrived(error) or address == addresses[-1]:
                        raise
                    self.members.refused(address)
        raise AssertionError("the last attempt returns or raises")

    def _attempt(
        self, address: Address, method: str, path: str, content: bytes | None, headers: Mapping[str, str]
    ) -> dict[str, Any]:
        wait = cut(self._total)
        response = self._pool(address).request(
            method, path, body=content, headers=headers, pool_timeout=wait, preload_content=False
        )
        try:
            answer = response.read()
        finally:
            response.release_conn()
        if not 200 <= response.status < 300:
            raise KatoStatusError(response.status, response.headers)
        try:
            return checked(path, json.loads(answer))
        except json.JSONDecodeError as error:
            raise BadAnswerError(f"{path} answered no JSON") from error

    def _pool(self, address: Address) -> Any:
        with self._lock:
            found = self._pools.get(address)
            if found is None:
                kind = pool_classes()["http"]
                found = self._pools[address] = kind(
                    *address, timeout=self._timeout, maxsize=MAX_CONNECTIONS, block=True, retries=False
                )
        return found

    def _forget(self, address: Address) -> None:
        """The instance is gone: its idle connections are closed, those in use when their answers are there."""
        with self._lock:
            pool = self._pools.pop(address, None)
        if pool is not None:
            pool.close()

    def close(self) -> None:
        """Look no more, and close every connection."""
        self.members.stop()
        for address in tuple(self._pools):
            self._forget(address)
