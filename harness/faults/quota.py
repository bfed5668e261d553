"""Quota: a token bucket answers 429 beyond its rate."""

from __future__ import annotations

from harness.faults.felt import by_arrival
from harness.faults.kind import REQUIRED, FaultKind, Param
from harness.faults.proof import reply_like

QUOTA = FaultKind(
    name="quota",
    plane="witness",
    doc="a token bucket: requests beyond rate and burst get 429 with Retry-After",
    params=(
        Param("rate", "number", REQUIRED, "requests a second that pass", least=0.001),
        Param("burst", "int", 1, "requests that may pass at once", least=1),
    ),
    reveals=("R5", "R6", "P4", "M2"),
    effective=reply_like(lambda params, probe: probe.status == 429),
    felt=by_arrival,
)
