"""One request at the witness, from its arrival to its record in the spool."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from harness.data import fingerprint_of
from harness.model import ATTEMPT_HEADER, OPERATIONS
from harness.spool import ARRIVALS, SpoolWriter
from harness.twin import sequence
from harness.twin.http import Request

if TYPE_CHECKING:
    from harness.twin.connection import Connection
    from harness.twin.rules import Verdict

_FIELD = f'"{ATTEMPT_HEADER}"'.encode()
_NAMED = re.compile(re.escape(_FIELD) + rb'\s*:\s*"(\d{1,18}\.\d{1,5})"')
ALLOWED_HEADERS = ("x-user-id", "traceparent", "idempotency-key", "x-envoy-attempt-count")
"""Request headers that laws may ask for; no other value ever reaches the evidence."""

_ALLOWED = frozenset(ALLOWED_HEADERS)
_OP = {word: code for code, word in enumerate(OPERATIONS)}
_SESSION_OPS = {
    ("POST", "observe"): _OP["observe"],
    ("POST", "observe-sequence"): _OP["observe"],
    ("GET", "predictions"): _OP["predict"],
    ("POST", "learn"): _OP["learn"],
}
_OBSERVE = _OP["observe"]
_pack = ARRIVALS.struct().pack

LONG_BODY = 4096
"""Bytes; observes up to this size come again, and to read one anew costs an eighth of its exchange."""

_remembered_fingerprint = lru_cache(2048)(fingerprint_of)


class Exchange:
    """A request and what became of it; times in ns, 0 where it didn't happen. `op` is a code of OPERATIONS."""

    __slots__ = (
        "arrive_ns",
        "attempt",
        "call",
        "commit_seq",
        "connection",
        "disconnect_ns",
        "fault",
        "futures",
        "node_id",
        "op",
        "over",
        "reply_ns",
        "request",
        "session",
        "status",
        "verdict",
    )

    def __init__(self, connection: Connection, request: Request, arrive_ns: int) -> None:
        self.connection = connection
        self.request = request
        self.arrive_ns = arrive_ns
        self.op, self.session = classify(request.method, request.path)
        self.call, self.attempt = parse_attempt(request.headers.get(ATTEMPT_HEADER) or named_in(request.body))
        self.node_id = ""
        self.fault = ""
        self.futures = 0
        self.verdict: Verdict | None = None
        self.status = 0
        self.over = False
        self.commit_seq = 0
        self.reply_ns = 0
        self.disconnect_ns = 0

    @property
    def observations(self) -> int:
        """How many observations the request holds: one, or as many as a sequence has."""
        return sequence.count(self.request)


def classify(method: str, path: str) -> tuple[int, str]:
    """The operation (code of OPERATIONS) and the session that a request names; ("other", "") where none."""
    parts = path.split("/")
    if len(parts) < 2 or parts[1] != "sessions":
        return 0, ""
    if len(parts) == 2:
        return (_OP["open_session"] if method == "POST" else 0), ""
    session = "" if parts[2] == "count" else parts[2]
    return (_SESSION_OPS.get((method, parts[3]), 0) if len(parts) == 4 else 0), session


def named_in(body: bytes) -> str | None:
    """The attempt that an ignored field of an observation names: a message carries it there through a queue."""
    if _FIELD not in body:
        return None
    found = _NAMED.search(body)
    return found[1].decode() if found else None


def parse_attempt(value: object) -> tuple[int, int]:
    """`<call>.<attempt>` of the attempt header; (0, 0) where it is absent or not ours."""
    if not isinstance(value, str):
        return 0, 0
    call, _, attempt = value.partition(".")
    if not (call.isdecimal() and attempt.isdecimal() and len(call) < 19):
        return 0, 0
    return int(call), min(int(attempt), 0xFFFF)


class Arrivals:
    """Writes one record of the table `arrivals` for each exchange, when its fate is known; one for each observation."""

    __slots__ = ("_instance", "_spool", "recorded")

    def __init__(self, spool: SpoolWriter | None, instance: int = 0) -> None:
        self._spool = spool
        self._instance = instance
        self.recorded = 0

    def record(self, exchange: Exchange) -> None:
        """Append the exchange as it is now; only counted where there is no spool."""
        self.recorded += 1
        if self._spool is None:
            return
        if exchange.op == _OBSERVE and sequence.is_sequence(exchange.request):
            self._record_sequence(exchange)
        else:
            self._append(
                exchange, exchange.op, exchange.call, exchange.attempt, _payload(exchange), exchange.commit_seq
            )

    def _record_sequence(self, exchange: Exchange) -> None:
        """A row for each observation, by its own name or by the request's; what another call of the session had said is
        told to be that one's later."""
        request, call, attempt, commit = exchange.request, exchange.call, exchange.attempt, exchange.commit_seq
        held = sequence.observations_in(request)
        if not held:
            self._append(exchange, 0, call, attempt, request.crc(), 0)
        for at, observation in enumerate(held):
            own = parse_attempt(observation.get(ATTEMPT_HEADER))
            name = own if own[0] else (call, attempt)
            payload = sequence.payload(observation, request)
            self._append(exchange, exchange.op, *name, payload, commit + at if commit else 0)

    def _append(self, exchange: Exchange, op: int, call: int, attempt: int, payload: int, commit_seq: int) -> None:
        spool, request = self._spool, exchange.request
        assert spool is not None
        text = spool.text
        spool.append(
            _pack(
                ARRIVALS.tag,
                op,
                self._instance,
                exchange.futures,
                exchange.status,
                attempt,
                text(exchange.session),
                text(exchange.node_id),
                exchange.connection.number,
                text(exchange.fault) if exchange.fault else 0,
                0 if _ALLOWED.isdisjoint(request.headers) else text(_allowed(request)),
                payload,
                call,
                exchange.arrive_ns,
                exchange.reply_ns,
                exchange.disconnect_ns,
                commit_seq,
            )
        )


def _payload(exchange: Exchange) -> int:
    """What tells whose request it was, where no header does, or the wrong one."""
    if exchange.op != _OBSERVE:
        return exchange.request.crc()
    body = exchange.request.body
    read = fingerprint_of if len(body) > LONG_BODY else _remembered_fingerprint
    return read(body) or exchange.request.crc() & 0xFFFF


def _allowed(request: Request) -> str:
    headers = request.headers
    return "\n".join([f"{name}: {headers[name]}" for name in ALLOWED_HEADERS if name in headers])
