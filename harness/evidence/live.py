"""The calls of a run that is still going on, from the ends of its growing spools."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import model
from harness.evidence.history import History, table
from harness.evidence.phases import phases_of_calls
from harness.evidence.spools import on_our_clock, record_type
from harness.evidence.table import Words
from harness.model import Span
from harness.spool import CALLS, RECORD_BYTES

TAIL_BYTES = 16 << 20
"""How much of each spool's end is read: some hundred thousand records."""


def recent_calls(folder: Path, phases: Sequence[Span]) -> History:
    """The History of the calls near the end of the spools, without their texts (session, detail, shape)."""
    records = np.concatenate(
        [np.zeros(0, record_type(CALLS)), *(_tail(path) for path in folder.glob("generator-*.raw"))]
    )
    numbers = [name for name, _ in CALLS.fields if name not in CALLS.texts]
    values: dict[str, Any] = {name: records[name].astype(np.int64) for name in numbers}
    for name, vocabulary in CALLS.words.items():
        values[name] = Words(records[name], getattr(model, vocabulary))
    values["phase"] = phases_of_calls(values["intended_ns"], phases)
    return History(calls=table("calls", values), phases=tuple(phases))


def _tail(path: Path) -> NDArray[Any]:
    whole = path.stat().st_size // RECORD_BYTES
    count = min(whole, TAIL_BYTES // RECORD_BYTES)
    raw = np.fromfile(path, np.dtype(f"V{RECORD_BYTES}"), count, offset=(whole - count) * RECORD_BYTES)
    tags = raw.view("u1").reshape(-1, RECORD_BYTES)[:, 0]
    calls: NDArray[Any] = raw[tags == CALLS.tag].view(record_type(CALLS))
    return on_our_clock(calls, path, CALLS)
