"""One generator of the harness alone, as a run starts it, on one core against a URL; what its spool says afterwards."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.evidence.spools import read_spool
from harness.integrations import resolve
from harness.model import OUTCOMES, Load
from harness.plan import REOPEN_BASE
from harness.run.parts import start_generator
from harness.spool import ATTEMPTS, CALLS, SAMPLES

START_IN_NS = 300_000_000
DRAIN_NS = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Generated:
    """What came of it: the rows of its spool by table (numpy), and how long load lasted (s)."""

    calls: Any
    attempts: Any
    samples: Any
    lasted_s: float

    @property
    def ok(self) -> int:
        """Calls that were answered as KATO does, openings left out."""
        return int((self.observed["outcome"] == OUTCOMES.index("ok")).sum())

    @property
    def observed(self) -> Any:
        """The calls of the plan."""
        return self.calls[self.calls["call"] < REOPEN_BASE]

    @property
    def per_s(self) -> float:
        """Ok calls a second."""
        return self.ok / self.lasted_s


def generate(url: str, load: Load, core: int, integration: str = "fast", **more: Any) -> Generated:
    """Drive `load` against `url` from a generator on `core`; `more` goes into its order."""
    with tempfile.TemporaryDirectory() as place:
        spool = Path(place) / "generator-0.raw"
        order = {**_prepare(url, integration, spool), **more}
        part = start_generator("the generator", order, Path(place) / "log")
        try:
            os.sched_setaffinity(part.child.process.pid, {core})
            part.channel.send(order)
            part.expect("ready")
            start_ns = time.monotonic_ns() + START_IN_NS
            part.channel.send(_start(load, start_ns))
            while part.expect("progress", "done")["event"] != "done":
                pass
        finally:
            with suppress(OSError):
                part.stop()
        found = read_spool(spool)
        return Generated(*(found.records(layout) for layout in (CALLS, ATTEMPTS, SAMPLES)), load.for_ns / 1e9)


def _prepare(url: str, integration: str, spool: Path) -> Mapping[str, Any]:
    entry = resolve(integration)
    context = {"headers": {}, "policy": entry.policy, "scale": 1.0, "seed": 1}
    return {"do": "prepare", "use": integration, "runtime": entry.runtime, "python": "", "inspect": [], "base_url": url,
            "context": context, "spool": str(spool), "process": "generator-0", "worker": 0}  # fmt: skip


def _start(load: Load, start_ns: int) -> Mapping[str, Any]:
    return {
        "do": "start",
        "load": asdict(load),
        "seed": 1,
        "start_ns": start_ns,
        "drain_for_ns": DRAIN_NS,
        "workers": 1,
    }


if __name__ == "__main__":
    sys.exit("a part of bench/peers.py and bench/dispatch.py")
