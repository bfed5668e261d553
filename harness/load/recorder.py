"""The recorder of a process that runs the integration: calls and attempts into the spool (standard library only).

Each row is one packed record; nothing is aggregated here but the counts that progress lines and Locust's own
statistics show. Rows reach the file at each flush (250 ms), so a process that dies loses at most that much.
"""

from __future__ import annotations

import struct
import time
from collections import Counter
from pathlib import Path

from harness.model import BREAKER_STATES, ERRORS, HOOKS, OPERATIONS, OUTCOMES
from harness.spool import ATTEMPTS, BREAKER, CALLS, RECORD_BYTES, SAMPLES, SpoolWriter, halves

FLUSH_S = 0.25

_call = CALLS.struct().pack
_attempt = ATTEMPTS.struct().pack
_breaker = BREAKER.struct().pack
_sample = SAMPLES.struct().pack
_CALL_HEAD, _CALL_REST = halves(CALLS, "call")
_ATTEMPT_HEAD, _ATTEMPT_REST = halves(ATTEMPTS, "call")
both_rows = struct.Struct(f"<{_ATTEMPT_HEAD.size}s{_ATTEMPT_REST}{_CALL_HEAD.size}s{_CALL_REST}").pack
"""The two rows of an ok call, as `Recorder.served` has them."""
_OP = {word: code for code, word in enumerate(OPERATIONS)}
_OUTCOME = {word: code for code, word in enumerate(OUTCOMES)}
_ERROR = {word: code for code, word in enumerate(ERRORS)}
_HOOK = {word: code for code, word in enumerate(HOOKS)}
_STATE = {word: code for code, word in enumerate(BREAKER_STATES)}


class Recorder:
    """Writes what this process saw. Safe to use from several threads and greenlets."""

    def __init__(self, path: Path, process: str, worker: int = 0) -> None:
        self._spool = SpoolWriter(path, process)
        self.append = self._spool.append
        """Take packed rows."""
        self._text = self._spool.text
        self._worker = worker
        self._process = self._spool.text(process)
        self._connections: dict[int, int] = {0: 0}
        self._opened = 0
        self.attempts_seen = 0
        """How many attempts were reported by `attempt`: 0 means that no hook fits this client."""
        self.tally: Counter[tuple[str, str, int]] = Counter()
        """(operation, outcome, response time in whole ms) → calls since it was last taken, but those of `served_ms`."""
        self.served_ms: dict[str, list[int]] = {op: [] for op in OPERATIONS}
        """Those of ok calls that were recorded with `both_rows`, by operation."""

    def call(
        self,
        call: int,
        op: str,
        session: str,
        node_id: str,
        user: str,
        intended_ns: int,
        ready_ns: int,
        start_ns: int,
        end_ns: int,
        outcome: str,
        error: str = "",
        status: int = 0,
        marked: bool = False,
        detail: str = "",
        shape: str = "",
        content: int = 0,
    ) -> None:
        """One finished call; times in ns, words of model.OPERATIONS, OUTCOMES and ERRORS, `content` a fingerprint."""
        text = self._text
        self.append(
            _call(
                CALLS.tag,
                _OP[op],
                _OUTCOME[outcome],
                _ERROR[error],
                status,
                self._worker,
                marked,
                text(session),
                text(node_id),
                text(user),
                text(detail) if detail else 0,
                text(shape),
                call,
                intended_ns,
                ready_ns,
                start_ns,
                end_ns,
                content,
            )
        )
        self.tally[op, outcome, (end_ns - intended_ns) // 1_000_000] += 1

    def attempt(
        self,
        call: int,
        attempt: int,
        via: str,
        result: str,
        status: int,
        start_ns: int,
        headers_ns: int,
        end_ns: int,
        connection: int,
        reused: bool,
        detail: str = "",
        trace: str = "",
    ) -> None:
        """One finished attempt, as a transport hook saw it (`call` 0: it worked for no call).

        `connection` is the local port (0: none was had); what is kept is the connection's number in order of first
        use, equal from run to run.
        """
        self.attempts_seen += 1
        self.append(
            _attempt(
                ATTEMPTS.tag,
                _HOOK[via],
                _ERROR[result],
                reused,
                status,
                attempt,
                self._connection(connection, reused),
                self._worker,
                self._text(detail) if detail else 0,
                call,
                start_ns,
                headers_ns,
                end_ns,
                self._text(trace) if trace else 0,
            )
        )

    def call_head(self, op: str, session: str, node_id: str, user: str, shape: str) -> bytes:
        """The record of an ok call up to its id and times: alike for an operation of a session."""
        texts = (self._text(session), self._text(node_id), self._text(user), 0, self._text(shape))
        return _CALL_HEAD.pack(CALLS.tag, _OP[op], _OUTCOME["ok"], _ERROR[""], 0, self._worker, False, *texts)

    def attempt_head(self, via: str, status: int, port: int) -> bytes:
        """The record of a call's one attempt, answered on a connection that was used before, up to its times."""
        connection = self._connection(port, True)
        return _ATTEMPT_HEAD.pack(ATTEMPTS.tag, _HOOK[via], _ERROR[""], True, status, 1, connection, self._worker, 0)

    def served(
        self,
        attempt_head: bytes,
        call_head: bytes,
        call: int,
        op: str,
        intended_ns: int,
        ready_ns: int,
        start_ns: int,
        headers_ns: int,
        end_ns: int,
        content: int,
        counts: bool,
    ) -> None:
        """An ok call and its one attempt, which began and ended with it; the attempt alone where the call was given up.

        A third of what `attempt` and `call` cost: this is the fast path's.
        """
        rows = both_rows(
            attempt_head, call, start_ns, headers_ns, end_ns, 0,
            call_head, call, intended_ns, ready_ns, start_ns, end_ns, content,
        )  # fmt: skip
        if counts:
            self.append(rows)
            self.served_ms[op].append((end_ns - intended_ns) // 1_000_000)
        else:
            self.append(rows[:RECORD_BYTES])

    def _connection(self, port: int, reused: bool) -> int:
        """The connection's number; a port comes again, on another connection."""
        if port and (not reused or port not in self._connections):
            self._opened += 1
            self._connections[port] = self._opened
        return self._connections[port]

    def breaker(self, name: str, previous: str, state: str) -> None:
        """A reachable breaker changed its state (words of model.BREAKER_STATES), now."""
        now_ns = time.monotonic_ns()
        self.append(_breaker(BREAKER.tag, _STATE[state], _STATE[previous], self._worker, self._text(name), now_ns))

    def sample(
        self,
        time_ns: int,
        cpu: float,
        rss: int,
        descriptors: int,
        threads: int,
        lag_ns: int,
        busy: float,
        inside: float,
        in_flight: int,
    ) -> None:
        """What the process used in the last second (see spool.SAMPLES)."""
        row = (self._process, descriptors, threads, time_ns, lag_ns, rss, cpu, busy, inside, 0, in_flight)
        self.append(_sample(SAMPLES.tag, *row))

    def take_tally(self) -> Counter[tuple[str, str, int]]:
        """The counts since the last take."""
        taken, self.tally = self.tally, Counter()
        for op, served_ms in self.served_ms.items():
            now = served_ms[:]
            del served_ms[: len(now)]  # threads append meanwhile
            for whole_ms, count in Counter(now).items():
                taken[op, "ok", whole_ms] += count
        return taken

    def flush(self) -> None:
        """Write buffered rows to the file."""
        self._spool.flush()

    def close(self) -> None:
        """Write the rest and close the file."""
        self._spool.close()
