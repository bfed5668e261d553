"""The reference client, which also writes down what KATO's answers held, for `bench/configmap.py`.

One JSON object goes to the file named by ANSWERS when the client is closed: by node, the names of each prediction, how
many symbols its STM had after each observe, and which observes learned a pattern by themselves.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.integrations.build import build
from harness.integrations.resolve import resolve


class Answering:
    """Keeps what it was answered, by the node's number."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.policy = inner.policy
        self._nodes: dict[str, str] = {}
        self._said: dict[str, list[Any]] = {}

    def open_session(self, node_id: str) -> str:
        session: str = self._inner.open_session(node_id)
        self._nodes[session] = node_id.rpartition("-")[2]
        return session

    def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        answer = self._inner.observe(session_id, observation)
        self._keep(session_id, ["observe", answer["stm_length"], answer.get("auto_learned_pattern")])
        return answer

    def predict(self, session_id: str) -> Any:
        answer = self._inner.predict(session_id)
        # KATO takes those that rank equally from a set, in an order that each process draws
        ranked = sorted(answer["predictions"], key=lambda each: (-round(each["potential"], 9), each["name"]))
        self._keep(session_id, ["predict", [each["name"] for each in ranked]])
        return answer

    def learn(self, session_id: str) -> Any:
        answer = self._inner.learn(session_id)
        self._keep(session_id, ["learn", answer["pattern_name"]])
        return answer

    def close(self) -> None:
        Path(os.environ["ANSWERS"]).write_text(json.dumps(self._said))
        self._inner.close()

    def _keep(self, session: str, said: list[Any]) -> None:
        self._said.setdefault(self._nodes.get(session, ""), []).append(said)


def make(base_url: str, headers: Mapping[str, str], seed: int) -> Answering:
    """The factory."""
    entry = resolve("reference")
    return Answering(build(entry, base_url, {"headers": headers, "policy": entry.policy, "scale": 1.0, "seed": seed}))
