"""A breaker's states inferred from outside against those that its own listener heard, over random schedules.

`python bench/breakers.py [--schedules 1000]`: runs in virtual time with pybreaker; how long both agree, and whether
each change that the listener heard was inferred within one inter-arrival + 50 ms, as JSON; exit 1 below 99 %.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.evidence.history import History
from harness.laws.breaker_state import infer_breaker
from harness.laws.judge import promise_of
from harness.run.many import Job, Simulator
from harness.run.options import Options
from harness.run.prepare import prepare
from harness.scenario import load_scenario

MS = 1_000_000
SLACK_NS = 50 * MS
LENGTH_S = 25
KINDS = ("refuse", "kill", "status, status: 503", "timeout", "drop_before_commit", "commit_then_drop", "reset_peer")

Change = tuple[int, str]
"""When a state began (ns), and which."""


@dataclass(frozen=True)
class Agreement:
    """One run: its length and how long both agreed (ns), changes heard and how many of them were inferred in time."""

    length_ns: int
    agreed_ns: int
    changes: int
    in_time: int
    late_ns: tuple[int, ...] = ()


def scenario(seed: int) -> str:
    """A schedule of one to three faults at a random rate."""
    draw = random.Random(seed)
    rate = draw.choice([5, 10, 20])
    lines, at = [], 2.0
    for number in range(draw.randint(1, 3)):
        at += draw.uniform(0.5, 4)
        length = min(draw.uniform(0.2, 8), LENGTH_S - 2 - at)
        if length > 0.1:
            lines.append(f"  - {{name: f{number}, kind: {draw.choice(KINDS)}, at: {at:.3f}s, for: {length:.3f}s}}")
        at += length
    client = Path(__file__).with_name("breaking.py")
    what = f"rate: {rate}/s, arrivals: poisson, mix: {{observe: 2, predict: 1}}, duration: {LENGTH_S}s"
    load = f"{{{what}, sessions: {{concurrent: 60}}}}"
    head = f'format: kato-harness/1\nseed: {seed}\nintegration: "{client}:make"\nload: {load}\n'
    return head + "phases: {warmup: 1s, baseline: 1s, cooldown: 0s}\nfaults:\n" + "\n".join(lines) + "\n"


def timelines(history: History, inferred: object) -> tuple[list[Change], list[Change]]:
    """The listener's changes and the inferred ones, of the one worker."""
    heard = [(row["from_ns"], row["state"]) for row in history.breaker.rows() if row["source"] == "listener"]
    found = [(row["from_ns"], row["state"]) for row in inferred.rows()]  # type: ignore[attr-defined]
    return heard, found


def states_at(changes: list[Change], times: np.ndarray) -> list[str]:
    """The state at each time; closed before the first change."""
    at = np.searchsorted([time for time, _ in changes], times, side="right") - 1
    return [changes[i][1] if i >= 0 else "closed" for i in at]


def compare(history: History, inferred: object) -> Agreement:
    """How well the two timelines agree."""
    starts = np.sort(history.calls["start_ns"][~history.calls["op"].among("open_session")])
    heard, found = timelines(history, inferred)
    edges = np.unique([starts[0], *(t for t, _ in heard + found if starts[0] < t < starts[-1]), starts[-1]])
    same = [a == b for a, b in zip(states_at(heard, edges[:-1]), states_at(found, edges[:-1]), strict=True)]
    agreed = int(np.diff(edges)[np.array(same, bool)].sum()) if same else 0
    judged = [(t, s) for t, s in heard if starts[0] < t < starts[-1]]
    late = [_distance(t, s, found) - _gap(starts, t) for t, s in judged]
    return Agreement(
        int(starts[-1] - starts[0]), agreed, len(judged), sum(each <= SLACK_NS for each in late), tuple(late)
    )


def _distance(at_ns: int, state: str, found: list[Change]) -> int:
    return min((abs(t - at_ns) for t, s in found if s == state), default=1 << 62)


def _gap(starts: np.ndarray, at_ns: int) -> int:
    """The inter-arrival in which a change fell."""
    at = int(np.searchsorted(starts, at_ns))
    return int(starts[min(at, len(starts) - 1)] - starts[max(at - 1, 0)])


def runs(seeds: range, folder: Path) -> Iterator[tuple[int, Agreement]]:
    """Each schedule's agreement."""

    def jobs() -> Iterator[Job]:
        for seed in seeds:
            path = folder / f"{seed}.yaml"
            path.write_text(scenario(seed))
            yield Job(prepare(load_scenario(path), Options()))

    with Simulator() as simulate:
        for seed, done in zip(seeds, simulate(jobs()), strict=True):
            if done.run is None:
                raise SystemExit(f"schedule {seed}: {done.error}")
            yield seed, compare(done.run.history, infer_breaker(done.run.history, promise_of(done.run.manifest).policy))


def summary(found: Mapping[int, Agreement], took_s: float) -> dict[str, Any]:
    """What all schedules so far came to."""
    every = list(found.values())
    changes, in_time = sum(each.changes for each in every), sum(each.in_time for each in every)
    shares = {seed: each.agreed_ns / each.length_ns for seed, each in found.items()}
    return {
        "schedules": len(found),
        "opened": sum(each.changes > 0 for each in every),
        "agreement": round(sum(each.agreed_ns for each in every) / sum(each.length_ns for each in every), 5),
        "changes": changes,
        "in_time": in_time,
        "share_in_time": round(in_time / max(changes, 1), 5),
        "worst": {seed: round(shares[seed], 4) for seed in sorted(shares, key=shares.__getitem__)[:5]},
        "took_s": round(took_s),
    }


def main() -> int:
    """Measure, tell every hundred schedules on stderr, and print the summary."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--schedules", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    given = parser.parse_args()
    began, found = time.monotonic(), dict[int, Agreement]()
    with tempfile.TemporaryDirectory() as name:
        for seed, each in runs(range(given.first, given.first + given.schedules), Path(name)):
            found[seed] = each
            if len(found) % 100 == 0:
                sys.stderr.write(json.dumps(summary(found, time.monotonic() - began)) + "\n")
    report = summary(found, time.monotonic() - began)
    sys.stdout.write(json.dumps(report) + "\n")
    return 0 if min(report["agreement"], report["share_in_time"]) >= 0.99 else 1


if __name__ == "__main__":
    sys.exit(main())
