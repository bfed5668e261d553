"""The embedded KATO answers the whole recording in its order, failing stores included."""

from __future__ import annotations

import math
from collections.abc import Mapping
from urllib.parse import unquote

from kato_direct import Clock, new_kato, sender

from harness.conform import load_cases, replay
from harness.conform.exchanges import Exchange, askable, is_cut, load_exchanges
from harness.conform.replay import Reply, new_run, replay_exchanges, replay_step
from harness.conform.schema import check_schema
from harness.twin.http import Request
from harness.twin.kato import Kato

WORDS = {
    "up": ("up", 0.0),
    "up (restarted)": ("up", 0.0),
    "up (restarted empty)": ("restarted_empty", 0.0),
    "down (connection refused)": ("refused", 0.0),
    "accepts then closes without answering": ("refused", 0.0),
    "answers HTTP 500": ("error", 0.0),
    "answers HTTP 500 (code 159)": ("error", 0.0),
    "hung (SIGSTOP)": ("hung", 0.0),
    "hung (SIGSTOP: accepts, never answers)": ("hung", 0.0),
    "paused 1500 ms": ("slow", 1.5),
    "slow: +1500 ms": ("slow", 1.5),
    "slow: +1500 ms per request": ("slow", 1.5),
    "slow: +2000 ms per request": ("slow", 2.0),
}
"""The recorder's words for a store's state, as the twin's."""

BLOCKED_BY_ANOTHER = (
    "clickhouse down: health while single-symbol observe runs",
    "clickhouse down: stm after",
    "clickhouse hung: health at the same time (client timeout 10 s)",
)
"""Requests that waited for a worker which another request had blocked: the server's part, not the engine's."""


class Impatient:
    """A client of the engine that leaves after `patience` seconds, and whose stores can fail."""

    def __init__(self, kato: Kato) -> None:
        self.kato = kato
        self.patience = math.inf

    def __call__(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        raw, _, query = path.partition("?")
        request = Request(method, unquote(raw), query, headers, body)
        waited = self.kato.redis_wait(request)
        if waited >= self.patience:
            return 0, {}, b""
        answer = self.kato.handle(request)
        if waited + answer.delay >= self.patience:
            return 0, {}, b""
        return answer.status, answer.headers, b"" if method == "HEAD" else answer.body


def in_engine(exchange: Exchange) -> bool:
    """The exchange tells of the engine, neither of connections nor of several requests at once."""
    if "kato" in exchange.deps or exchange.scenario in BLOCKED_BY_ANOTHER:
        return False
    return "reset" not in exchange.error and not (exchange.error and exchange.scenario.startswith("deadlock"))


def test_all_exchanges_with_stores_up_are_answered_as_recorded() -> None:
    """What a healthy KATO answered, the engine answers, on one state from the first exchange to the last."""
    clock = Clock()
    send = sender(new_kato(clock))
    assert all(row.passed for row in replay(load_cases()[5:7], send, clock.sleep))
    kept, left_out = askable(load_exchanges())
    assert (len(kept), len(left_out)) == (336, 151)
    rows = list(replay_exchanges(kept, send, clock.sleep))
    assert [(row.step, row.endpoint, row.differences) for row in rows if not row.passed] == []
    assert check_schema(send).passed


def test_all_exchanges_in_order_with_their_failing_stores_are_answered_as_recorded() -> None:
    """The stores fail and recover as they did in the recording; a client's time-out is an answer that comes later."""
    clock = Clock()
    kato = new_kato(clock)
    client = Impatient(kato)
    assert all(row.passed for row in replay(load_cases()[5:7], client, clock.sleep))
    variables = {"run": new_run()}
    states = dict.fromkeys(("redis", "clickhouse", "qdrant"), "up")
    unlike = []
    asked = 0
    for exchange in filter(in_engine, load_exchanges()):
        for store in states:
            if states[store] != exchange.deps[store]:
                states[store] = exchange.deps[store]
                kato.set_store(store, *WORDS[states[store]])
        client.patience = exchange.took_s if exchange.error else math.inf
        if is_cut(exchange.step):
            continue
        asked += 1
        row = replay_step(exchange.scenario, exchange.number, exchange.step, variables, client, clock.sleep)
        if not row.passed and not (exchange.error and row.got.startswith("0")):
            unlike.append((exchange.number, exchange.scenario, row.endpoint, row.differences[:4]))
    assert unlike == []
    assert asked > 380


def test_without_automatic_extension_a_write_cuts_the_rest_to_whole_seconds() -> None:
    """A session of 3 s is gone at 2.5 s after a write at 1.5 s (recorded with SESSION_AUTO_EXTEND=false)."""
    clock = Clock()
    send = sender(new_kato(clock, SESSION_AUTO_EXTEND="false"))
    variables = {"run": new_run()}
    steps = [exchange for exchange in load_exchanges() if exchange.scenario.startswith("no auto-extend")]
    for exchange, pause in zip(steps, (0.0, 1.5, 1.0, 1.0), strict=True):
        clock.sleep(pause)
        row = replay_step(exchange.scenario, exchange.number, exchange.step, variables, send, clock.sleep)
        assert row.differences == ()
