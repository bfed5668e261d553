"""Slow close: connections end later than the peer ended them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.faults.felt import by_any_attempt
from harness.faults.kind import REQUIRED, Ask, FaultKind, Param, Probe, direction, ms, toxics_of
from harness.faults.proof import TIMER_SHARE


def effective(params: Mapping[str, Any], probes: Sequence[Probe]) -> bool:
    """The whole reply came, and the end of the connection that long after it."""
    least_ns = params["delay"] * 1e9 * TIMER_SHARE
    return any(probe.closed_ns and probe.closed_ns - probe.end_ns >= least_ns for probe in probes)


SLOW_CLOSE = FaultKind(
    name="slow_close",
    plane="toxiproxy",
    doc="a connection that one side ended is closed to the other only after delay",
    params=(Param("delay", "duration", REQUIRED, "how long the end is held back", least=0.001), direction()),
    reveals=("T1", "P2"),
    effective=effective,
    felt=by_any_attempt,
    toxics=lambda params: toxics_of("slow_close", params, delay=ms(params["delay"])),
    ask=lambda params: Ask(wait_s=2 * params["delay"] + 0.5, until_close=True),
)
