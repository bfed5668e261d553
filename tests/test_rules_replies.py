"""Fault rules of the witness: what the client gets of each kind, and what KATO committed."""

from __future__ import annotations

import json
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
from witness_rig import Client, Rig


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


@pytest.mark.parametrize(
    ("kind", "params", "status", "ended", "committed", "whole"),
    [
        ("status", {"status": 502}, 502, "", False, True),
        ("commit_then_status", {"status": 500}, 500, "", True, True),
        ("commit_then_drop", {}, 0, "close", True, False),
        ("commit_then_drop", {"how": "reset"}, 0, "reset", True, False),
        ("drop_before_commit", {}, 0, "close", False, False),
        ("drop_before_commit", {"how": "reset"}, 0, "reset", False, False),
        ("truncate", {"after": 3}, 200, "close", True, False),
        ("malformed", {}, 200, "", True, True),
        ("empty_body", {}, 200, "", True, True),
        ("wrong_content_type", {}, 200, "", True, True),
        ("huge_body", {"bytes": 200_000}, 200, "", True, True),
    ],
)
def test_each_kind_ends_a_request_in_its_own_way(
    rig: Rig, kind: str, params: dict[str, Any], status: int, ended: str, committed: bool, whole: bool
) -> None:
    """What goes out, whether KATO committed, and whether the reply counts as one."""
    rig.rule(kind, **params)
    client = rig.client()
    client.observe()
    (row,) = rig.arrivals()
    assert (row["status"], row["fault"]) == (status, "rule")
    assert client.wire.ended == ended
    assert bool(row["commit_seq"]) == committed == bool(rig.kato.observed["s1"])
    assert bool(row["reply_ns"]) == whole


def reply_to(rig: Rig, kind: str, **params: Any) -> tuple[dict[str, str], bytes]:
    """Headers and body of the reply to one observe under one rule."""
    rig.rule(kind, **params)
    client: Client = rig.client()
    client.observe()
    head, _, body = client.taken().partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")[1:]
    return {name: value for name, _, value in (line.partition(": ") for line in lines)}, body


def test_a_malformed_body_is_whole_http_and_broken_json(rig: Rig) -> None:
    """Its length is as announced."""
    headers, body = reply_to(rig, "malformed")
    assert int(headers["content-length"]) == len(body) > 0
    with pytest.raises(ValueError):
        json.loads(body)


def test_an_empty_body_is_announced_as_empty(rig: Rig) -> None:
    """Content-Length 0 under the content type of JSON."""
    headers, body = reply_to(rig, "empty_body")
    assert (headers["content-length"], headers["content-type"], body) == ("0", "application/json", b"")


def test_a_wrong_content_type_is_a_page_under_200(rig: Rig) -> None:
    """As a captive portal or a gateway's welcome page answers."""
    headers, body = reply_to(rig, "wrong_content_type")
    assert headers["content-type"].startswith("text/html")
    assert body.startswith(b"<html>")


def test_a_huge_body_is_the_real_one_with_white_space(rig: Rig) -> None:
    """Valid JSON of so many bytes."""
    headers, body = reply_to(rig, "huge_body", bytes=300_000)
    assert int(headers["content-length"]) == len(body) == 300_000
    assert json.loads(body)["status"] == "okay"


def test_a_huge_body_goes_out_no_faster_than_it_is_read(rig: Rig) -> None:
    """A peer that stopped reading stops the writing."""
    rig.rule("huge_body", bytes=1_000_000)
    client = rig.client()
    client.connection.writable(False)
    client.observe()
    assert client.wire.sent == b""
    client.connection.writable(True)
    assert len(client.wire.sent) > 1_000_000
    assert len(rig.arrivals()) == 1


def test_a_truncated_body_announces_the_whole(rig: Rig) -> None:
    """Three bytes come of those announced."""
    headers, body = reply_to(rig, "truncate", after=3)
    assert len(body) == 3 < int(headers["content-length"])


def test_a_drip_sends_the_headers_and_then_piece_by_piece(rig: Rig) -> None:
    """As many pieces as `total`, the last with all that is left, and nothing is lost or added but white space."""
    rig.rule("drip", bytes=2, every=0.5, total=4)
    client = rig.client()
    client.observe()
    head, _, body = client.taken().partition(b"\r\n\r\n")
    pieces = [body]
    for _ in range(3):
        rig.timers.advance(0.5)
        pieces.append(client.taken())
    assert [len(piece) for piece in pieces[:3]] == [2, 2, 2]
    assert json.loads(b"".join(pieces))["status"] == "okay"
    assert f"content-length: {sum(map(len, pieces))}".encode() in head
    (row,) = rig.arrivals()
    assert row["reply_ns"] - row["arrive_ns"] == 1_500_000_000


def test_a_short_body_is_padded_for_the_drip(rig: Rig) -> None:
    """With white space, up to `total` pieces."""
    _, first = reply_to(rig, "drip", bytes=50, every=0.1, total=3)
    assert len(first) == 50
    rig.timers.advance(1)
    assert len(rig.arrivals()) == 1


def test_a_client_that_leaves_ends_the_drip(rig: Rig) -> None:
    """The reply was begun and never whole."""
    rig.rule("drip", every=1.0)
    client = rig.client()
    client.observe()
    rig.timers.advance(2)
    client.connection.lost()
    (row,) = rig.arrivals()
    assert (row["status"], row["reply_ns"]) == (200, 0)
    assert row["disconnect_ns"] == rig.timers.now_ns()


@pytest.mark.parametrize(
    ("status", "path", "content"),
    [
        (500, "/sessions/s1/observe", b"Internal Server Error"),
        (503, "/sessions/s1/observe", b"Service Unavailable"),
        (404, "/sessions/s1/observe", b'"code":"SESSION_NOT_FOUND"'),
        (404, "/nothing", b'{"detail":"Not Found"}'),
        (422, "/sessions", b'{"detail":[{'),
        (429, "/sessions", b'{"detail":"Too Many Requests"}'),
    ],
)
def test_a_status_is_worded_as_kato_words_it(rig: Rig, status: int, path: str, content: bytes) -> None:
    """Section 3 of the contract."""
    rig.rule("status", status=status)
    client = rig.client()
    client.post(path)
    assert content in client.taken()


@pytest.mark.parametrize(("body", "content"), [("none", b""), ("out to lunch", b"out to lunch")])
def test_a_status_may_have_no_body_or_another(rig: Rig, body: str, content: bytes) -> None:
    """`none` sends none, any other text is sent as it is."""
    headers, got = reply_to(rig, "status", status=503, body=body)
    assert (got, headers["content-length"]) == (content, str(len(content)))


def test_retry_after_is_whole_seconds_or_a_date(rig: Rig) -> None:
    """RFC 9110, 10.2.3; fractions are rounded up, for a client must not come too early."""
    assert reply_to(rig, "status", retry_after=1.2)[0]["retry-after"] == "2"
    rig.witness.rules.remove("rule")
    dated = reply_to(rig, "status", retry_after={"date": 30.0})[0]
    ahead = parsedate_to_datetime(dated["retry-after"]) - parsedate_to_datetime(dated["date"])
    assert 29 <= ahead.total_seconds() <= 31
