"""Sessions and their lifetimes, as KATO keeps them in Redis (contract, section 5).

A session has two ends: that of its key in Redis, which every access moves when KATO extends automatically, and the one
written inside it, which only a write moves. The earlier one counts: reading alone does not keep a session alive.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from harness.twin.kato.config import Config
from harness.twin.kato.messages import CrashError

Event = tuple[str, ...]
MAX_EVENTS = 1000
"""What is kept of the short-term memory, of emotives and of metadata when a session is saved."""

_FIRST_SWEEP = 1024


class Session:
    """One session's state. `expires_at` and `key_expires_at` are wall-clock seconds."""

    __slots__ = (
        "config",
        "created_at",
        "emotives",
        "expires_at",
        "key_expires_at",
        "metadata",
        "metadata_log",
        "node_id",
        "node_json",
        "percept",
        "predictions",
        "processor_id",
        "session_id",
        "stm",
        "time",
        "ttl",
    )

    def __init__(self, session_id: str, node_id: str, processor_id: str, config: Config, created_at: float) -> None:
        self.session_id = session_id
        self.node_id = node_id
        self.processor_id = processor_id
        self.config = config
        self.created_at = created_at
        self.expires_at = created_at
        self.key_expires_at = created_at
        self.ttl = 0
        self.node_json = ""
        self.metadata: Mapping[str, Any] = _NOTHING
        self.clear()

    def clear(self) -> None:
        """Forget what was observed, as clear-stm does."""
        self.stm: list[Event] = []
        self.emotives: Sequence[Mapping[str, float]] = ()
        self.metadata_log: Sequence[Mapping[str, Any]] = ()
        self.time = 0
        self.percept: Percept | None = None
        self.predictions: Any = ()

    def trim(self) -> None:
        """Keep the latest MAX_EVENTS of everything that grows."""
        if len(self.stm) > MAX_EVENTS:
            self.stm = self.stm[-MAX_EVENTS:]
        if len(self.emotives) > MAX_EVENTS:
            self.emotives = self.emotives[-MAX_EVENTS:]
        if len(self.metadata_log) > MAX_EVENTS:
            self.metadata_log = self.metadata_log[-MAX_EVENTS:]


_STORED = ("config", "emotives", "metadata_log", "percept", "predictions", "stm", "time")


def snapshot(session: Session) -> Mapping[str, Any]:
    """What Redis holds of a session now."""
    return {**{name: getattr(session, name) for name in _STORED}, "stm": list(session.stm)}


def restore(session: Session, saved: Mapping[str, Any]) -> None:
    """Make the session what it was when `saved` was taken."""
    for name in _STORED:
        setattr(session, name, saved[name])
    session.stm = list(saved["stm"])


Percept = tuple[Event, list[list[float]], Sequence[Mapping[str, float]], Mapping[str, Any]]
"""The last observation: strings, vectors, all emotives until then, metadata."""

_NOTHING: Mapping[str, Any] = {}


class SessionTable:
    """All sessions by id; `now` gives wall-clock seconds. `indexed` is KATO's active-session count."""

    def __init__(self, now: Callable[[], float], auto_extend: bool) -> None:
        self._now = now
        self._auto_extend = auto_extend
        self._sessions: dict[str, Session] = {}
        self._sweep_at = _FIRST_SWEEP
        self.indexed = 0

    def __len__(self) -> int:
        return len(self._sessions)

    def lengths(self) -> dict[str, int]:
        """How many events each session's STM holds, also of those that nobody asked for since they ended."""
        return {id: len(session.stm) for id, session in self._sessions.items()}

    def add(self, session: Session, ttl: int) -> None:
        """Store a new session; raises CrashError for a lifetime that KATO can't express."""
        session.ttl = ttl
        session.expires_at = end_of(session.created_at, ttl)
        if ttl <= 0:
            raise CrashError
        session.key_expires_at = session.expires_at
        if len(self._sessions) >= self._sweep_at:
            self._sweep()
        self._sessions[session.session_id] = session
        self.indexed += 1

    def get(self, session_id: str) -> Session | None:
        """The live session, its key extended; None where there is none."""
        session = self._sessions.get(session_id)
        if session is None:
            return None
        now = self._now()
        if now >= session.key_expires_at:
            del self._sessions[session_id]
            return None
        if now > session.expires_at:
            self.delete(session_id)
            return None
        if self._auto_extend:
            session.key_expires_at = now + session.ttl
        return session

    def exists(self, session_id: str) -> tuple[bool, bool]:
        """(exists, expired) as GET /exists tells it; extends nothing."""
        session = self._sessions.get(session_id)
        now = self._now()
        if session is None or now >= session.key_expires_at:
            return False, False
        if now > session.expires_at:
            self.delete(session_id)
            return False, True
        return True, False

    def save(self, session: Session) -> None:
        """Write the session back; without automatic extension the rest of its life is cut to whole seconds."""
        now = self._now()
        session.trim()
        if self._auto_extend:
            session.expires_at = session.key_expires_at = now + session.ttl
            return
        rest = int(session.expires_at - now)
        if rest > 0:
            session.key_expires_at = now + rest
        else:
            self.delete(session.session_id)

    def extend(self, session_id: str, ttl: int) -> None:
        """Give a live session `ttl` seconds; 0 or less ends it. Raises CrashError past the year 9999."""
        session = self._sessions[session_id]
        if ttl <= 0:
            del self._sessions[session_id]
            return
        session.expires_at = session.key_expires_at = end_of(self._now(), ttl)

    def delete(self, session_id: str) -> None:
        """Remove the session."""
        if self._sessions.pop(session_id, None) is not None:
            self.indexed -= 1

    def clear(self) -> None:
        """Redis came back empty."""
        self._sessions.clear()
        self.indexed = 0

    def _sweep(self) -> None:
        now = self._now()
        dead = [name for name, session in self._sessions.items() if now >= session.key_expires_at]
        for name in dead:
            del self._sessions[name]
        self._sweep_at = max(_FIRST_SWEEP, 2 * len(self._sessions))


def end_of(start: float, ttl: int) -> float:
    """`start` plus `ttl` seconds; raises CrashError where Python's datetime ends before it."""
    try:
        datetime.fromtimestamp(start, UTC) + timedelta(seconds=ttl)
    except OverflowError:
        raise CrashError from None
    return start + ttl


def iso_z(seconds: float) -> str:
    """A time as pydantic writes it, like 2026-11-23T20:03:01.480599Z."""
    moment = datetime.fromtimestamp(0, UTC) + timedelta(seconds=seconds)
    return moment.isoformat().replace("+00:00", "Z")
