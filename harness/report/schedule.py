"""A run's schedule: when each call was meant to start, as JSON lines that `load.replay` reads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from harness.data import SCHEDULED

if TYPE_CHECKING:
    from harness.evidence import Run
    from harness.laws.judge import Judgement


def render(run: Run, judgement: Judgement) -> bytes:
    """One line a call in order of time, openings of sessions left out as a replay has its own."""
    calls = run.history.calls.where(run.history.calls["op"].among(*SCHEDULED)).sorted_by("intended_ns", "call")
    start_ns = int(run.manifest.get("start_ns") or 0) or int(calls["intended_ns"].min(initial=0))
    rows = zip((calls["intended_ns"] - start_ns).tolist(), calls["op"].tolist(), strict=True)
    return "".join(json.dumps({"at": max(at, 0) / 1e9, "op": op}) + "\n" for at, op in rows).encode()
