"""The embedded KATO: one request in, its answer out, no I/O."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import quote

import msgspec

from harness import contracts
from harness.twin.kato import cors
from harness.twin.kato.bodies import decode_observation
from harness.twin.kato.calls import Call
from harness.twin.kato.learning import observe
from harness.twin.kato.messages import (
    TEXT_TYPE,
    Answer,
    CrashError,
    RefusedError,
    Request,
    crashed,
    detail,
    strict_json,
)
from harness.twin.kato.redis_trips import redis_trips
from harness.twin.kato.routes import find
from harness.twin.kato.sessions import restore, snapshot
from harness.twin.kato.settings import read_settings
from harness.twin.kato.state import State
from harness.twin.kato.stores import FrozenError

_PREFIX = "/sessions/"
_OBSERVE = "/observe"
_URL_SAFE = ":/%#?=@[]!$&'()*+,;"


def _identifier() -> str:
    return os.urandom(16).hex()


class Kato:
    """What one worker of KATO with its stores answers (contract in `contracts/<release>`).

    `settings` are environment variables; raises UsageError for one with which KATO would not start. `now` gives
    wall-clock seconds, `identifiers` 32 hexadecimal digits that never repeat.
    """

    def __init__(
        self,
        *,
        now: Callable[[], float] = time.time,
        identifiers: Callable[[], str] = _identifier,
        settings: Mapping[str, str] | None = None,
        release: str = contracts.LATEST,
    ) -> None:
        self._state = State(read_settings(settings or {}), now, identifiers, release)

    def handle(self, request: Request) -> Answer:
        """Carry the request out and return the answer.

        Where its `delay` is math.inf, nothing has happened: ask again when the stores have changed.
        """
        state = self._state
        stores = state.stores
        stores.spent = 0.0
        if stores.all_up:
            answer = (self._observe(request) if request.method == "POST" else None) or self._answer(request)
        elif self.redis_wait(request) == math.inf:
            return _stuck()
        else:
            try:
                answer = self._answer(request)
            except FrozenError:
                return _stuck()
        answer.delay = stores.spent
        state.monitor.record(state.now(), request.method, request.path, answer.status, answer.delay)
        return answer

    def set_store(self, store: str, mode: str, slow: float = 0.0) -> None:
        """One of KATO's stores is `up` or fails; `slow`: seconds that each request to a slow one takes longer.

        Raises UsageError for a store or a mode that doesn't exist.
        """
        self._state.stores.set(store, mode, slow)

    def redis_wait(self, request: Request) -> float:
        """How long the request waits for Redis before anything happens (s); math.inf while Redis hangs.

        The worker serves others meanwhile, and a request whose client goes in this time is dropped unhandled.
        """
        stores = self._state.stores
        return 0.0 if stores.all_up else stores.redis_wait(redis_trips(request))

    def snapshot(self, session_id: str) -> object:
        """A session as a worker loads it; None where there is none."""
        session = self._state.session(session_id)
        return None if session is None else snapshot(session)

    def stm_lengths(self) -> dict[str, int]:
        """How many events the STM of each session holds."""
        return self._state.sessions.lengths()

    def restore(self, session_id: str, saved: Any) -> None:
        """A session as a worker that loaded `saved` sees it: what others wrote since is lost."""
        session = self._state.session(session_id)
        if session is not None and saved is not None:
            restore(session, saved)

    def _observe(self, request: Request) -> Answer | None:
        """The common observe, fast; None where the general way has to decide."""
        path = request.path
        if not (path.endswith(_OBSERVE) and path.startswith(_PREFIX)):
            return None
        headers = request.headers
        if headers.get("content-type", "application/json") != "application/json" or "origin" in headers:
            return None
        state = self._state
        session_id = path[len(_PREFIX) : -len(_OBSERVE)]
        try:
            body = decode_observation(request.body)
        except (msgspec.MsgspecError, RecursionError):
            return None
        session = state.sessions.get(session_id)
        if session is None or not session.node_json:
            return None
        try:
            node = state.node_of(session)
            learned = observe(session, node, state.settings, body.strings, body.vectors, body.emotives, body.metadata)
        except CrashError:
            return crashed(session_id, session.node_id, committed=False)
        state.sessions.save(session)
        named = f'"{learned}"' if learned else "null"
        content = (
            f'{{"status":"okay","session_id":"{session_id}","processor_id":{session.node_json},'
            f'"stm_length":{len(session.stm)},"time":{session.time},"unique_id":"obs-{state.identifiers()}",'
            f'"auto_learned_pattern":{named}}}'
        )
        types = {"content-type": "application/json", "x-session-id": session_id}
        return Answer(200, content.encode(), types, session_id, session.node_id, True)

    def _answer(self, request: Request) -> Answer:
        """The middleware around an endpoint: sessions first, then cross-origin rules, then the route."""
        call = Call(self._state, request)
        try:
            named = self._admit(request)
        except RefusedError as error:
            return Answer(error.status, strict_json(error.content), error.headers)
        try:
            answer = cors.preflight(request.method, request.headers) or self._routed(call)
        except FrozenError:
            raise
        except (CrashError, RecursionError):
            return crashed(call.session_id, call.node_id, call.committed)
        if named:
            answer.headers = {**answer.headers, "x-session-id": named}
        return answer

    def _admit(self, request: Request) -> str:
        """The session that the answer will name; raises RefusedError for one that isn't there."""
        path = request.path.partition("?")[0].partition("#")[0]
        if not path.startswith(_PREFIX):
            return self._named_by_header(request)
        parts = path.split("/")
        session_id = parts[2]
        asks = request.method == "GET" and (len(parts) == 3 or (len(parts) == 4 and parts[3] == "exists"))
        if not session_id or asks:
            return ""
        if self._state.session(session_id) is None:
            message = f"Session {session_id} not found or expired"
            error = {"code": "SESSION_NOT_FOUND", "message": message, "session_id": session_id}
            raise RefusedError(404, {"error": error})
        return session_id

    def _named_by_header(self, request: Request) -> str:
        session_id = request.headers.get("x-session-id") or _cookie(request.headers.get("cookie", ""), "session_id")
        if session_id:
            self._state.session(session_id)
        return session_id

    def _routed(self, call: Call) -> Answer:
        try:
            answer = self._endpoint(call)
        except RefusedError as error:
            body = strict_json(error.content)
            answer = Answer(error.status, body, error.headers, call.session_id, call.node_id, call.committed)
        extra = cors.headers_for(call.request.headers)
        if extra:
            answer.headers = {**answer.headers, **extra}
        return answer

    def _endpoint(self, call: Call) -> Answer:
        request = call.request
        route, call.params = find(request.method, request.path)
        if route is None:
            return _redirected(request)
        if request.method not in route.methods:
            headers = {"allow": ", ".join(route.methods), "content-type": "application/json"}
            raise RefusedError(405, {"detail": "Method Not Allowed"}, headers)
        return route.endpoint(call)


def _stuck() -> Answer:
    return Answer(503, b"", TEXT_TYPE, delay=math.inf)


def _redirected(request: Request) -> Answer:
    """307 to the same path with or without its last slash, where that one exists; raises RefusedError (404)."""
    path = request.path
    other = path.rstrip("/") if path.endswith("/") else f"{path}/"
    if path == "/" or find(request.method, other)[0] is None:
        raise detail(404, "Not Found")
    query = f"?{request.query}" if request.query else ""
    host = request.headers.get("host", "127.0.0.1")
    return Answer(307, b"", {"location": quote(f"http://{host}{other}{query}", safe=_URL_SAFE)})


def _cookie(text: str, name: str) -> str:
    if not text:
        return ""
    cookies: SimpleCookie = SimpleCookie()
    try:
        cookies.load(text)
    except CookieError:
        return ""
    return cookies[name].value if name in cookies else ""
