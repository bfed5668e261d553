"""The witness: every request that arrives is answered in order and written down with what became of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from witness_rig import MS, Rig, request_bytes

from harness.data import fingerprint
from harness.model import OPERATIONS
from harness.twin.http import MAX_BODY_BYTES, MAX_HEAD_BYTES
from harness.twin.profiles import custom_profile

SLOW = custom_profile({"service": "20ms"})


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


@pytest.fixture
def slow(tmp_path: Path) -> Rig:
    """A KATO that takes 20 ms for each request."""
    return Rig(tmp_path, SLOW)


def test_an_arrival_carries_who_what_and_when(rig: Rig) -> None:
    """Call and attempt come from the header, the payload's fingerprint from the body, the rest from the request."""
    rig.client().observe(body=b'{"strings":["a"]}', x_kato_attempt="41.2", x_user_id="ana", authorization="secret")
    (row,) = rig.arrivals()
    assert (row["call"], row["attempt"], row["session"], row["node_id"]) == (41, 2, "s1", "node-s1")
    assert (OPERATIONS[row["op"]], row["status"], row["payload"]) == ("observe", 200, fingerprint({"strings": ["a"]}))
    assert row["headers"] == "x-user-id: ana"
    assert row["arrive_ns"] == row["reply_ns"] == rig.timers.now_ns()
    assert row["disconnect_ns"] == 0


@pytest.mark.parametrize("header", ["", "x", "1", "1.", ".1", "-1.1", "1.1.1", "9" * 30 + ".1", "²³.1"])
def test_a_foreign_attempt_header_belongs_to_no_call(rig: Rig, header: str) -> None:
    """Whatever a client writes there, an arrival that isn't ours has call 0."""
    rig.client().observe(x_kato_attempt=header)
    assert rig.arrivals()[0]["call"] == 0


def test_commits_are_numbered_in_the_order_of_the_commits(slow: Rig) -> None:
    """1, 2, 3, … without gaps over all connections; what commits nothing has 0."""
    for path in ("s1/observe", "nobody/observe", "s1/observe"):
        slow.client().post(f"/sessions/{path}")
        slow.timers.advance(0.001)
    slow.timers.advance(0.1)
    assert [row["commit_seq"] for row in slow.arrivals()] == [2, 0, 3]


def test_pipelined_requests_are_answered_in_order(slow: Rig) -> None:
    """The second waits for the first, and reading stops until then, so that nothing piles up."""
    client = slow.client()
    client.connection.receive(request_bytes("POST", "/nothing") + request_bytes("POST", "/sessions/s1/observe"))
    assert not client.wire.reading
    slow.timers.advance(0.030)
    assert client.statuses() == [404]
    slow.timers.advance(0.030)
    assert client.statuses() == [200]
    assert client.wire.reading


def test_thousands_of_pipelined_requests_need_no_stack(rig: Rig) -> None:
    """Each is answered and recorded."""
    client = rig.client()
    client.connection.receive(request_bytes("POST", "/sessions/s1/observe") * 3000)
    assert len(client.statuses()) == len(rig.arrivals()) == 3000


def test_work_that_its_client_gave_up_is_still_committed(slow: Rig) -> None:
    """As in KATO; the arrival says when the client went away and that no reply went out."""
    client = slow.client()
    client.observe()
    slow.timers.advance(0.005)
    gone_ns = slow.timers.now_ns()
    client.connection.lost()
    slow.timers.advance(0.050)
    (row,) = slow.arrivals()
    assert (row["disconnect_ns"], row["reply_ns"], row["status"], row["commit_seq"]) == (gone_ns, 0, 0, 2)


def test_a_paused_kato_accepts_and_does_nothing_until_resumed(rig: Rig) -> None:
    """What waited is then handled in order of arrival, and its arrival time is the true one."""
    first, second = rig.client(), rig.client()
    rig.witness.pause()
    arrived_ns = rig.timers.now_ns()
    first.observe(body=b"1")
    second.observe(body=b"2")
    rig.timers.advance(5)
    assert first.taken() == second.taken() == b""
    assert rig.kato.observed["s1"] == []
    rig.witness.resume()
    assert rig.kato.observed["s1"] == [b"1", b"2"]
    assert [row["arrive_ns"] for row in rig.arrivals()] == [arrived_ns] * 2
    assert [row["reply_ns"] - row["arrive_ns"] for row in rig.arrivals()] == [5000 * MS] * 2


def test_kill_resets_connections_and_drops_what_was_not_committed(slow: Rig) -> None:
    """Sessions and earlier commits live on; dropped work is on record without commit and without reply."""
    client = slow.client()
    client.observe(body=b"kept")
    slow.timers.advance(0.030)
    client.observe(body=b"lost")
    slow.witness.kill()
    slow.timers.advance(1)
    assert client.wire.ended == "reset"
    assert slow.kato.observed["s1"] == [b"kept"]
    kept, lost = slow.arrivals()
    assert kept["commit_seq"] == 2
    assert (lost["commit_seq"], lost["reply_ns"], lost["status"], lost["disconnect_ns"]) == (0, 0, 0, 0)


def test_kill_while_paused_drops_what_waited_at_the_gate(rig: Rig) -> None:
    """Nothing of it is handled after a restart and a resume."""
    client = rig.client()
    rig.witness.pause()
    client.observe()
    rig.witness.kill()
    rig.witness.resume()
    assert rig.kato.observed["s1"] == []
    assert len(rig.arrivals()) == 1


def test_what_its_client_gave_up_is_on_record_after_a_kill_too(slow: Rig) -> None:
    """At the gate and in the queue, each once."""
    queued, gated = slow.client(), slow.client()
    queued.observe()
    queued.connection.lost()
    slow.witness.pause()
    gated.observe()
    gated.connection.lost()
    slow.witness.kill()
    slow.timers.advance(1)
    assert [row["disconnect_ns"] > 0 for row in slow.arrivals()] == [True, True]


@pytest.mark.parametrize("given", [None, "mine"])
def test_a_reply_carries_the_trace_id_of_the_request_or_a_new_one(rig: Rig, given: str | None) -> None:
    """As KATO's middleware does."""
    client = rig.client()
    ids = []
    for _ in range(2):
        client.observe(**({"x_trace_id": given} if given else {}))
        head = client.taken().decode()
        ids.append(head.partition("x-trace-id: ")[2].partition("\r\n")[0])
    if given:
        assert ids == [given, given]
    else:
        assert all(len(one) == len("kato-") + 32 and one.startswith("kato-") for one in ids)
        assert ids[0] != ids[1]


def test_a_canary_never_reaches_kato_nor_the_record(rig: Rig) -> None:
    """It is answered with as many bytes of JSON as it asks for."""
    client = rig.client()
    client.get("/?bytes=12", x_kato_canary="probe")
    assert client.taken().endswith(b"\r\n\r\n{" + b" " * 10 + b"}")
    assert rig.arrivals() == []


def test_a_canary_waits_at_the_gate_like_anybody(rig: Rig) -> None:
    """A pause is proved by its silence."""
    client = rig.client()
    rig.witness.pause()
    client.get("/", x_kato_canary="probe")
    assert client.taken() == b""
    rig.witness.resume()
    assert client.statuses() == [200]


@pytest.mark.parametrize(
    ("head", "ended"),
    [
        ("POST /sessions/s1/observe HTTP/1.1\r\nconnection: close\r\n\r\n", "close"),
        ("POST /sessions/s1/observe HTTP/1.0\r\n\r\n", "close"),
        ("POST /sessions/s1/observe HTTP/1.0\r\nconnection: keep-alive\r\n\r\n", "close"),
        ("POST /sessions/s1/observe HTTP/1.1\r\nconnection: Close\r\n\r\n", ""),
        ("POST /sessions/s1/observe HTTP/1.1\r\n\r\n", ""),
    ],
)
def test_connections_live_as_long_as_uvicorn_lets_them(rig: Rig, head: str, ended: str) -> None:
    """HTTP/1.1 stays open unless `close` asks for the end in these letters, HTTP/1.0 never does."""
    client = rig.client()
    client.connection.receive(head.encode())
    assert client.statuses() == [200]
    assert client.wire.ended == ended


def test_a_chunked_body_is_one_body(rig: Rig) -> None:
    """Also with Expect: 100-continue, which is answered first."""
    client = rig.client()
    client.connection.receive(
        b"POST /sessions/s1/observe HTTP/1.1\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"
    )
    assert client.taken() == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.connection.receive(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
    assert rig.kato.observed["s1"] == [b"abcde"]


def test_a_reply_to_head_has_no_body(rig: Rig) -> None:
    """Its Content-Length is that of the body left out."""
    client = rig.client()
    client.connection.receive(request_bytes("HEAD", "/health"))
    reply = client.taken()
    assert reply.endswith(b"\r\n\r\n")
    assert b"content-length: 22" in reply


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"GET / HTTP/1.1\r\nbad header\r\n\r\n", 400),
        (b"CONNECT x:80 HTTP/1.1\r\nhost: x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\ncontent-length: -4\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n", 400),
        (b"GET /" + b"a" * (MAX_HEAD_BYTES + 1), 431),
        (b"GET / HTTP/1.1\r\nx: " + b"a" * (MAX_HEAD_BYTES + 1), 431),
        (f"POST / HTTP/1.1\r\ncontent-length: {MAX_BODY_BYTES + 1}\r\n\r\n".encode(), 413),
    ],
    ids=["tls", "header", "tunnel", "length", "smuggling", "long target", "long header", "long body"],
)
def test_broken_requests_are_refused_and_the_connection_closed(rig: Rig, data: bytes, status: int) -> None:
    """No request reached KATO, so none is on record; what follows on that connection is ignored."""
    client = rig.client()
    client.connection.receive(data)
    client.connection.receive(request_bytes("POST", "/sessions/s1/observe"))
    assert client.statuses() == [status]
    assert client.wire.ended == "close"
    assert rig.arrivals() == []


def test_requests_before_the_broken_one_are_answered(rig: Rig) -> None:
    """First the reply to the whole request, then the refusal."""
    client = rig.client()
    client.connection.receive(request_bytes("POST", "/sessions/s1/observe") + b"\x00\x00\r\n\r\n")
    assert client.statuses() == [200, 400]


def test_unfinished_bodies_give_their_memory_back(rig: Rig) -> None:
    """The budget over all connections is at zero when they are gone."""
    client = rig.client()
    client.connection.receive(b"POST / HTTP/1.1\r\ncontent-length: 100000\r\n\r\n" + b"x" * 5000)
    assert rig.witness.budget.held == 5000
    client.connection.lost()
    assert rig.witness.budget.held == 0


def test_a_request_to_another_protocol_ends_the_connection(rig: Rig) -> None:
    """The request is answered as plain HTTP; what follows it can't be read."""
    client = rig.client()
    client.get("/ws/events", connection="upgrade", upgrade="websocket")
    assert client.statuses() == [404]
    assert client.wire.ended == "close"


def test_a_protocol_that_kato_does_not_speak_is_passed_over(rig: Rig) -> None:
    """The answer is HTTP/1.1's, the body behind the head is lost, and the connection goes on: Java's client asks so."""
    client = rig.client()
    client.connection.receive(
        b"POST /sessions/s1/observe HTTP/1.1\r\nupgrade: h2c\r\nconnection: Upgrade, HTTP2-Settings\r\n"
        b"content-length: 2\r\n\r\n{}"
    )
    assert client.statuses() == [200]
    client.observe()
    assert (client.statuses(), client.wire.ended) == ([200], "")
    assert [arrival["payload"] for arrival in rig.arrivals()] == [0, fingerprint({})]


def test_an_idle_connection_is_closed_after_the_keep_alive_time(tmp_path: Path) -> None:
    """Counted from the last reply; a connection without any request, or with one in progress, stays."""
    rig = Rig(tmp_path, custom_profile({"keep_alive": "5s"}))
    idle, fresh = rig.client(), rig.client()
    idle.observe()
    rig.timers.advance(4)
    idle.observe()
    rig.timers.advance(4.9)
    assert idle.wire.ended == ""
    rig.timers.advance(0.2)
    assert (idle.wire.ended, fresh.wire.ended) == ("close", "")


def test_in_a_black_hole_nobody_hears_that_kato_closes(tmp_path: Path) -> None:
    """An idle connection stays while `keeps_idle` holds, and for one keep-alive time after it."""
    rig = Rig(tmp_path, custom_profile({"keep_alive": "5s"}))
    idle = rig.client()
    idle.observe()
    rig.witness.keeps_idle = True
    rig.timers.advance(20)
    assert idle.wire.ended == ""
    rig.witness.keeps_idle = False
    rig.timers.advance(5)
    assert idle.wire.ended == "close"


@given(st.lists(st.integers(1, 300), max_size=8))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_requests_do_not_depend_on_how_their_bytes_were_cut(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int]
) -> None:
    """Any split of the same bytes gives the same requests and the same replies."""
    rig = Rig(tmp_path_factory.mktemp("cuts"))
    data = request_bytes("POST", "/sessions/s1/observe?a=%20b", b'{"strings":["x"]}', x_kato_attempt="3.1") * 2
    client, at = rig.client(), 0
    for cut in cuts:
        client.connection.receive(data[at : at + cut])
        at += cut
    client.connection.receive(data[at:])
    assert client.statuses() == [200, 200]
    assert [(row["call"], row["session"], row["status"]) for row in rig.arrivals()] == [(3, "s1", 200)] * 2


@given(st.binary(max_size=400))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
def test_no_bytes_raise(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """Whatever comes, the connection is answered, refused or waits; the witness goes on."""
    rig = Rig(tmp_path_factory.mktemp("noise"))
    rig.client().connection.receive(data)
    after = rig.client()
    after.observe()
    assert after.statuses() == [200]
