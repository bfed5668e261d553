"""Reset: connections are torn down instead of answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.faults.felt import by_failed_attempt
from harness.faults.kind import Ask, FaultKind, Param, direction, ms, toxics_of
from harness.faults.proof import outcome_in


def ask(params: Mapping[str, Any]) -> Ask:
    return Ask(wait_s=2 * params["timeout"] + 0.5)


RESET_PEER = FaultKind(
    name="reset_peer",
    plane="toxiproxy",
    doc="a TCP reset after the first bytes; on connections opened before the fault a clean end instead",
    params=(
        Param("timeout", "duration", 0.0, "how long after the first bytes", least=0.0),
        direction(),
    ),
    reveals=("R1", "R8", "D2", "D6", "B1", "B3"),
    effective=outcome_in("reset"),
    felt=by_failed_attempt,
    toxics=lambda params: toxics_of("reset_peer", params, timeout=ms(params["timeout"])),
    ask=ask,
)
