"""The endpoints under /sessions (contract, section 1)."""

from __future__ import annotations

from itertools import chain
from typing import Any

from harness.spool import MOST_FUTURES
from harness.twin.kato.bodies import CONFIG, CREATE, OBSERVE, read_body, read_query
from harness.twin.kato.calls import Call
from harness.twin.kato.config import updated_with
from harness.twin.kato.knowledge import average
from harness.twin.kato.learning import learn, observe
from harness.twin.kato.messages import Answer, CrashError, detail
from harness.twin.kato.sessions import Session, iso_z

DEFAULT_TTL = 3600
"""What KATO tells of a session created without a lifetime, whatever SESSION_TTL is."""


def create(call: Call) -> Answer:
    """POST /sessions"""
    body = read_body(call.request, CREATE)
    session = call.state.open_session(**body)
    call.committed = True
    call.session_id = session.session_id
    call.node_id = session.node_id
    return call.answer(_described(session, session.expires_at, body["ttl_seconds"] or DEFAULT_TTL))


def info(call: Call) -> Answer:
    """GET /sessions/{session_id}"""
    session = call.live_session()
    now = call.state.now()
    expires_at = now + session.ttl if call.state.settings.session_auto_extend else session.expires_at
    # The clock has moved on when KATO subtracts it, so a whole number of seconds is never reached.
    rest = session.ttl - 1 if call.state.settings.session_auto_extend else int(expires_at - now)
    return call.answer(_described(session, expires_at, max(0, rest)))


def _described(session: Session, expires_at: float, ttl: int) -> dict[str, Any]:
    return {
        "session_id": session.session_id,
        "node_id": session.node_id,
        "created_at": iso_z(session.created_at),
        "expires_at": iso_z(expires_at),
        "ttl_seconds": ttl,
        "metadata": session.metadata,
        "session_config": session.config.effective,
    }


def exists(call: Call) -> Answer:
    """GET /sessions/{session_id}/exists"""
    name = call.params["session_id"]
    if call.state.stores.redis_fails:
        raise CrashError
    found, expired = call.state.sessions.exists(name)
    return call.answer({"exists": found, "expired": expired, "session_id": name})


def delete(call: Call) -> Answer:
    """DELETE /sessions/{session_id}"""
    session = call.live_session()
    call.state.sessions.delete(session.session_id)
    call.committed = True
    return call.answer({"status": "deleted", "session_id": session.session_id})


def get_config(call: Call) -> Answer:
    """GET /sessions/{session_id}/config"""
    session = call.live_session()
    return call.answer({"session_id": session.session_id, "config": session.config.effective})


def set_config(call: Call) -> Answer:
    """POST /sessions/{session_id}/config"""
    body = read_body(call.request, CONFIG)
    session = call.live_session()
    session.config = call.state.configured(updated_with(session.config.overrides, body))
    _save(call, session)
    return call.answer({"status": "okay", "message": "Configuration updated", "session_id": session.session_id})


def extend(call: Call) -> Answer:
    """POST /sessions/{session_id}/extend"""
    ttl = read_query(call.request, "ttl_seconds", DEFAULT_TTL)
    session = call.live_session()
    call.committed = True
    call.state.sessions.extend(session.session_id, ttl)
    return call.answer({"status": "extended", "session_id": session.session_id, "ttl_seconds": ttl})


def observed(call: Call) -> Answer:
    """POST /sessions/{session_id}/observe, any body"""
    body = read_body(call.request, OBSERVE)
    session = call.live_session()
    node = call.state.node_of(session)
    learned = observe(session, node, call.state.settings, **body)
    _save(call, session)
    return call.answer(
        {
            "status": "okay",
            "session_id": session.session_id,
            "processor_id": session.node_id,
            "stm_length": len(session.stm),
            "time": session.time,
            "unique_id": f"obs-{call.state.identifiers()}",
            "auto_learned_pattern": learned,
        }
    )


def stm(call: Call) -> Answer:
    """GET /sessions/{session_id}/stm"""
    session = call.live_session()
    return call.answer({"stm": session.stm, "session_id": session.session_id, "length": len(session.stm)})


def learned(call: Call) -> Answer:
    """POST /sessions/{session_id}/learn"""
    session = call.live_session()
    if not session.stm:
        raise detail(400, "Cannot learn from empty STM")
    node = call.state.node_of(session)
    call.committed = True
    name = learn(node, session.stm, session.emotives, session.metadata_log)
    session.stm = []
    _save(call, session)
    return call.answer(
        {
            "status": "learned",
            "pattern_name": name,
            "session_id": session.session_id,
            "processor_id": None,
            "message": f"Learned pattern {name} from 0 events",
        }
    )


def finalize(call: Call) -> Answer:
    """POST /sessions/{session_id}/finalize-training"""
    session = call.live_session()
    rows = call.state.node_of(session).finalize()
    call.committed = True
    return call.answer(
        {
            "status": "completed",
            "patterns_processed": rows,
            "time_ms": 1.0,
            "session_id": session.session_id,
            "node_id": session.node_id,
            "message": f"Computed Shannon entropy and TF vectors for {rows} patterns in 1.0ms",
        }
    )


def clear_stm(call: Call) -> Answer:
    """POST /sessions/{session_id}/clear-stm"""
    session = call.live_session()
    session.clear()
    _save(call, session)
    return call.answer({"status": "cleared", "session_id": session.session_id})


def clear_all(call: Call) -> Answer:
    """POST /sessions/{session_id}/clear-all"""
    session = call.live_session()
    call.committed = True
    call.state.node_of(session).clear()
    session.clear()
    _save(call, session)
    return call.answer({"status": "cleared", "session_id": session.session_id, "scope": "all"})


def predictions(call: Call) -> Answer:
    """GET /sessions/{session_id}/predictions"""
    session = call.live_session()
    node = call.state.node_of(session)
    found = node.foresee(session.stm, session.config)
    answer = call.answer(
        {
            "predictions": found,
            "future_potentials": node.future_potentials,
            "session_id": session.session_id,
            "processor_id": None,
            "count": len(found),
            "time": None,
            "unique_id": None,
        }
    )
    answer.futures = min(1 + sum(bool(each["future"]) for each in found), MOST_FUTURES)
    return answer


def percept_data(call: Call) -> Answer:
    """GET /sessions/{session_id}/percept-data"""
    session = call.live_session()
    data: dict[str, Any] = {}
    if session.percept is not None:
        strings, vectors, emotives, metadata = session.percept
        data = {
            "strings": sorted(strings),
            "vectors": vectors,
            "emotives": average(emotives),
            "path": [],
            "metadata": metadata,
        }
    return call.answer({"percept_data": data, "session_id": session.session_id, "node_id": session.node_id})


def cognition_data(call: Call) -> Answer:
    """GET /sessions/{session_id}/cognition-data"""
    session = call.live_session()
    node = call.state.node_of(session)
    data = {
        "predictions": node.predicted(session),
        "emotives": session.emotives[-1] if session.emotives else {},
        "symbols": list(chain.from_iterable(session.stm)),
        "command": "",
        "metadata": {},
        "path": [],
        "strings": [],
        "vectors": [],
        "short_term_memory": session.stm,
        "time": session.time,
    }
    return call.answer({"cognition_data": data, "session_id": session.session_id, "node_id": session.node_id})


def _save(call: Call, session: Session) -> None:
    call.committed = True
    call.state.sessions.save(session)
