"""What the embedded KATO costs without a server: `python bench/kato.py [--sessions 100000] [--out FILE]`.

Processor time (s of CPU, so that a busy machine doesn't matter much) of an observe, of a prediction beside ever more
patterns that can't match, and the memory of many sessions of 20 events.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from machine import described

from harness.twin.http import Request
from harness.twin.kato import Kato

JSON = {"content-type": "application/json"}
EVENTS = 20
MATCHING = 10
PATTERNS = (100, 1_000, 10_000)


def ask(kato: Kato, method: str, path: str, body: object = None) -> bytes:
    """The body of the answer."""
    raw = b"" if body is None else json.dumps(body).encode()
    return kato.handle(Request(method, path, "", JSON, raw)).body


def opened(kato: Kato, node: str) -> str:
    """A new session's path."""
    return f"/sessions/{json.loads(ask(kato, 'POST', '/sessions', {'node_id': node}))['session_id']}"


def learned(kato: Kato, session: str, sequences: Iterable[list[str]]) -> None:
    """Teach the session's node."""
    for symbols in sequences:
        observations = [{"strings": [symbol]} for symbol in symbols]
        ask(kato, "POST", f"{session}/observe-sequence", {"observations": observations, "learn_at_end": True})


def microseconds(work: Callable[[], object], times: int) -> float:
    """Mean processor time of one call (µs)."""
    started = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - started) / times * 1e6


def observe_us() -> float:
    """One observe on a node without patterns."""
    kato = Kato()
    session = opened(kato, "bench")
    request = Request("POST", f"{session}/observe", "", JSON, b'{"strings":["a"],"vectors":[],"emotives":{}}')
    return microseconds(lambda: kato.handle(request), 20_000)


def prediction_us(patterns: int) -> float:
    """One prediction with MATCHING patterns that match among `patterns`."""
    kato = Kato()
    session = opened(kato, "bench")
    learned(kato, session, ([f"p{number}-{at}" for at in range(6)] for number in range(patterns - MATCHING)))
    learned(kato, session, (["a", "b", f"c{number}", "d"] for number in range(MATCHING)))
    learned_session = opened(kato, "bench")
    for symbol in "ab":
        ask(kato, "POST", f"{learned_session}/observe", {"strings": [symbol]})
    return microseconds(lambda: ask(kato, "GET", f"{learned_session}/predictions"), 200)


def megabytes(sessions: int) -> float:
    """What that many sessions of EVENTS events take, each event a symbol of its own."""
    kato = Kato()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    paths = [opened(kato, f"user-{number}") for number in range(sessions)]
    for event in range(EVENTS):
        for number, path in enumerate(paths):
            body = b'{"strings":["s%d-%d"],"vectors":[],"emotives":{}}' % (number, event)
            kato.handle(Request("POST", f"{path}/observe", "", JSON, body))
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def main() -> int:
    """Print the figures, and write them to a file; 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=0, help="also measure the memory of so many sessions")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    report: dict[str, Any] = {"events": EVENTS, "sessions": arguments.sessions}
    if arguments.sessions:
        report["sessions_mb"] = round(megabytes(arguments.sessions))
    report["observe_us"] = round(observe_us(), 1)
    report["matching_patterns"] = MATCHING
    report["prediction_us_by_patterns"] = {count: round(prediction_us(count)) for count in PATTERNS}
    text = json.dumps({**report, "machine": described()}, indent=1) + "\n"
    sys.stdout.write(text)
    if arguments.out:
        arguments.out.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
