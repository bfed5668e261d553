"""The recorded exchanges as steps: one long recording, in which some requests met failing stores.

Identifiers of sessions and the stamps in node names become variables, so that a replay makes its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from harness import contracts
from harness.conform.contract import ANY_BODY, NO_BODY, Expected, Step, shipped
from harness.conform.report import LeftOut

UP = "up"
STORES = ("redis", "clickhouse", "qdrant")

_SESSION = re.compile(r"session-[0-9a-f]{32}-\d{13}")
_STAMP = re.compile(r"\d{10}$")
_WAITS_S = {"touch at 1.2 s (auto-extend)": 1.2, "touch at 2.4 s (still alive)": 1.2, "expired: exists": 2.6}
"""Pauses of the recording, which it tells only in words."""

_HEADERS = ("allow", "x-session-id")
_CUT_BODY = re.compile(r"<\d+ bytes>")


@dataclass(frozen=True, slots=True)
class Exchange:
    """One recorded request. `deps` is the state of each store, and of KATO where it ran otherwise than usual.

    `error`: the client's failure where no answer came, after `took_s`. `sessions`: the variables that the request
    names or saves.
    """

    number: int
    scenario: str
    deps: Mapping[str, str]
    step: Step
    error: str
    took_s: float
    sessions: frozenset[str]

    @property
    def stores_up(self) -> bool:
        """All stores answered, and KATO ran as usual."""
        return all(self.deps[name] == UP for name in STORES) and "kato" not in self.deps


def load_exchanges(release: str = contracts.LATEST) -> list[Exchange]:
    """All shipped exchanges, in recorded order."""
    records = shipped("exchanges.jsonl", release)
    names = _Names(records)
    return [_exchange(number, record, names) for number, record in enumerate(records, 1)]


def askable(exchanges: Iterable[Exchange]) -> tuple[list[Exchange], list[LeftOut]]:
    """The exchanges that a server with all its stores must answer alike, and the others with their reasons."""
    kept, left_out = [], []
    marked: set[str] = set()
    for exchange in exchanges:
        reason = _reason(exchange, marked)
        if reason:
            marked |= exchange.sessions
            left_out.append(LeftOut(exchange.scenario, reason))
        else:
            kept.append(exchange)
    return kept, left_out


def _reason(exchange: Exchange, marked: set[str]) -> str:
    if not exchange.stores_up:
        return "a store had failed, or KATO ran with other settings; tests of the twin's store faults replay it"
    if exchange.error:
        return f"no answer was recorded ({exchange.error})"
    if is_cut(exchange.step):
        return "the recording holds only the beginning of the request"
    if exchange.sessions & marked:
        return "its session went through a request that is left out"
    return ""


def is_cut(step: Step) -> bool:
    """The recording holds only the beginning of the step's request."""
    return _is_cut(step.body) or _is_cut(step.raw)


def _is_cut(body: Any) -> bool:
    if isinstance(body, str):
        return _CUT_BODY.fullmatch(body) is not None
    return isinstance(body, Mapping) and "_truncated" in body


class _Names:
    """Variables for what the recorded server and the recorder made up."""

    def __init__(self, records: Iterable[Mapping[str, Any]]) -> None:
        self._sessions: dict[str, str] = {}
        stamps = set()
        for record in records:
            node = record["request"].get("node_id") if isinstance(record["request"], Mapping) else None
            found = _STAMP.search(node) if isinstance(node, str) else None
            if found:
                stamps.add(found[0])
        self._stamps = re.compile("|".join(sorted(stamps)))

    def session(self, session_id: str) -> str:
        return self._sessions.setdefault(session_id, f"S{len(self._sessions) + 1}")

    def generic(self, value: Any) -> Any:
        """`value` with variables in place of sessions and stamps."""
        if isinstance(value, str):
            text = _SESSION.sub(lambda found: f"${{{self.session(found[0])}}}", value)
            return self._stamps.sub("${run}", text)
        if isinstance(value, list):
            return [self.generic(item) for item in value]
        if isinstance(value, Mapping):
            return {key: self.generic(item) for key, item in value.items()}
        return value

    def sessions_in(self, record: Mapping[str, Any]) -> frozenset[str]:
        found = _SESSION.findall(record["path"])
        opened = _opened(record)
        return frozenset(self.session(name) for name in (*found, *((opened,) if opened else ())))


def _opened(record: Mapping[str, Any]) -> str:
    response = record.get("response")
    if record["method"] == "POST" and record["path"] == "/sessions" and isinstance(response, Mapping):
        return str(response.get("session_id", ""))
    return ""


def _exchange(number: int, record: Mapping[str, Any], names: _Names) -> Exchange:
    request = names.generic(record["request"])
    raw = request if isinstance(request, str) else None
    response = names.generic(record.get("response"))
    headers = record.get("headers", {})
    expected = Expected(
        record.get("status") or 0,
        headers.get("content-type", ""),
        ANY_BODY if _is_cut(response) else response,
        {name: names.generic(headers[name]) for name in _HEADERS if name in headers},
    )
    step = Step(
        record["method"],
        names.generic(record["path"]),
        expected,
        NO_BODY if request is None or raw is not None else request,
        raw,
        names.generic(record.get("request_headers", {})),
        names.session(_opened(record)) if _opened(record) else "",
        _WAITS_S.get(record["scenario"], 0.0),
    )
    error, took_s = record.get("error", ""), record["elapsed_ms"] / 1000
    return Exchange(number, record["scenario"], record["deps"], step, error, took_s, names.sessions_in(record))
