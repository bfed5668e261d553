"""Delay: the reply waits before its first byte."""

from __future__ import annotations

from harness.faults.felt import by_arrival
from harness.faults.kind import REQUIRED, Ask, FaultKind, Param
from harness.faults.proof import took_at_least

DELAY = FaultKind(
    name="delay",
    plane="witness",
    doc="KATO does the work, and its reply waits for delay before the first byte",
    params=(Param("delay", "duration", REQUIRED, "how long the reply waits", least=0.001),),
    reveals=("T1", "T4", "T5", "B8", "P1"),
    effective=took_at_least(lambda params: float(params["delay"])),
    felt=by_arrival,
    ask=lambda params: Ask(wait_s=2 * params["delay"] + 0.5),
)
