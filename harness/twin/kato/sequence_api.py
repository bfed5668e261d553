"""POST /sessions/{session_id}/observe-sequence: many observations, all or nothing for the session."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.twin.kato.bodies import SEQUENCE, read_body
from harness.twin.kato.calls import Call
from harness.twin.kato.learning import learn, observe
from harness.twin.kato.messages import Answer, CrashError
from harness.twin.kato.node import Node
from harness.twin.kato.sessions import Session, restore, snapshot


def observe_sequence(call: Call) -> Answer:
    """The endpoint; what the node learned before a failure stays learned."""
    body = read_body(call.request, SEQUENCE)
    session = call.live_session()
    before = len(session.stm)
    if not body["observations"]:
        return call.answer(_result(session, body, before, [], [], None))
    node = call.state.node_of(session)
    saved = snapshot(session)
    try:
        results, learned = _observe_all(call, session, node, body)
    except CrashError:
        restore(session, saved)
        raise
    final = None
    if body["learn_at_end"] and session.stm:
        final = _learn_at_end(session, node)
        learned += [] if final is None else [final]
    answer = _result(session, body, before, results, learned, final)
    call.committed = True
    call.state.sessions.save(session)
    return call.answer(answer)


def _observe_all(
    call: Call, session: Session, node: Node, body: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], list[str]]:
    results = []
    learned: list[str] = []
    for position, observation in enumerate(body["observations"]):
        unique_id = observation.pop("unique_id") or f"seq-obs-{call.state.identifiers()}"
        if body["clear_stm_between"] and position:
            session.stm = []
        automatic = observe(session, node, call.state.settings, **observation)
        if body["learn_after_each"] and session.stm:
            learned.append(learn(node, session.stm, session.emotives, session.metadata_log))
            session.stm = []
        if automatic:
            learned.append(automatic)
        results.append(
            {
                "status": "okay",
                "sequence_position": position,
                "stm_length": len(session.stm),
                "time": session.time,
                "unique_id": unique_id,
                "auto_learned_pattern": automatic,
            }
        )
    return results, learned


def _learn_at_end(session: Session, node: Node) -> str | None:
    """The pattern's name; None where learning failed, which KATO only logs."""
    try:
        name = learn(node, session.stm, session.emotives, session.metadata_log)
    except CrashError:
        return None
    session.stm = []
    return name


def _result(
    session: Session,
    body: Mapping[str, Any],
    before: int,
    results: list[dict[str, Any]],
    learned: list[str],
    final: str | None,
) -> dict[str, Any]:
    return {
        "status": "completed",
        "processor_id": session.node_id,
        "observations_processed": len(body["observations"]),
        "initial_stm_length": before,
        "final_stm_length": len(session.stm),
        "results": results,
        "auto_learned_patterns": learned,
        "final_learned_pattern": final,
        "isolated": body["clear_stm_between"],
    }
