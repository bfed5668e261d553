"""Conformance: what counts as the recorded answer, over the wire and without it."""

from __future__ import annotations

import copy
import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kato_direct import Clock, new_kato, sender
from raw_server import RawServer

from harness import contracts
from harness.cli import main
from harness.conform import Case, ConformReport, conform, load_cases, replay
from harness.conform.compare import differences
from harness.conform.contract import Expected, shipped
from harness.conform.exchanges import askable, load_exchanges
from harness.conform.record import recorded
from harness.conform.replay import Reply
from harness.conform.report import LeftOut, Row
from harness.conform.wire import sender as over_the_wire
from harness.errors import PartMissing, UsageError
from harness.twin.serve import serve_in_thread

JSON = {"content-type": "application/json"}


def unlike(expected: Any, got: Any, path: str = "/sessions/s/predictions") -> list[str]:
    return differences(path, Expected(200, "application/json", expected), 200, JSON, got)


def prediction(name: str, potential: float) -> dict[str, Any]:
    return {"name": name, "potential": potential}


def test_a_value_that_the_request_decides_must_be_equal() -> None:
    """Lengths, times, names, lists and error texts are compared as they are."""
    recorded_body = {"stm": [["a"], ["b"]], "length": 2, "detail": "no"}
    assert unlike(recorded_body, copy.deepcopy(recorded_body)) == []
    for changed in ({"stm": [["a"], ["c"]]}, {"stm": [["a"]]}, {"length": 3}, {"length": "2"}, {"detail": None}):
        assert unlike(recorded_body, {**recorded_body, **changed}) != []


def test_keys_may_neither_be_missing_nor_added() -> None:
    """The body's keys are those of the recording."""
    assert unlike({"a": 1}, {}) == ["body lacks a"]
    assert unlike({}, {"a": 1}) == ["body has a besides"]


def test_floats_may_differ_by_a_millionth() -> None:
    """similarity and its kin are equal to 1e-6."""
    assert unlike({"similarity": 2 / 3}, {"similarity": 2 / 3 + 1e-8}) == []
    assert unlike({"similarity": 2 / 3}, {"similarity": 2 / 3 + 1e-4}) != []


def test_an_integer_beyond_every_float_is_a_value_like_others() -> None:
    """KATO sends them back as they came."""
    assert unlike({"metadata": {"k": 10**400}}, {"metadata": {"k": 10**400}}) == []
    assert unlike({"metadata": {"k": 10**400}}, {"metadata": {"k": 0.5}}) != []


def test_made_up_values_need_only_be_of_the_same_kind() -> None:
    """Identifiers and times are the server's own; an identifier that the client gave is not."""
    expected = {"unique_id": "obs-" + "0" * 32, "created_at": "2026-11-23T20:03:01.480599Z", "uptime_seconds": 1.5}
    assert unlike(expected, {"unique_id": "obs-" + "f" * 32, "created_at": "2027", "uptime_seconds": 3}) == []
    assert unlike(expected, {**expected, "unique_id": "obs-1"}) != []
    assert unlike(expected, {**expected, "uptime_seconds": "long"}) != []
    opened = {"session_id": f"session-{0:032x}-1795"}
    assert unlike(opened, {"session_id": f"session-{7:032x}-12"}, "/sessions") == []
    assert unlike(opened, {"session_id": f"session-{7:032x}-12"}, "/sessions/x/stm") != []
    assert unlike({"unique_id": "mine"}, {"unique_id": "yours"}) != []


def test_predictions_of_equal_rank_may_come_in_any_order_and_others_not() -> None:
    """KATO takes equally ranked predictions from a set."""
    recorded_body = {"predictions": [prediction("a", 2.0), prediction("b", 1.0), prediction("c", 1.0)]}
    swapped = {"predictions": [prediction("a", 2.0), prediction("c", 1.0), prediction("b", 1.0)]}
    mixed = {"predictions": [prediction("b", 1.0), prediction("a", 2.0), prediction("c", 1.0)]}
    assert unlike(recorded_body, swapped) == []
    assert unlike(recorded_body, mixed) != []


def test_monitoring_is_compared_by_kind() -> None:
    """Figures of the host and of other traffic decide nothing; their keys and kinds do."""
    assert unlike({"status": "healthy", "active": 3}, {"status": "degraded", "active": 9}, "/health") == []
    assert unlike({"status": "healthy", "active": 3}, {"status": "healthy", "active": "9"}, "/health") != []


def test_status_content_type_and_named_headers_count() -> None:
    """A right body with a wrong frame does not conform."""
    expected = Expected(405, "application/json", {}, {"allow": "POST"})
    assert differences("/sessions", expected, 405, {**JSON, "allow": "POST"}, {}) == []
    assert differences("/sessions", expected, 404, {**JSON, "allow": "POST"}, {}) == ["status 404, not 405"]
    assert differences("/sessions", expected, 405, {"content-type": "text/plain"}, {}) != []


values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("xyz", max_size=2), inner, max_size=3),
    max_leaves=8,
)


@given(values)
def test_every_body_conforms_to_itself(body: Any) -> None:
    """Comparison is reflexive, by value and by kind."""
    assert unlike(body, copy.deepcopy(body)) == []
    assert unlike(body, copy.deepcopy(body), "/metrics") == []


@given(values, values)
def test_bodies_that_differ_do_not_conform(expected: Any, got: Any) -> None:
    """Where nothing is free, a difference is a finding."""
    assert bool(unlike(expected, got)) == (json.dumps(expected, sort_keys=True) != json.dumps(got, sort_keys=True))


def test_recording_the_cases_from_a_conforming_server_gives_cases_that_it_passes() -> None:
    """What is recorded from the engine is answered alike by another engine, and equals the shipped cases."""
    clock = Clock()
    cases = [case for case in load_cases() if all(step.save for step in case.steps if step.path == "/sessions")]
    records = recorded(cases, sender(new_kato(clock)), clock.sleep)
    assert [record["case"] for record in records] == [case.name for case in cases]
    text = json.dumps(records)
    assert "${A}" in text
    assert "session-0" not in text


def test_recorded_cases_are_read_back(tmp_path: Path) -> None:
    """A file of recorded cases is a case file."""
    clock = Clock()
    path = tmp_path / "new.jsonl"
    records = recorded(load_cases()[:4], sender(new_kato(clock)), clock.sleep)
    path.write_text("\n".join(map(json.dumps, records)))
    assert all(row.passed for row in replay(load_cases(path), sender(new_kato(clock)), clock.sleep))


@pytest.mark.parametrize("text", ["{", "[]", '{"case": "x"}', '{"case": "x", "steps": [{"method": "GET"}]}', "null"])
def test_a_line_that_is_no_case_is_named(tmp_path: Path, text: str) -> None:
    """A bad case file is refused with file and line."""
    path = tmp_path / "bad.jsonl"
    path.write_text('{"case": "ok", "steps": []}\n' + text)
    with pytest.raises(UsageError, match=r"bad\.jsonl:2: no case"):
        load_cases(path)


def test_a_missing_case_file_is_refused(tmp_path: Path) -> None:
    """A file that isn't there is a wrong argument."""
    with pytest.raises(UsageError, match="No such file"):
        load_cases(tmp_path / "none.jsonl")


@pytest.mark.parametrize("url", ["127.0.0.1:1", "ftp://x", ""])
def test_what_is_no_url_is_refused(url: str) -> None:
    """conform needs the URL of a server."""
    with pytest.raises(UsageError, match="URL"):
        conform(url)


def test_a_server_that_is_not_there_is_a_missing_part() -> None:
    """Nobody listening is no verdict about KATO."""
    with pytest.raises(PartMissing, match="nobody listens"):
        conform("http://127.0.0.1:9")


def test_the_report_shows_what_differs_and_what_was_left_out() -> None:
    """Text and JSON carry endpoint, case, expected, got; a run without rows passes nothing."""
    rows = (
        Row("GET /sessions/{id}/stm", "good", 1, "200 {}", "200 {}"),
        Row("POST /sessions", "bad", 2, "200 {}", "500 x", ("status 500, not 200",)),
    )
    report = ConformReport("http://x", rows, (LeftOut("WS /ws/events", "a WebSocket"),))
    text = report.render()
    for words in (
        "POST /sessions",
        "bad #2",
        "✗ 500 x",
        "status 500, not 200",
        "left out (1): WS /ws/events",
        "1 of 2 cases",
    ):
        assert words in text
    assert not report.passed
    assert report.as_json()["rows"][1]["differences"] == ("status 500, not 200",)
    assert not ConformReport("http://x", ()).passed


def test_every_exchange_is_either_asked_or_left_out_with_a_reason() -> None:
    """None of the recorded exchanges is skipped silently."""
    exchanges = load_exchanges()
    kept, left_out = askable(exchanges)
    assert len(kept) + len(left_out) == len(exchanges) == 487
    assert all(item.reason for item in left_out)


class Wrong:
    """An engine whose answers to one path are changed on their way."""

    def __init__(self, ending: str, change: tuple[bytes, bytes]) -> None:
        self._send = sender(new_kato(Clock()))
        self._ending = ending
        self._change = change

    def __call__(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        status, answered, raw = self._send(method, path, headers, body)
        return status, answered, raw.replace(*self._change) if path.endswith(self._ending) else raw


@pytest.mark.parametrize(
    ("ending", "change"),
    [
        ("/predictions", (b'"frequency":1', b'"frequency":2')),
        ("/predictions", (b'"future":[', b'"future":[["x"],')),
        ("/learn", (b"PTRN|", b"PTRN")),
        ("/observe", (b'"auto_learned_pattern":null', b'"auto_learned_pattern":""')),
        ("/stm", (b'"length":', b'"size":')),
        ("/sessions", (b'"recall_threshold":0.1', b'"recall_threshold":0.2')),
    ],
)
def test_cases_notice_a_server_that_answers_otherwise(ending: str, change: tuple[bytes, bytes]) -> None:
    """Each of these mutants of KATO fails at least one case."""
    cases: list[Case] = [case for case in load_cases() if case.name != "expiry"]
    rows = list(replay(cases, Wrong(ending, change), Clock().sleep))
    assert any(not row.passed for row in rows)


@pytest.mark.sockets
def test_the_twin_conforms_over_the_wire() -> None:
    """All shipped cases and exchanges, against a served twin, by URL."""
    with serve_in_thread() as twin:
        report = conform(twin.url)
    assert [(row.case, row.step, row.differences) for row in report.rows if not row.passed] == []
    assert len({row.case for row in report.rows}) > 100
    assert report.passed


@pytest.mark.sockets
def test_requests_keep_a_connection_until_a_500() -> None:
    """With it stays the worker of a KATO that has several; after a 500 KATO closes it without saying so."""
    statuses = iter([200, 500, 200, 200])

    def answer(client: socket.socket) -> None:
        while client.recv(65536) and (status := next(statuses, None)):
            client.sendall(b"HTTP/1.1 %d X\r\ncontent-length: 0\r\n\r\n" % status)

    with RawServer(answer) as server, over_the_wire(server.url) as send:
        found = [(send("GET", "/", {}, b"")[0], server.accepted) for _ in range(4)]
    assert found == [(200, 1), (500, 1), (200, 2), (200, 2)]


def test_the_command_line_records_and_then_replays_its_own_recording(tmp_path: Path) -> None:
    """`conform --record URL --out FILE` writes cases that the same server passes (a new release is absorbed so)."""
    few = tmp_path / "few.jsonl"
    few.write_text("".join(json.dumps(case) + "\n" for case in shipped("cases.jsonl")[:2]))
    recording = tmp_path / "recorded.jsonl"
    with serve_in_thread() as served:
        url = served.url
        assert cli("conform", url, "--record", "--cases", str(few), "--out", str(recording)) == 0
        assert cli("conform", url, "--cases", str(recording)) == 0
        assert cli("conform", url, "--out", str(recording)) == UsageError.exit_code


def cli(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return int(ended.value.code or 0)


def test_contract_data_lies_under_its_release() -> None:
    """Each release says which version was recorded; the twin tells that version of itself."""
    assert contracts.LATEST in contracts.releases()
    for release in contracts.releases():
        assert contracts.version(release).startswith(release + ".")
        assert load_cases(release=release)
        send = sender(new_kato(release=release))
        assert json.loads(send("GET", "/", {}, b"")[2])["version"] == contracts.version(release)
    assert contracts.data("no such file") == b""
