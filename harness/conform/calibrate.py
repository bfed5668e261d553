"""Service times of a KATO, measured as those of the shipped profiles were: one request at a time, on nodes of its own.

Medians, and sigma = ln(p95/p50)/1.645 of a lognormal (timing.md's model). The measuring client's own cost is inside.
What is measured is bounded: `rounds` requests a kind, NODES nodes and one, sessions deleted at the end. Patterns that
`learn` made stay under the node prefix: KATO has no way to delete a node.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from harness.conform.replay import Send, new_run
from harness.conform.wire import sender
from harness.errors import PartMissing, UsageError

PREFIX = "kh-calibrate"
NODES = 20
MAX_ROUNDS = 1_000
PATTERNS = (0, 20)
"""Numbers of patterns at which observe and predict are measured."""

P95_NORMAL = 1.645
_JSON = {"content-type": "application/json"}


@dataclass(slots=True)
class Calibration:
    """Times measured (s) by kind and number of patterns."""

    url: str
    rounds: int
    times: dict[tuple[str, int], list[float]] = field(default_factory=dict)
    left: tuple[str, ...] = ()

    def profile(self, workers: int) -> dict[str, Any]:
        """The mapping of a `custom` profile: `twin --profile FILE.json` reads it."""
        kinds = sorted({kind for kind, _ in self.times})
        service = {kind: self._curve(kind) for kind in kinds}
        return {"service": service, "workers": workers, "keep_alive": "5s", "connection_limit": 100, "hangs_up": True}

    def rows(self) -> list[tuple[str, int, int, float, float]]:
        """(kind, patterns, count, median ms, p95 ms) of each."""
        return [
            (kind, patterns, len(times), 1e3 * median(times), 1e3 * p95(times))
            for (kind, patterns), times in sorted(self.times.items())
        ]

    def _curve(self, kind: str) -> dict[str, Any]:
        points = sorted((patterns, times) for (name, patterns), times in self.times.items() if name == kind)
        told = [[patterns, f"{1e3 * median(times):.3f}ms"] for patterns, times in points]
        return {"points": told, "sigma": round(sigma(points[0][1]), 3)}


def sigma(times: Sequence[float]) -> float:
    """ln(p95/p50)/1.645 of times (s): the shape of the lognormal with these two quantiles."""
    return max(0.0, math.log(p95(times) / median(times)) / P95_NORMAL)


def p95(times: Sequence[float]) -> float:
    """The 95th percentile by nearest rank."""
    return sorted(times)[math.ceil(0.95 * len(times)) - 1]


def calibrate(url: str, rounds: int = 60, now: Callable[[], float] = time.monotonic) -> Calibration:
    """Measure the KATO at `url`. Raises UsageError for a bad URL or number, PartMissing where no KATO answers."""
    if not 5 <= rounds <= MAX_ROUNDS:
        raise UsageError(f"{rounds} rounds can't be measured", f"choose 5 to {MAX_ROUNDS}")
    with sender(url) as send:
        return _Meter(Calibration(url, rounds), send, now).run()


class _Meter:
    """One client that asks and times; `sessions` are those that it opened."""

    def __init__(self, found: Calibration, send: Send, now: Callable[[], float]) -> None:
        self._found = found
        self._send = send
        self._now = now
        self._node = f"{PREFIX}-{new_run()}"
        self._sessions: list[str] = []

    def run(self) -> Calibration:
        self._ask("", 0, "GET", "/health")
        try:
            self._plain()
            self._trained()
        finally:
            for session in self._sessions:
                self._send("DELETE", f"/sessions/{session}", {}, b"")
        self._found.left = (f"patterns of node {self._node}-0",)
        return self._found

    def _plain(self) -> None:
        for _ in range(self._found.rounds):
            self._ask("health", 0, "GET", "/health")
        firsts = [self._open(f"{self._node}-{number}", "open_session") for number in range(1, NODES)]
        for session in firsts:
            self._observe("observe_first", 0, session, "a")
        quiet = self._open(f"{self._node}-{NODES}", "open_session", {"process_predictions": False})
        for number in range(self._found.rounds):
            self._observe("observe_unpredicted", 0, quiet, f"q{number % 7}")
            self._ask("stm", 0, "GET", f"/sessions/{quiet}/stm")

    def _trained(self) -> None:
        session = self._open(f"{self._node}-0", "open_session")
        self._observe("", 0, session, "a")
        self._rounds(session, PATTERNS[0])
        for pattern in range(PATTERNS[1]):
            self._ask("", 0, "POST", f"/sessions/{session}/clear-stm")
            for event in range(6):
                self._observe("", 0, session, "a" if event == 0 else f"p{pattern}e{event}")
            self._ask("learn", 0, "POST", f"/sessions/{session}/learn")
        self._rounds(session, PATTERNS[1])

    def _rounds(self, session: str, patterns: int) -> None:
        for number in range(self._found.rounds):
            if number % 6 == 0:
                self._ask("", 0, "POST", f"/sessions/{session}/clear-stm")
                self._observe("", 0, session, "a")
            self._observe("observe", patterns, session, f"p0e{1 + number % 5}")
            self._ask("predict", patterns, "GET", f"/sessions/{session}/predictions")

    def _open(self, node: str, kind: str, config: dict[str, Any] | None = None) -> str:
        body = {"node_id": node, "ttl_seconds": 600, **({"config": config} if config else {})}
        session = str(json.loads(self._ask(kind, 0, "POST", "/sessions", body))["session_id"])
        self._sessions.append(session)
        return session

    def _observe(self, kind: str, patterns: int, session: str, symbol: str) -> None:
        self._ask(kind, patterns, "POST", f"/sessions/{session}/observe", {"strings": [symbol]})

    def _ask(self, kind: str, patterns: int, method: str, path: str, body: Any = None) -> bytes:
        """One request, timed under `kind` ('': not)."""
        raw = b"" if body is None else json.dumps(body).encode()
        started = self._now()
        status, _, answer = self._send(method, path, _JSON if raw else {}, raw)
        took = self._now() - started
        if status != 200:
            what = f"{self._found.url} answered {method} {path} with {status or answer.decode('utf-8', 'replace')}"
            raise PartMissing(what, "calibrate a KATO that is well: `kato-harness conform URL` says whether it is one")
        if kind:
            self._found.times.setdefault((kind, patterns), []).append(took)
        return answer
