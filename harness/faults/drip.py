"""Drip: the body comes in pieces, one every so often."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.faults.felt import by_arrival
from harness.faults.kind import REQUIRED, Ask, FaultKind, Param, Probe
from harness.faults.proof import TIMER_SHARE

GAPS = 2
"""This many pauses prove a drip; the canary need not wait for the rest."""


def effective(params: Mapping[str, Any], probes: Sequence[Probe]) -> bool:
    """The headers came, then pieces with at least the promised pause between them."""
    least_ns = params["every"] * 1e9 * TIMER_SHARE
    return any(_gaps(probe, least_ns) >= GAPS for probe in probes)


def _gaps(probe: Probe, least_ns: float) -> int:
    pairs = zip(probe.chunks_ns, probe.chunks_ns[1:], strict=False)
    return sum(later - earlier >= least_ns for earlier, later in pairs)


DRIP = FaultKind(
    name="drip",
    plane="witness",
    doc="headers at once, then the body in at least total pieces of so many bytes, one every so often",
    params=(
        Param("bytes", "bytes", 1, "size of a piece", least=1),
        Param("every", "duration", REQUIRED, "pause between pieces", least=0.001),
        Param("total", "int", 20, "the body is padded with white space to at least this many pieces", least=2),
    ),
    reveals=("T1", "T2"),
    effective=effective,
    felt=by_arrival,
    ask=lambda params: Ask(wait_s=(GAPS + 2) * params["every"] + 0.5, down_bytes=2),
)
