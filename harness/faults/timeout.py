"""Time-out: a black hole; nothing passes, and the connection may be closed after a silence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.faults.felt import by_failed_attempt
from harness.faults.kind import Ask, FaultKind, Param, Probe, direction, ms, toxics_of
from harness.faults.proof import CUT, TIMER_SHARE
from harness.model import Fault

WAIT_S = 0.3
"""How long a canary waits for a sign of life."""

SILENCE_S = 0.15
"""So long without a byte is the hole, also where the end of a short fault then cuts the connection."""


def swallows_ends(fault: Fault) -> bool:
    """Would the end of a connection that the server closes be lost on its way to the client?

    Toxiproxy hands such an end on at once, though not a byte passes; a network that is a black hole does not.
    """
    return fault.kind == "timeout" and fault.params.get("direction", "downstream") != "upstream"


def effective(params: Mapping[str, Any], probes: Sequence[Probe]) -> bool:
    """Silence, and with `timeout` an end of the connection after that time."""
    least_s = params["timeout"] * TIMER_SHARE or SILENCE_S
    return any(
        probe.outcome in (*CUT, "read_timeout") and not probe.headers_ns and probe.took_s >= least_s for probe in probes
    )


TIMEOUT = FaultKind(
    name="timeout",
    plane="toxiproxy",
    doc="a black hole: bytes are dropped; downstream after KATO did the work, upstream before it hears of it",
    params=(
        Param("timeout", "duration", 0.0, "close a connection after this silence; 0: never", least=0.0),
        direction(),
    ),
    reveals=("T1", "T6", "R8", "D2", "D3", "D6", "B1"),
    effective=effective,
    felt=by_failed_attempt,
    toxics=lambda params: toxics_of("timeout", params, timeout=ms(params["timeout"])),
    ask=lambda params: Ask(wait_s=2 * params["timeout"] + WAIT_S),
)
