"""What a hook adds to a request's headers, and that the rest of them goes out as its client wrote it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import httpx
import pytest
import requests
import urllib3
from loopback import Attempts
from raw_server import RawServer, ok, read_request

from harness.load import hooks
from harness.load.frame import CURRENT, Frame

OWN = {"X-Mine": "1", "X-User-Id": "a client's", "traceparent": "00-1-2-01"}


def by_requests(url: str) -> None:
    with requests.Session() as session:
        session.get(url, headers=OWN, timeout=5)


def by_urllib3(url: str) -> None:
    with urllib3.PoolManager(timeout=5) as pool:
        pool.request("GET", url, headers=OWN)


def by_urllib3_with_repeated_fields(url: str) -> None:
    headers = urllib3.HTTPHeaderDict(OWN)
    headers.add("X-Mine", "2")
    with urllib3.PoolManager(timeout=5) as pool:
        pool.request("GET", url, headers=headers)


def by_httpx(url: str) -> None:
    with httpx.Client(timeout=5) as client:
        client.get(url, headers=OWN)


@pytest.fixture
def call() -> Iterator[None]:
    """Call 7 of a user who is number 5 is under way."""
    token = CURRENT.set(Frame(7, {"x-user-id": "5"}, "predict"))
    yield
    CURRENT.reset(token)


@pytest.mark.parametrize("get", [by_requests, by_urllib3, by_urllib3_with_repeated_fields, by_httpx])
def test_only_what_is_added_changes(get: Callable[[str], None], call: None) -> None:
    """The user's header stands in for one of that name, however it is written; names keep their case, fields their
    number, and the traceparent is on record."""
    asked: list[bytes] = []

    def answer(sock: socket.socket) -> None:
        while request := read_request(sock):
            asked.append(request)
            sock.sendall(ok())

    attempts = Attempts()
    with RawServer(answer) as server:
        get(server.url)  # as the client sends it by itself
        hooks.install(attempts)
        get(server.url)
        hooks.uninstall()
    plain, hooked = ({line for line in request.split(b"\r\n")[1:] if line} for request in asked)
    gone, new = plain - hooked, hooked - plain
    assert {line.lower() for line in gone} == {b"x-user-id: a client's"}
    assert {line.lower() for line in new} == {b"x-user-id: 5", b"x-kato-attempt: 7.1"}
    assert [row.trace for row in attempts.rows] == ["00-1-2-01"]
