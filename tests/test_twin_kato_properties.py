"""What holds for every request to the embedded KATO, not only for the recorded ones."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import numpy as np
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kato_direct import Clock, new_kato

from harness.twin.http import Request
from harness.twin.kato import Answer, Kato
from harness.twin.kato.bodies import OBSERVE, decode_observation
from harness.twin.kato.config import KEYS
from harness.twin.kato.knowledge import Knowledge
from harness.twin.kato.matching import Subsequences
from harness.twin.kato.vectors import array_text, summed

JSON = {"content-type": "application/json"}
SYMBOLS = st.sampled_from(["a", "b", "c", "d", "é", "it's", ""])
EVENTS = st.lists(st.lists(SYMBOLS, min_size=1, max_size=3), min_size=1, max_size=5)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)
BODY_FIELDS = ("strings", "vectors", "emotives", "metadata", "observations", "learn_at_end", "node_id", "ttl_seconds")
CONFIG_FIELDS = (
    "recall_threshold",
    "max_pattern_length",
    "filter_pipeline",
    "affinity_emotive",
    "fuzzy_token_threshold",
)
FIELDS = st.sampled_from((*BODY_FIELDS, "config", *CONFIG_FIELDS))
BODIES = ANY_JSON | st.dictionaries(FIELDS, ANY_JSON | st.dictionaries(FIELDS, ANY_JSON, max_size=3), max_size=4)
PATHS = st.sampled_from(
    ["observe", "observe-sequence", "config", "learn", "predictions", "stm", "clear-stm", "cognition-data", "extend"]
)


def ask(kato: Kato, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
    path, _, query = path.partition("?")
    return kato.handle(Request(method, path, query, {**JSON, **headers}, body))


def opened(kato: Kato, node: str = "n", **config: Any) -> str:
    body = json.dumps({"node_id": node, "config": config}).encode()
    return str(json.loads(ask(kato, "POST", "/sessions", body).body)["session_id"])


def observed(kato: Kato, session: str, events: Sequence[Sequence[str]]) -> None:
    body = json.dumps({"observations": [{"strings": list(event)} for event in events]}).encode()
    assert ask(kato, "POST", f"/sessions/{session}/observe-sequence", body).status == 200


def taught(kato: Kato, session: str, events: Sequence[Sequence[str]]) -> None:
    observed(kato, session, events)
    ask(kato, "POST", f"/sessions/{session}/learn")


def predicted(kato: Kato, session: str) -> list[dict[str, Any]]:
    answer = ask(kato, "GET", f"/sessions/{session}/predictions")
    assert answer.status == 200
    predictions: list[dict[str, Any]] = json.loads(answer.body)["predictions"]
    return predictions


@given(st.lists(st.tuples(st.sampled_from(["GET", "POST", "PUT", "HEAD"]), PATHS, BODIES | st.binary()), max_size=6))
def test_no_sequence_of_requests_raises(requests: list[tuple[str, str, Any]]) -> None:
    """Whatever is sent, there is an answer, and a JSON answer is JSON."""
    kato = new_kato(Clock())
    session = opened(kato)
    for method, what, body in requests:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = ask(kato, method, f"/sessions/{session}/{what}", raw)
        assert answer.status in (200, 400, 404, 405, 422, 500)
        if answer.headers["content-type"] == "application/json":
            json.loads(answer.body)


@given(st.text(), st.text(), st.text(max_size=8), BODIES, st.dictionaries(st.text(max_size=9), st.text(max_size=9)))
def test_no_path_query_or_header_raises(path: str, query: str, method: str, body: Any, headers: dict[str, str]) -> None:
    """Routing has an answer for everything."""
    kato = new_kato(Clock())
    for prefix in ("/", "/sessions/", "/symbols/", "/pattern/", "/metrics/"):
        answer = kato.handle(Request(method, prefix + path, query, headers, json.dumps(body).encode()))
        assert 200 <= answer.status <= 500


@pytest.mark.parametrize("depth", [100, 900, 1100, 50_000])
@pytest.mark.parametrize("what", ["observe", "config", "observe-sequence", "learn"])
def test_no_depth_of_nesting_raises(depth: int, what: str) -> None:
    """JSON nested beyond what a parser follows is refused like any broken body."""
    kato = new_kato(Clock())
    session = opened(kato)
    nest = "[" * depth + "]" * depth
    for body in (f'{{"strings":["a","b"],"metadata":{{"a":{nest}}}}}', f'{{"observations":[{{"metadata":{nest}}}]}}'):
        ask(kato, "POST", f"/sessions/{session}/observe", body.encode())
        assert ask(kato, "POST", f"/sessions/{session}/{what}", body.encode()).status in (200, 400, 422, 500)
    assert ask(kato, "POST", "/sessions", f'{{"node_id":{nest}}}'.encode()).status in (400, 422, 500)


@given(st.lists(st.tuples(st.sampled_from(KEYS), ANY_JSON), max_size=4), EVENTS, EVENTS)
def test_no_configuration_raises(config: list[tuple[str, Any]], known: Any, seen: Any) -> None:
    """What POST /config takes without looking may spoil predictions; it never goes unanswered."""
    kato = new_kato(Clock())
    session = opened(kato)
    taught(kato, opened(kato, process_predictions=False), known)
    ask(kato, "POST", f"/sessions/{session}/config", json.dumps(dict(config)).encode())
    body = json.dumps({"observations": [{"strings": event} for event in seen]}).encode()
    assert ask(kato, "POST", f"/sessions/{session}/observe-sequence", body).status in (200, 500)
    assert ask(kato, "GET", f"/sessions/{session}/predictions").status in (200, 500)


@given(BODIES)
def test_the_fast_way_reads_a_body_as_the_checked_one_does(body: Any) -> None:
    """What the fast decoder accepts, the general way accepts too, and both understand the same."""
    raw = json.dumps(body).encode()
    try:
        fast = decode_observation(raw)
    except ValueError:
        return
    errors: list[dict[str, Any]] = []
    checked = OBSERVE(json.loads(raw), (), errors)
    assert errors == []
    assert [fast.strings, fast.vectors, fast.emotives, fast.metadata] == list(checked.values())


@given(st.lists(SYMBOLS, max_size=4), st.booleans())
def test_the_fast_way_answers_as_the_general_one(strings: list[str], predicts: bool) -> None:
    """An Origin header sends the same body the general way: the same answer, the same memory."""
    fast, general = new_kato(Clock()), new_kato(Clock())
    body = json.dumps({"strings": strings}).encode()
    answers = []
    for kato, headers in ((fast, {}), (general, {"origin": "http://x"})):
        session = opened(kato, process_predictions=predicts, max_pattern_length=2)
        path = f"/sessions/{session}"
        told = [ask(kato, "POST", f"{path}/observe", body, **headers) for _ in range(3)]
        answers.append([(answer.status, answer.body, answer.committed) for answer in told])
        answers.append([ask(kato, "GET", f"{path}/stm").body])
    assert answers[:2] == answers[2:]


@given(EVENTS, st.data())
def test_a_prefix_of_what_was_learned_recalls_the_rest(events: list[list[str]], data: st.DataObject) -> None:
    """After two or more symbols of a learned sequence: no past, nothing missing, no extras, the rest as future."""
    kato = new_kato(Clock())
    taught(kato, opened(kato, process_predictions=False), events)
    seen = events[: data.draw(st.integers(1, len(events)))]
    if sum(map(len, seen)) < 2:
        return
    session = opened(kato, process_predictions=False)
    observed(kato, session, seen)
    [told] = predicted(kato, session)
    learned = [sorted(event) for event in events]
    assert told["present"] + told["future"] == told["sequence"] == learned
    assert told["past"] == []
    assert told["matches"] == [symbol for event in learned[: len(seen)] for symbol in event]
    assert [symbol for event in told["missing"] + told["extras"] for symbol in event] == []
    assert told["snr"] == 1.0


@given(st.lists(EVENTS, min_size=1, max_size=4), EVENTS)
def test_every_prediction_splits_its_pattern_and_keeps_its_measures_in_range(known: Any, seen: Any) -> None:
    """past + present + future is the pattern; similarity, evidence and posterior lie in 0 to 1; ranks fall."""
    kato = new_kato(Clock())
    for events in known:
        taught(kato, opened(kato, process_predictions=False), events)
    session = opened(kato, process_predictions=False)
    observed(kato, session, seen)
    if sum(map(len, seen)) < 2:
        return
    predictions = predicted(kato, session)
    assert [told["potential"] for told in predictions] == sorted((t["potential"] for t in predictions), reverse=True)
    for told in predictions:
        assert told["past"] + told["present"] + told["future"] == told["sequence"]
        assert len(told["extras"]) == len(seen)
        assert len(told["missing"]) == len(told["present"])
        assert all(0.0 <= told[name] <= 1.0 for name in ("similarity", "evidence", "bayesian_posterior"))
    assert sum(told["bayesian_posterior"] for told in predictions) == pytest.approx(1.0 if predictions else 0.0)


@given(st.lists(EVENTS, min_size=1, max_size=4), EVENTS)
def test_what_was_predicted_later_equals_what_was_predicted_at_once(known: Any, seen: Any) -> None:
    """The last observation's predictions don't change when the node learns before somebody reads them."""
    at_once, later = new_kato(Clock()), new_kato(Clock())
    told = []
    for kato in (at_once, later):
        for events in known:
            taught(kato, opened(kato, process_predictions=False), events)
        session = opened(kato)
        plain = [[symbol for symbol in event if symbol != "it's"] or ["a"] for event in seen]
        observed(kato, session, plain)
        path = f"/sessions/{session}/cognition-data"
        first = ask(kato, "GET", path).body if kato is at_once else b""
        taught(kato, opened(kato, process_predictions=False), [["a", "b"], ["c"]])
        told.append(first or ask(kato, "GET", path).body)
    assert json.loads(told[0]) == json.loads(told[1])


def test_prediction_looks_only_at_patterns_that_share_a_symbol() -> None:
    """Ten thousand patterns beside it cost a prediction nothing: the index names the few that can match."""
    knowledge = Knowledge()
    for number in range(10_000):
        pattern, _ = knowledge.claim([(f"x{number}",), (f"y{number}",)])
        knowledge.write(pattern)
    pattern, _ = knowledge.claim([("a",), ("b",)])
    knowledge.write(pattern)
    assert knowledge.sharing(["a", "q"]) == [pattern]
    assert knowledge.starting_with("a") == [pattern]


@given(st.text("abc", max_size=12), st.text("abc", max_size=12))
def test_the_common_subsequence_has_the_length_that_the_textbook_gives(left: str, right: str) -> None:
    """Bit-parallel rows equal the table of Wagner and Fischer."""
    table = [[0] * (len(right) + 1) for _ in range(len(left) + 1)]
    for i, a in enumerate(left, 1):
        for j, b in enumerate(right, 1):
            table[i][j] = table[i - 1][j - 1] + 1 if a == b else max(table[i - 1][j], table[i][j - 1])
    assert Subsequences(left).common(right) == table[-1][-1]


FLOATS = st.floats(-2e9, 2e9) | st.floats() | st.floats(-1, 1).map(lambda value: round(value, 3))


@given(st.lists(FLOATS, max_size=30))
def test_vectors_are_written_as_numpy_writes_them(values: list[float]) -> None:
    """The text whose hash names a vector is numpy's."""
    assert array_text(values) == str(np.array(values, dtype=float))


def test_long_vectors_are_cut_short_as_numpy_does() -> None:
    """Above 1000 elements only the edges count."""
    values = [at / 7 for at in range(1500)]
    assert array_text(values) == str(np.array(values))
    assert array_text(values[:1000]) == str(np.array(values[:1000]))


@given(st.lists(st.lists(st.integers(-9, 9).map(float), min_size=1, max_size=3), min_size=1, max_size=3))
def test_vectors_of_one_observation_are_added_as_numpy_adds_them(vectors: list[list[float]]) -> None:
    """A vector of length 1 is added to each element; other lengths don't mix."""
    try:
        expected = list(sum(map(np.array, vectors[1:]), np.array(vectors[0])))
    except ValueError:
        expected = None
    try:
        assert summed(vectors) == expected
    except Exception as error:  # noqa: BLE001 - KATO's crash is the answer to what numpy refuses
        assert (type(error).__name__, expected) == ("CrashError", None)


SCHEMA = schemathesis.openapi.from_dict(
    json.loads((files("harness") / "contracts" / "3.10" / "openapi.json").read_text())
)
OPERATIONS = [operation.ok() for operation in SCHEMA.get_all_operations()]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_requests_of_the_schema_are_answered_by_the_schema(operation: Any) -> None:
    """Every generated request gets a status of KATO's contract, and a 200 has the fields that the schema promises."""

    @given(operation.as_strategy())
    @settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
    def check(case: Any) -> None:
        kato = new_kato(Clock())
        session = opened(kato)
        path = case.path
        for name, value in (case.path_parameters or {}).items():
            path = path.replace(f"{{{name}}}", session if name == "session_id" else str(value).replace("/", "_"))
        body = json.dumps(case.body).encode() if isinstance(case.body, (dict, list)) else b""
        query = "&".join(f"{name}={value}" for name, value in (case.query or {}).items())
        answer = ask(kato, case.method, f"{path}?{query}", body)
        assert answer.status in (200, 400, 404, 422, 500)
        if answer.status == 200:
            promised = operation.definition.raw["responses"]["200"]["content"]["application/json"]["schema"]
            model = SCHEMA.raw_schema["components"]["schemas"].get(promised.get("$ref", "").rpartition("/")[2], {})
            assert set(model.get("required", ())) <= json.loads(answer.body).keys() <= model["properties"].keys()

    check()
