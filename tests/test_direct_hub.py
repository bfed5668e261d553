"""Users and arrivals of the fast path under gevent's patch leave what any client's leave, whatever is answered."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from raw_server import RawServer, ok, read_request, reset

from harness.plan import open_call_id

SCRIPT = """
import gevent.monkey; gevent.monkey.patch_all()
import gevent, json, sys
from pathlib import Path
from harness.clock import MonotonicClock
from harness.evidence.finalise import from_spools
from harness.integrations.fast import make
from harness.load.book import Book
from harness.load.caller import Caller
from harness.load.direct import DirectCaller
from harness.load.driver import Driver
from harness.load.recorder import Recorder
from harness.model import Load, Stage
from harness.plan import Plan

given = json.loads(sys.argv[1])
most, drain_ns, folder = given.pop("most"), given.pop("drain_ns"), Path(given.pop("folder"))
urls = given.pop("urls")
rate, given["sessions"] = given.pop("rate", 0), given.get("sessions", given["users"])
load = Load((Stage(rate, rate, 30_000_000_000),), **given)
plan, clock = Plan.of(load, 1), MonotonicClock()
by_greenlet, perform = [], DirectCaller.perform
DirectCaller.perform = lambda caller, job: by_greenlet.append(job) or perform(caller, job)

def left_by(kind, url, folder):
    recorder, book = Recorder(folder / "g.raw", "g"), Book(0 if load.strategy == "shared" else load.sessions)
    fast = make(url, {"timeout": {"connect": 1.0, "read": 1.0, "total": 1.5}}, {}, recorder)
    driver = Driver(plan, kind(fast, plan, recorder, clock, book), book, clock)

    def stop():
        while book.issued <= most:
            gevent.sleep(0.005)
        driver.stop.set()

    gevent.spawn(stop)
    driver.drive(clock.now_ns(), drain_ns)
    recorder.close()
    fast.close()
    history = from_spools(folder, {})
    tables = {"calls": history.calls, "attempts": history.attempts}
    return {name: {field: table[field].tolist() for field in table.columns} for name, table in tables.items()}

told = []
for kind, url in zip((Caller, DirectCaller), urls):
    place = folder / kind.__name__
    place.mkdir()
    told.append(left_by(kind, url, place))
print(json.dumps({"tables": told, "by_greenlet": len(by_greenlet)}))
"""
TIMES = {"intended_ns", "ready_ns", "start_ns", "headers_ns", "end_ns"}
CONNECTION = frozenset({"connection", "reused"})
MOST = 8
"""So many calls of a run are looked at; what is special happens to the 4th of them."""
Answer = Callable[[socket.socket, bytes], None]

DONE, PREDICTED = b'{"status":"okay","stm_length":3}', b'{"predictions":[],"count":0}'


def _pieces(*pieces: bytes, apart_s: float = 0.03) -> Answer:
    def answer(sock: socket.socket, body: bytes) -> None:
        for piece in pieces:
            sock.sendall(piece)
            time.sleep(apart_s)

    return answer


def _cut(at: int, then: Callable[[socket.socket], None]) -> Answer:
    def answer(sock: socket.socket, body: bytes) -> None:
        sock.sendall(ok(body)[:at])
        then(sock)

    return answer


def _whole(headers: bytes = b"", body: bytes = b"", status: bytes = b"200 OK") -> Answer:
    return lambda sock, own: sock.sendall(ok(body or own, headers).replace(b"200 OK", status, 1))


def _halves(at: int) -> Answer:
    return lambda sock, body: _pieces(ok(body)[:at], ok(body)[at:])(sock, body)


def _late_by(seconds: float) -> Answer:
    def answer(sock: socket.socket, body: bytes) -> None:
        time.sleep(seconds)
        sock.sendall(ok(body))

    return answer


def _dripped(sock: socket.socket, body: bytes) -> None:
    _pieces(*(ok(body)[at : at + 1] for at in range(60)), apart_s=0.05)(sock, body)


def _chunked(sock: socket.socket, body: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    sock.sendall(head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))


def _to_the_end(sock: socket.socket, body: bytes) -> None:
    sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + body)
    sock.close()


def _nothing(sock: socket.socket) -> None:
    time.sleep(3)


LARGE = b'{"status":"okay","predictions":[],"more":"%b"}' % (b"x" * 200_000)
ANSWERS: dict[str, tuple[Answer, str, str]] = {
    "all is well": (_whole(), "ok", ""),
    "the head in two": (_halves(9), "ok", ""),
    "the body in two": (_halves(len(ok(DONE)) - 5), "ok", ""),
    "head and body apart": (_halves(len(ok(DONE)) - len(DONE)), "ok", ""),
    "a late one": (_late_by(0.1), "ok", ""),
    "a large one": (_whole(body=LARGE), "ok", ""),
    "other headers": (_whole(b"x-other: 1\r\n"), "ok", ""),
    "chunked": (_chunked, "ok", ""),
    "up to the end": (_to_the_end, "error", "protocol_error"),
    "the last of its connection": (_whole(b"connection: close\r\n"), "ok", ""),
    "a 202": (_whole(status=b"202 Accepted"), "ok", ""),
    "a 404": (_whole(status=b"404 Not Found"), "error", "4xx"),
    "a 500": (_whole(status=b"500 Oops"), "error", "5xx"),
    "a 503": (_whole(status=b"503 Busy"), "error", "5xx"),
    "no JSON": (_whole(body=b"{]"), "error", "decode"),
    "none of KATO's": (_whole(body=b'{"other":1}'), "error", "decode"),
    "empty": (lambda sock, body: sock.sendall(ok(b"")), "error", "decode"),
    "none of KATO's in as many bytes": (lambda sock, body: sock.sendall(ok(b"[" * len(body))), "error", "decode"),
    "no HTTP": (lambda sock, body: sock.sendall(b"SSH-2.0-none\r\n\r\n"), "error", "protocol_error"),
    "two at once": (lambda sock, body: sock.sendall(ok(body) * 2), "error", "decode"),
    "nothing": (lambda sock, body: _nothing(sock), "timeout", "read_timeout"),
    "half, then nothing": (_cut(30, _nothing), "timeout", "read_timeout"),
    "dripped": (_dripped, "timeout", "read_timeout"),
    "closed": (lambda sock, body: sock.close(), "error", "reset"),
    "reset": (lambda sock, body: reset(sock), "error", "reset"),
    "cut in the head": (_cut(9, socket.socket.close), "error", "reset"),
    "cut in the body": (_cut(len(ok(DONE)) - 5, socket.socket.close), "error", "protocol_error"),
    "reset in the body": (_cut(len(ok(DONE)) - 5, reset), "error", "reset"),
}


class Kato:
    """Answers each request as KATO does, but for the `special` ones of its calls."""

    def __init__(self, answer: Answer, special: Collection[int]) -> None:
        self._answer = answer
        self._special = special
        self.requests: list[bytes] = []

    def __call__(self, sock: socket.socket) -> None:
        with suppress(OSError):  # the client went away
            while sock.fileno() >= 0 and (request := read_request(sock)):
                self._say(sock, request)

    def _say(self, sock: socket.socket, request: bytes) -> None:
        path = request.split(b" ", 2)[1]
        if path == b"/sessions":
            sock.sendall(ok(b'{"session_id":"session-1"}'))
            return
        self.requests.append(request)
        body = PREDICTED if b"/predictions" in path else DONE
        (self._answer if len(self.requests) in self._special else _whole())(sock, body)


def _run(
    answer: Answer, folder: Path, special: Collection[int] = (4,), **given: Any
) -> tuple[list[Kato], dict[str, Any]]:
    """One user's calls on the common way, then on ours: what KATO was asked, and what each left."""
    katos = [Kato(answer, special), Kato(answer, special)]
    with RawServer(katos[0]) as common, RawServer(katos[1]) as direct:
        order = {"users": 1, "most": MOST + 1, "drain_ns": 3_000_000_000, **given}
        order |= {"folder": str(folder), "urls": [common.url, direct.url]}
        found = subprocess.run(
            [sys.executable, "-W", "error", "-c", SCRIPT, json.dumps(order)],
            env={"PYTHONPATH": f"{Path(__file__).parent}:{Path(__file__).parent.parent}"},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert (found.returncode, found.stderr) == (0, "")
    told: dict[str, Any] = json.loads(found.stdout)
    return katos, told


def _first(tables: dict[str, Any], but: frozenset[str] = frozenset()) -> dict[str, list[dict[str, Any]]]:
    """The rows of the first calls and of the first opening, without times."""
    return {
        name: [
            {field: value for field, value in zip(table, row, strict=True) if field not in TIMES | but}
            for row in zip(*table.values(), strict=True)
            if (call := dict(zip(table, row, strict=True))["call"]) <= MOST or call == open_call_id(0, 1)
        ]
        for name, table in tables.items()
    }


@pytest.mark.parametrize("think_ns", [0, 1_000_000])
def test_the_hub_carries_a_user_from_call_to_call(think_ns: int, tmp_path: Path) -> None:
    """Its greenlet opens the session and makes the first call of each operation, and is not needed after that."""
    _, told = _run(_whole(), tmp_path, most=300, mix={"observe": 3, "predict": 1}, think_mean_ns=think_ns)
    assert len(told["tables"][1]["calls"]["call"]) > 300
    assert told["by_greenlet"] <= 6


def test_the_hub_carries_what_arrives(tmp_path: Path) -> None:
    """Greenlets open the sessions, make the first call of each operation, and open connections where none is free."""
    load = {"users": 0, "sessions": 4, "rate": 300, "mix": {"observe": 3, "predict": 1}}
    _, told = _run(_whole(), tmp_path, most=300, **load)
    assert len(told["tables"][1]["calls"]["call"]) > 300
    assert told["by_greenlet"] < 100


LOADS: dict[str, dict[str, Any]] = {
    "several users": {"users": 3, "mix": {"observe": 1, "learn": 1}},
    "who think": {"users": 2, "think_mean_ns": 5_000_000, "think_spread": "exponential"},
    "whose sessions are short": {"users": 2, "events": 3},
    "who share a session": {"users": 3, "strategy": "shared"},
    "who have headers": {"users": 2, "users_are": [{"share": 1.0, "headers": {"x-user-id": "someone-{n}"}}]},
    "who say the same": {"users": 2, "data": "stress"},
}


@pytest.mark.parametrize("who", LOADS)
def test_users_leave_the_rows_that_any_clients_leave(who: str, tmp_path: Path) -> None:
    """Up to which connection each call had, the rows of the first calls are those of the common way."""
    _, told = _run(_whole(), tmp_path, most=240, **LOADS[who])
    common, direct = (_by_call(_first(tables, CONNECTION)) for tables in told["tables"])
    both = common.keys() & direct.keys()
    assert len(both) >= 6
    assert {call: direct[call] for call in both} == {call: common[call] for call in both}


def test_a_connection_that_was_closed_while_idle_carries_no_call(tmp_path: Path) -> None:
    """The hub hears of it, however short the user thinks: his next call has another one."""

    def closed_then(sock: socket.socket, body: bytes) -> None:
        sock.sendall(ok(body))
        sock.close()

    _, told = _run(closed_then, tmp_path, think_mean_ns=4_000_000)
    rows = _first(told["tables"][1])
    assert {row["outcome"] for row in rows["calls"]} == {"ok"}
    assert [row["reused"] for row in rows["attempts"] if row["call"] in (4, 5, 6)] == [1, 0, 1]


def _by_call(rows: dict[str, list[dict[str, Any]]]) -> dict[int, list[dict[str, Any]]]:
    return {row["call"]: [each for table in rows.values() for each in table if each["call"] == row["call"]]
            for row in rows["calls"] if row["call"] <= MOST}  # fmt: skip


def test_what_the_drain_gives_up_is_cancelled_once(tmp_path: Path) -> None:
    """An answer that doesn't come within the drain: its call is cancelled, and what the time-out says adds no row."""
    _, told = _run(_late_by(5), tmp_path, most=4, drain_ns=100_000_000)
    common, direct = map(_first, told["tables"])
    assert direct == common
    assert [row["outcome"] for row in direct["calls"] if row["call"] == 4] == ["cancelled"]


@pytest.mark.parametrize("what", ANSWERS)
def test_whatever_is_answered_leaves_the_rows_that_any_client_leaves(what: str, tmp_path: Path) -> None:
    """One user's calls, the fourth answered so: the same requests and the same rows on the common way and on ours."""
    answer, outcome, error = ANSWERS[what]
    katos, told = _run(answer, tmp_path, mix={"observe": 3, "predict": 1})
    common, direct = map(_first, told["tables"])
    assert direct == common
    fourth = next(row for row in direct["calls"] if row["call"] == 4)
    assert (fourth["outcome"], fourth["error"]) == (outcome, error)
    assert len(direct["calls"]) == len(direct["attempts"]) == MOST + 1
    one, other = ([_own(request) for request in kato.requests[:MOST]] for kato in katos)
    assert one == other


@pytest.mark.parametrize("what", ["all is well", "a late one", "a 503", "no JSON", "nothing", "closed", "chunked"])
def test_what_is_answered_to_an_arrival_leaves_the_rows_that_any_client_leaves(what: str, tmp_path: Path) -> None:
    """Calls of one session, which come as they are due and wait for each other; none starts before it was ready."""
    answer, outcome, error = ANSWERS[what]
    _, told = _run(answer, tmp_path, users=0, sessions=1, rate=50, mix={"observe": 3, "predict": 1})
    common, direct = map(_first, told["tables"])
    assert direct == common
    assert [(row["outcome"], row["error"]) for row in direct["calls"] if row["call"] == 4] == [(outcome, error)]
    times = told["tables"][1]["calls"]
    assert all(map(int.__le__, times["intended_ns"], times["ready_ns"]))
    assert all(map(int.__le__, times["ready_ns"], times["start_ns"]))


@pytest.mark.parametrize("body", [b"", b"{}", b'{"status":1}'])
def test_what_is_wrong_again_and_again_fails_each_time(body: bytes, tmp_path: Path) -> None:
    """An answer that was seen before is checked like the first one."""
    _, told = _run(lambda sock, own: sock.sendall(ok(body)), tmp_path, special=(4, 5, 6))
    common, direct = map(_first, told["tables"])
    assert direct == common
    assert [row["error"] for row in direct["calls"] if 4 <= row["call"] <= 6] == ["decode"] * 3


def _own(request: bytes) -> tuple[bytes, list[bytes], bytes]:
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.lower().split(b"\r\n")
    return first, sorted(line for line in lines if not line.startswith(b"host:")), body
