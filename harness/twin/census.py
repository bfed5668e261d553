"""What the service time of a request depends on, learnt from the traffic: nodes, their patterns, session settings."""

from __future__ import annotations

import re
from collections import OrderedDict

from harness.model import OPERATIONS
from harness.twin.effects import Reply
from harness.twin.exchange import Exchange
from harness.twin.service import Cost

PROCESSORS = 100
"""KATO keeps so many nodes' processors in a worker; a node that fell out is used for the first time again."""

_OPEN, _OBSERVE, _PREDICT, _LEARN = (OPERATIONS.index(word) for word in ("open_session", "observe", "predict", "learn"))
_PATTERN = re.compile(rb'"(?:pattern_name|auto_learned_pattern)":\s*"(PTRN\|[0-9a-f]+)"')
_UNPREDICTED = re.compile(rb'"process_predictions":\s*(true|false)')


class Census:
    """Nodes with their patterns, sessions with their nodes, and which worker has used which node."""

    def __init__(self, workers: int) -> None:
        self._patterns: dict[str, set[bytes]] = {}
        self._nodes: dict[str, str] = {}
        self._unpredicted: set[str] = set()
        self._used: list[OrderedDict[str, None]] = [OrderedDict() for _ in range(workers)]

    def cost(self, exchange: Exchange, worker: int) -> Cost:
        """What the request will ask of `worker`."""
        path = exchange.request.path
        node = self._nodes.get(exchange.session, "")
        patterns = len(self._patterns.get(node, ()))
        if exchange.op == _OBSERVE:
            pieces = max(1, exchange.observations)
            return Cost(self._observe_kind(exchange.session, node, worker), patterns, pieces)
        if exchange.op == _PREDICT:
            return Cost("predict", patterns)
        if exchange.op == _LEARN:
            return Cost("learn", patterns)
        if exchange.op == _OPEN:
            return Cost("open_session")
        return Cost("stm" if exchange.session else "health" if path == "/health" else "other")

    def note(self, exchange: Exchange, reply: Reply) -> None:
        """Remember what the reply says about its session and node."""
        if reply.status >= 300:
            return
        session, node, path = exchange.session, exchange.node_id, exchange.request.path
        if exchange.op == _OPEN:
            self._nodes[session] = node
            self._set_predictions(session, reply.body)
        elif exchange.op in (_LEARN, _OBSERVE):
            for name in _PATTERN.findall(reply.body):
                self._patterns.setdefault(node, set()).add(name)
        elif path.endswith("/config"):
            self._set_predictions(session, exchange.request.body)
        elif path.endswith("/clear-all"):
            self._patterns.pop(node, None)

    def _observe_kind(self, session: str, node: str, worker: int) -> str:
        used = self._used[worker]
        first = node not in used
        used[node] = None
        used.move_to_end(node)
        if len(used) > PROCESSORS:
            used.popitem(last=False)
        return "observe_first" if first else "observe_unpredicted" if session in self._unpredicted else "observe"

    def _set_predictions(self, session: str, text: bytes) -> None:
        found = _UNPREDICTED.search(text)
        if found is None:
            return
        if found[1] == b"false":
            self._unpredicted.add(session)
        else:
            self._unpredicted.discard(session)
