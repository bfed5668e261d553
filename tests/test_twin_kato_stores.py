"""Section 7 of the contract: what the embedded KATO answers when one of its stores fails, row by row."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from kato_direct import Clock, new_kato

from harness.errors import UsageError
from harness.twin.http import Request
from harness.twin.kato import Answer, Kato

JSON = {"content-type": "application/json"}
FORGOTTEN = "SESSION_NOT_FOUND"
ROWS = (
    "Redis refused", "Redis hung", "Redis paused 1.5 s", "Redis restarted empty", "ClickHouse refused/500, warm node",
    "ClickHouse refused, node's first use in that worker", "ClickHouse refused, STM = 1 symbol",
    "ClickHouse +2 s per request", "ClickHouse hung",
    "ClickHouse drops connections, rows pending from a failed learn", "Qdrant refused/500", "Qdrant +1.5 s",
    "Qdrant hung",
)  # fmt: skip


class Client:
    """One session of one node on an engine whose stores fail."""

    def __init__(self, kato: Kato, node: str = "warm") -> None:
        self.kato = kato
        self.session = self.body(self.ask("POST", "/sessions", {"node_id": node}))["session_id"]

    def ask(self, method: str, path: str, body: Any = None) -> Answer:
        path, _, query = path.partition("?")
        raw = b"" if body is None else json.dumps(body).encode()
        return self.kato.handle(self.request(method, path, query, raw))

    def request(self, method: str, path: str, query: str = "", raw: bytes = b"") -> Request:
        return Request(method, path, query, JSON, raw)

    def of(self, method: str, what: str, body: Any = None) -> Answer:
        return self.ask(method, f"/sessions/{self.session}/{what}", body)

    def observe(self, *strings: str, vectors: Any = ()) -> Answer:
        return self.of("POST", "observe", {"strings": list(strings), "vectors": list(vectors)})

    def learn(self) -> Answer:
        return self.of("POST", "learn")

    def predict(self) -> Answer:
        return self.of("GET", "predictions")

    def stm(self) -> Any:
        return self.body(self.of("GET", "stm"))["stm"]

    def body(self, answer: Answer) -> Any:
        return json.loads(answer.body)


@pytest.fixture
def client() -> Client:
    """A warm node that knows a b c d, and a session that has observed a b."""
    client = Client(new_kato(Clock()))
    for symbol in "abcd":
        client.observe(symbol)
    client.learn()
    client.observe("a")
    client.observe("b")
    return client


@pytest.mark.parametrize("mode", ["refused", "error"])
def test_redis_refused_forgets_every_session_and_creates_none(client: Client, mode: str) -> None:
    """Row "Redis refused": 404 SESSION_NOT_FOUND, create 500, health 200."""
    client.kato.set_store("redis", mode)
    for answer in (client.observe("c"), client.predict(), client.learn()):
        assert (answer.status, client.body(answer)["error"]["code"]) == (404, FORGOTTEN)
    assert client.ask("POST", "/sessions", {"node_id": "n"}).status == 500
    assert client.ask("GET", "/health").status == 200
    client.kato.set_store("redis", "up")
    assert client.stm() == [["a"], ["b"]]


def test_redis_hung_keeps_requests_waiting_but_not_the_worker(client: Client) -> None:
    """Row "Redis hung": no answer to what asks Redis, /health included; GET / answers."""
    client.kato.set_store("redis", "hung")
    observe = client.request("POST", f"/sessions/{client.session}/observe", "", b'{"strings":["c"]}')
    assert client.kato.redis_wait(observe) == math.inf
    assert client.kato.redis_wait(client.request("GET", "/health")) == math.inf
    assert client.kato.redis_wait(client.request("GET", "/")) == 0.0
    assert client.ask("GET", "/").status == 200
    unanswered = client.kato.handle(observe)
    assert (unanswered.delay, unanswered.committed) == (math.inf, False)
    client.kato.set_store("redis", "up")
    assert client.stm() == [["a"], ["b"]]


@pytest.mark.parametrize(
    ("method", "path", "trips"),
    [
        ("GET", "/", 0), ("GET", "/health", 1), ("GET", "/sessions/count", 1), ("GET", "/sessions/{}/exists", 2),
        ("GET", "/sessions/{}", 2), ("POST", "/sessions", 3), ("GET", "/sessions/{}/stm", 5),
        ("GET", "/sessions/{}/predictions", 6), ("POST", "/sessions/{}/config", 7), ("DELETE", "/sessions/{}", 8),
        ("POST", "/sessions/{}/clear-stm", 9), ("POST", "/sessions/{}/observe", 10),
    ],
)  # fmt: skip
def test_each_trip_to_a_late_redis_costs_its_time(client: Client, method: str, path: str, trips: int) -> None:
    """As measured on a KATO 3.10.1 whose Redis answered 0.3 s late; a client that leaves leaves nothing behind."""
    client.kato.set_store("redis", "slow", 0.3)
    assert client.kato.redis_wait(client.request(method, path.format(client.session))) == trips * 0.3
    answer = client.observe("c")
    assert (answer.status, answer.delay) == (200, 0.0)


def test_redis_restarted_empty_loses_sessions_and_counters_but_no_patterns(client: Client) -> None:
    """Row "Redis restarted empty": old sessions 404, create 200, old patterns predicted with frequency 1."""
    client.of("POST", "clear-stm")
    for symbol in "abcd":
        client.observe(symbol)
    client.learn()
    client.kato.set_store("redis", "restarted_empty")
    assert [client.observe("c").status, client.predict().status, client.learn().status] == [404, 404, 404]
    reborn = Client(client.kato)
    reborn.observe("a")
    reborn.observe("b")
    [prediction] = reborn.body(reborn.predict())["predictions"]
    assert (prediction["frequency"], prediction["future"]) == (1, [["c"], ["d"]])
    assert reborn.ask("GET", "/health").status == 200


@pytest.mark.parametrize("mode", ["refused", "error"])
def test_clickhouse_refused_on_a_warm_node_takes_observations_and_predicts_nothing(client: Client, mode: str) -> None:
    """Row "ClickHouse refused/500, warm node": 200, STM kept; 200 with []; learn 500, its retry 200; create 200."""
    client.kato.set_store("clickhouse", mode)
    predicted = client.predict()
    assert (predicted.status, client.body(predicted)["predictions"]) == (200, [])
    assert client.observe("q").status == 200
    assert client.stm() == [["a"], ["b"], ["q"]]
    first = client.learn()
    assert (first.status, first.body) == (500, b"Internal Server Error")
    assert client.stm() == [["a"], ["b"], ["q"]]
    assert client.learn().status == 200
    assert client.stm() == []
    assert client.ask("POST", "/sessions", {"node_id": "n"}).status == 200
    assert client.ask("GET", "/health").status == 200


def test_the_row_of_a_failed_learn_is_written_by_a_later_prediction(client: Client) -> None:
    """Section 7, causes: the row stays with the worker, and the pattern counts twice after the retry."""
    client.kato.set_store("clickhouse", "refused")
    client.observe("q")
    client.learn()
    client.learn()
    client.kato.set_store("clickhouse", "up")
    client.observe("a")
    client.observe("b")
    names = {
        tuple(map(tuple, told["sequence"])): told["frequency"] for told in client.body(client.predict())["predictions"]
    }
    assert names[(("a",), ("b",), ("q",))] == 2


def test_clickhouse_refused_at_a_nodes_first_use_is_500(client: Client) -> None:
    """Row "ClickHouse refused, node's first use in that worker": observe and predictions 500, create 200."""
    client.kato.set_store("clickhouse", "refused")
    cold = Client(client.kato, "cold")
    assert [cold.observe("a").status, cold.predict().status] == [500, 500]
    assert cold.ask("GET", "/health").status == 200
    client.kato.set_store("clickhouse", "up")
    assert cold.observe("a").status == 200


def test_clickhouse_refused_with_one_symbol_freezes_the_worker_until_it_returns(client: Client) -> None:
    """Row "ClickHouse refused, STM = 1 symbol": no answer, and nothing happened, until ClickHouse is back."""
    client.of("POST", "clear-stm")
    client.kato.set_store("clickhouse", "refused")
    frozen = client.observe("a")
    assert (frozen.delay, frozen.committed) == (math.inf, False)
    assert client.stm() == []
    client.kato.set_store("clickhouse", "up")
    assert client.observe("a").status == 200
    assert client.stm() == [["a"]]


def test_clickhouse_slow_delays_each_request_to_it(client: Client) -> None:
    """Row "ClickHouse +2 s per request": observe 2, predictions 2, learn 4 seconds."""
    client.kato.set_store("clickhouse", "slow", 2.0)
    assert [client.predict().delay, client.observe("x").delay, client.learn().delay] == [2.0, 2.0, 4.0]
    assert client.of("GET", "stm").delay == 0.0
    assert client.ask("GET", "/health").delay == 0.0


def test_clickhouse_slow_commits_what_the_client_no_longer_waits_for(client: Client) -> None:
    """Section 6: the abandoned observe was still committed."""
    client.kato.set_store("clickhouse", "slow", 1.5)
    assert client.observe("c").committed
    assert client.stm() == [["a"], ["b"], ["c"]]


def test_clickhouse_hung_answers_with_nothing_after_its_time_out(client: Client) -> None:
    """Row "ClickHouse hung": predictions 200 [] after 30 s."""
    client.kato.set_store("clickhouse", "hung")
    answer = client.predict()
    assert (answer.status, client.body(answer)["predictions"], answer.delay) == (200, [], 30.0)
    assert client.ask("GET", "/health").delay == 0.0


def test_clickhouse_failing_with_rows_pending_makes_predictions_500(client: Client) -> None:
    """Row "ClickHouse drops connections, rows pending from a failed learn": predictions 500."""
    client.kato.set_store("clickhouse", "refused")
    client.observe("q")
    assert client.learn().status == 500
    assert client.predict().status == 500
    client.kato.set_store("clickhouse", "up")
    assert client.body(client.predict())["count"] == 2


@pytest.mark.parametrize("mode", ["refused", "error"])
def test_qdrant_refused_gives_vectors_their_own_names_and_loses_them(client: Client, mode: str) -> None:
    """Row "Qdrant refused/500": observe 200 without neighbours, learn 200 and the vectors are lost, health 200."""
    client.observe(vectors=[[1.0, 2.0, 3.0]])
    client.learn()
    client.kato.set_store("qdrant", mode)
    assert client.observe("a").status == 200
    assert client.observe(vectors=[[1.0, 2.0, 4.0]]).status == 200
    assert len(client.stm()[-1]) == 1
    assert client.learn().status == 200
    assert client.ask("GET", "/health").status == 200
    client.kato.set_store("qdrant", "up")
    client.observe(vectors=[[1.0, 2.0, 4.0]])
    assert len(client.stm()[-1]) == 2


@pytest.mark.parametrize(("mode", "seconds", "delay"), [("slow", 1.5, 1.5), ("hung", 0.0, 10.0)])
def test_qdrant_late_delays_observations_with_vectors_only(
    client: Client, mode: str, seconds: float, delay: float
) -> None:
    """Rows "Qdrant +1.5 s" and "Qdrant hung": 200 in 1.5 s, 200 in 10 s."""
    client.observe(vectors=[[1.0, 2.0]])
    client.kato.set_store("qdrant", mode, seconds)
    answer = client.observe(vectors=[[1.0, 2.0]])
    assert (answer.status, answer.delay) == (200, delay)
    assert client.observe("a").delay == 0.0


@pytest.mark.parametrize(
    ("mode", "seconds", "delays"), [("hung", 0.0, [20.0, 20.0, 50.0]), ("slow", 1.5, [4.5, 1.5, 6.0])]
)
def test_a_nodes_first_vectors_ask_a_late_qdrant_more_often(
    client: Client, mode: str, seconds: float, delays: list[float]
) -> None:
    """Measured: two requests before the node's first search, tried anew until one is answered, and two for its
    collection before a vector can be stored."""
    client.kato.set_store("qdrant", mode, seconds)
    answers = [client.observe(vectors=[[1.0, 2.0]]), client.observe(vectors=[[1.0, 3.0]]), client.learn()]
    assert [(answer.status, answer.delay) for answer in answers] == [(200, delay) for delay in delays]


def test_stores_restarted_empty_forget_what_only_they_held(client: Client) -> None:
    """ClickHouse: a pattern that Redis still counts is never written again; Qdrant: no neighbours."""
    client.observe(vectors=[[1.0, 2.0]])
    client.learn()
    client.kato.set_store("qdrant", "restarted_empty")
    client.kato.set_store("clickhouse", "restarted_empty")
    client.observe(vectors=[[1.0, 2.5]])
    assert len(client.stm()[-1]) == 1
    client.of("POST", "clear-stm")
    for symbol in "abcd":
        client.observe(symbol)
    assert client.learn().status == 200
    client.observe("a")
    client.observe("b")
    assert client.body(client.predict())["predictions"] == []


def test_each_row_of_section_7_has_a_test_that_names_it() -> None:
    """Here on the engine, or in test_stores_sockets.py over sockets."""
    texts = [Path(__file__).with_name(name).read_text() for name in (Path(__file__).name, "test_stores_sockets.py")]
    told = " ".join(re.findall(r'"""Rows? .*?"""', " ".join(texts), re.DOTALL))
    assert [row for row in ROWS if f'"{row}"' not in told] == []


def test_no_store_and_no_mode_but_the_known_ones_can_be_set() -> None:
    """A misspelt store or mode is refused with the words that exist."""
    kato = new_kato()
    for store, mode in (("mongo", "refused"), ("redis", "broken")):
        with pytest.raises(UsageError, match="cure"):
            kato.set_store(store, mode)
