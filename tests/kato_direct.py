"""The embedded KATO without a server: what tests send to it, and a clock that they move."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from urllib.parse import unquote

from harness import contracts
from harness.conform.replay import Reply, Send
from harness.twin.http import Request
from harness.twin.kato import Kato

START = 1_795_000_000.25


class Clock:
    """Wall-clock seconds that only tests move; each look takes a microsecond."""

    def __init__(self) -> None:
        self.seconds = START

    def __call__(self) -> float:
        self.seconds += 1e-6
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def new_kato(clock: Clock | None = None, release: str = contracts.LATEST, **settings: str) -> Kato:
    """A KATO whose identifiers count up."""
    numbers = itertools.count(1)
    return Kato(now=clock or Clock(), identifiers=lambda: f"{next(numbers):032x}", settings=settings, release=release)


def sender(kato: Kato) -> Send:
    """Requests straight into `Kato.handle`, as the server decodes them."""

    def send(method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        raw, _, query = path.partition("?")
        answer = kato.handle(Request(method, unquote(raw), query, headers, body))
        return answer.status, answer.headers, b"" if method == "HEAD" else answer.body

    return send
