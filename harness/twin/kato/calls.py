"""What every endpoint needs: the request, the state, the session that the path names, and ways to answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from harness.twin.kato.messages import JSON_TYPE, Answer, CrashError, Request, detail, encode
from harness.twin.kato.sessions import Session
from harness.twin.kato.state import State


@dataclass(slots=True)
class Call:
    """One request on its way through an endpoint. `params` are the path's; `committed` is set by what writes."""

    state: State
    request: Request
    params: Mapping[str, str] = field(default_factory=dict)
    session_id: str = ""
    node_id: str = ""
    committed: bool = False

    def live_session(self) -> Session:
        """The session that the path names; raises RefusedError with KATO's 404."""
        name = self.params["session_id"]
        session = self.state.session(name)
        if session is None:
            raise detail(404, f"Session {name} not found or expired")
        self.session_id = name
        self.node_id = session.node_id
        return session

    def answer(self, content: Any) -> Answer:
        """200 with `content` as JSON; raises CrashError where it can't be written (lone surrogates)."""
        try:
            body = encode(content)
        except (UnicodeEncodeError, msgspec.MsgspecError):
            raise CrashError from None
        return Answer(200, body, JSON_TYPE, self.session_id, self.node_id, self.committed)


Endpoint = Callable[[Call], Answer]
