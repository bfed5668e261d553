"""Registry faults: Consul or DNS answers, and wrongly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.faults.felt import by_failed_attempt
from harness.faults.kind import REQUIRED, Ask, FaultKind, Param, Probe
from harness.faults.proof import TIMER_SHARE

MODES = ("missing", "error", "slow", "moved")
NOBODY = b"[]"
"""The body of a look-up that found no instance; a look at DNS gives its addresses in the same form."""

MOVED = "x-moved"
"""The header by which a look at DNS tells that the addresses are others than at first."""


def effective(params: Mapping[str, Any], probes: Sequence[Probe]) -> bool:
    """missing: nobody is named; error: the registry says so; slow: the delay; moved: other addresses."""
    mode = params["mode"]
    if mode == "missing":
        return any(probe.status == 200 and probe.body.strip() == NOBODY for probe in probes)
    if mode == "error":
        return any(probe.status >= 500 for probe in probes)
    if mode == "slow":
        return any(probe.took_s >= params["slow"] * TIMER_SHARE for probe in probes)
    return any(MOVED in probe.headers for probe in probes)


REGISTRY = FaultKind(
    name="registry",
    plane="registry",
    doc="the registry of topology.discovery answers wrongly (TCP faults reach Consul by `only: {part: registry}`)",
    params=(
        Param("mode", "choice", REQUIRED, "no instance, an error, a late answer, or (DNS) another address", MODES),
        Param("slow", "duration", 2.0, "its delay in mode slow", least=0.001),
    ),
    reveals=("S3", "S4", "T1"),
    effective=effective,
    felt=by_failed_attempt,
    ask=lambda params: Ask(wait_s=2 * params["slow"] + 0.5 if params["mode"] == "slow" else 0.5),
)
