"""The clock of another host: its times in ours, and how surely.

Beside the spool of a worker on another machine lies a file of readings (harness/load/roundtrip.py), taken before the
load, every few seconds, and at its end. Between two of them the offset is taken to change evenly.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

CLEAR = 4
"""A reading whose trip took more than so many times that of the best one says less than its neighbours do."""
DRIFT = 100e-6
"""Quartz clocks are off by at most so much (s/s); between two readings the offset may stray from the line by that."""


@dataclass(frozen=True, slots=True)
class HostClock:
    """Readings of the clock of `host` in their order: at its time `at_ns` it was ahead of ours by `offset_ns`, give or
    take `half_rtt_ns`."""

    host: str
    at_ns: Ints
    offset_ns: Ints
    half_rtt_ns: Ints

    def ours(self, theirs: Ints) -> Ints:
        """Times of that clock on ours (ns); 0 stays 0, as it says that there is none."""
        # floats carry the differences only: a host that is up for months counts more ns than a float holds
        after = (theirs - self.at_ns[0]).astype(float)
        change = np.interp(after, (self.at_ns - self.at_ns[0]).astype(float), self.offset_ns - self.offset_ns[0])
        shifted: Ints = np.where(theirs == 0, 0, theirs - self.offset_ns[0] - np.rint(change).astype(np.int64))
        return shifted

    @property
    def uncertainty_ns(self) -> int:
        """How far a time on our clock may be off: half the longest trip, and what the clocks drifted between two."""
        strayed = int(np.abs(np.diff(self.offset_ns)).max(initial=0))
        apart = int(np.diff(self.at_ns).max(initial=0))
        return int(self.half_rtt_ns.max()) + max(strayed, round(DRIFT * apart))

    @property
    def drift_ns(self) -> int:
        """What the offset changed by, from the first reading to the last."""
        return int(self.offset_ns[-1] - self.offset_ns[0])

    def facts(self, process: str) -> dict[str, Any]:
        """For the manifest."""
        return {
            "process": process,
            "host": self.host,
            "offset_ns": int(self.offset_ns[0]),
            "uncertainty_ns": self.uncertainty_ns,
            "drift_ns": self.drift_ns,
            "readings": len(self.at_ns),
        }


def clock_beside(spool: Path) -> HostClock | None:
    """The clock that a spool's times are of; None where it is ours. A torn last reading is left out."""
    path = spool.with_suffix(".clock")
    lines = path.read_text().split("\n")[:-1] if path.exists() else []
    rows = sorted((json.loads(line) for line in lines), key=lambda row: row["at_ns"])
    if not rows:
        return None
    bound = CLEAR * min(row["half_rtt_ns"] for row in rows)
    clear = [row for row in rows if row["half_rtt_ns"] <= bound]
    columns = {name: np.array([row[name] for row in clear], np.int64) for name in ("at_ns", "offset_ns", "half_rtt_ns")}
    return HostClock(clear[0]["host"], **columns)


def hosts_of(spools: Path) -> list[dict[str, Any]]:
    """What the manifest says of the clocks of other hosts."""
    found = [(path.stem, clock_beside(path)) for path in sorted(spools.glob("*.raw"))]
    return [clock.facts(process) for process, clock in found if clock is not None]
