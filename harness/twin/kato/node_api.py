"""The endpoints that name a node instead of a session: patterns, symbols, and two kept for old clients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.twin.kato.bodies import query_value
from harness.twin.kato.calls import Call
from harness.twin.kato.learning import PREFIX
from harness.twin.kato.messages import Answer, detail
from harness.twin.kato.node import Node


def pattern(call: Call) -> Answer:
    """GET /pattern/{pattern_id}"""
    node = _node(call)
    wanted = call.params["pattern_id"]
    found = node.find(wanted.removeprefix(PREFIX))
    if found is None:
        return call.answer({"pattern": {"status": "error", "message": f"Pattern {wanted} not found"}, **_named(node)})
    lost = call.state.stores.redis_fails
    told: dict[str, Any] = {
        "name": PREFIX + found.name,
        "pattern_data": found.events,
        "length": len(found.flat),
        "frequency": 0 if lost else found.frequency,
    }
    if found.emotives is not None and not lost:
        told["emotives"] = found.emotives
    if found.metadata is not None and not lost:
        told["metadata"] = found.metadata
    return call.answer({"pattern": {"status": "okay", "pattern": told}, **_named(node)})


def symbol_stats(call: Call) -> Answer:
    """GET /symbols/stats"""
    node = _node(call)
    if call.state.stores.redis_fails:
        raise detail(500, "Symbol stats retrieval failed: Error 111 connecting to Redis. Connection refused.")
    symbols = {
        name: {"name": name, "frequency": count.frequency, "pattern_member_frequency": count.patterns}
        for name, count in node.knowledge.symbols.items()
    }
    return call.answer({"symbols": symbols, **_named(node)})


def symbol_affinities(call: Call) -> Answer:
    """GET /symbols/affinity"""
    node = _node(call)
    return call.answer({"affinities": _affinities(call, node), **_named(node)})


def symbol_affinity(call: Call) -> Answer:
    """GET /symbols/{symbol}/affinity"""
    node = _node(call)
    symbol = call.params["symbol"]
    return call.answer({"symbol": symbol, "affinity": _affinities(call, node).get(symbol, {}), **_named(node)})


def _affinities(call: Call, node: Node) -> Mapping[str, Mapping[str, float]]:
    return {} if call.state.stores.redis_fails else node.knowledge.affinities


def old_percept_data(call: Call) -> Answer:
    """GET /percept-data"""
    return call.answer({"percept_data": {}, **_named(_node(call)), "warning": _warning("percept-data")})


def old_cognition_data(call: Call) -> Answer:
    """GET /cognition-data"""
    data = {
        "predictions": [],
        "emotives": {},
        "symbols": [],
        "command": "",
        "metadata": {},
        "path": [],
        "strings": [],
        "vectors": [],
        "short_term_memory": [],
    }
    return call.answer({"cognition_data": data, **_named(_node(call)), "warning": _warning("cognition-data")})


def _warning(name: str) -> str:
    return f"This endpoint is deprecated. Use /sessions/{{session_id}}/{name} for session-aware data."


def _named(node: Node) -> dict[str, str]:
    return {"node_id": node.name}


def _node(call: Call) -> Node:
    node_id = query_value(call.request, "node_id")
    if node_id is None:
        headers = call.request.headers
        test = headers.get("x-test-id", "")
        if test:
            node_id = test if test.startswith("test_") else f"test_{test}"
        else:
            node_id = headers.get("x-node-id") or "default_node"
    return call.state.node(node_id)
