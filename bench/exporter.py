"""What a collector that is gone costs a traced client: `python bench/exporter.py [--rounds 5]`.

Each round is one real run of `fixed-otel` against a KATO that takes 20 ms, in which the collector is black-holed for
four seconds of every eight, so that whatever else the machine does meets both halves alike. Told are p99 in the holes
over p99 outside, round by round, their median, and the interval of the median that resampling of the eight-second
blocks gives (95 %). Exit 1 where the median is above SLOWER or a call failed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from machine import described

from harness.evidence.run import read_run
from harness.run.execute import execute
from harness.run.options import Options
from harness.run.prepare import prepare
from harness.scenario import load_scenario

SLOWER = 0.05
"""law O2: p99 may grow by so much."""
BLOCK_S = 8
HOLES = 5
DRAWS = 2000
SCENARIO = f"""
format: kato-harness/1
question: Does a collector that is gone cost a call anything?
integration: fixed-otel
target: {{twin: {{service: 20ms, workers: parallel}}}}
topology: {{collector: otlp}}
load: {{rate: 60/s, mix: {{observe: 2, predict: 1}}, arrivals: constant}}
phases: {{warmup: 3s, baseline: {BLOCK_S // 2}s, recovery: {BLOCK_S // 2}s, cooldown: 1s}}
faults:
  - {{name: hole, kind: timeout, direction: both, only: {{part: collector}}, for: {BLOCK_S // 2}s, at: baseline.end,
      repeat: {HOLES}, every: {BLOCK_S}s}}
"""

Blocks = list[tuple[np.ndarray[Any, np.dtype[np.float64]], np.ndarray[Any, np.dtype[np.float64]]]]
"""For each hole the times (ms) of the calls within it, and of those within as long a time before it."""


def round_of(folder: Path, seed: int) -> tuple[Blocks, int, int]:
    """One run: its blocks, how many calls failed, and how many spans came to the collector."""
    file = folder / "exporter.yaml"
    file.write_text(SCENARIO)
    done = execute(prepare(load_scenario(file), Options(out=folder / "run", seed=seed)), lambda _: None)
    history = read_run(done.folder).history
    calls = history.calls
    start, end = calls["start_ns"], calls["end_ns"]
    ok = calls["outcome"].among("ok") & ~calls["op"].among("open_session")
    took_ms = (end - start) / 1e6
    blocks: Blocks = []
    for hole in history.faults.rows():
        begin, over = hole["applied_ns"], hole["cleared_ns"]
        inside, before = (start >= begin) & (end <= over), (start >= 2 * begin - over) & (end <= hole["requested_ns"])
        blocks.append((took_ms[ok & inside], took_ms[ok & before]))
    return blocks, int((~calls["outcome"].among("ok")).sum()), len(history.spans)


def growth(blocks: Blocks) -> float:
    """p99 in the holes over p99 outside, less one."""
    inside, outside = (np.concatenate(list(side)) for side in zip(*blocks, strict=True))
    return float(np.quantile(inside, 0.99) / np.quantile(outside, 0.99) - 1)


def interval(rounds: list[Blocks], seed: int = 1) -> tuple[float, float]:
    """95 % for the median of the rounds, blocks drawn anew within each."""
    draws = np.random.default_rng(seed)
    medians = [
        np.median([growth([blocks[at] for at in draws.integers(0, len(blocks), len(blocks))]) for blocks in rounds])
        for _ in range(DRAWS)
    ]
    low, high = np.quantile(medians, (0.025, 0.975))
    return float(low), float(high)


def main() -> int:
    """Run, tell; 0 where the median keeps the law."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    rounds, failed, spans = [], 0, 0
    for seed in range(1, asked.rounds + 1):
        with tempfile.TemporaryDirectory(prefix="kato-harness-") as folder:
            blocks, bad, exported = round_of(Path(folder), seed)
        rounds.append(blocks)
        failed, spans = failed + bad, spans + exported
        sys.stderr.write(f"round {seed}: p99 {growth(blocks):+.1%} in the holes, {bad} failed\n")
    median, (low, high) = float(np.median([growth(blocks) for blocks in rounds])), interval(rounds)
    inside, outside = (np.concatenate([block[side] for blocks in rounds for block in blocks]) for side in (0, 1))
    told = {
        "rounds": [round(growth(blocks), 4) for blocks in rounds],
        "median": round(median, 4),
        "interval_95": [round(low, 4), round(high, 4)],
        "calls": {"in_holes": len(inside), "outside": len(outside)},
        "p99_ms": {
            "in_holes": round(float(np.quantile(inside, 0.99)), 2),
            "outside": round(float(np.quantile(outside, 0.99)), 2),
        },
        "failed": failed,
        "spans": spans,
        "machine": described(),
    }
    sys.stdout.write(json.dumps(told, indent=1) + "\n")
    return 0 if median <= SLOWER and not failed and spans else 1


if __name__ == "__main__":
    sys.exit(main())
