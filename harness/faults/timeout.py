"""Time-out: a black hole; nothing passes, and the connection may be closed after a silence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.faults.felt import by_failed_attempt
from harness.faults.kind import Ask, FaultKind, Param, Probe, direction, ms, toxics_of
from harness.faults.proof import CUT, TIMER_SHARE

SILENCE_S = 0.3
"""A canary that hears nothing for this long is in the hole."""


def effective(params: Mapping[str, Any], probes: Sequence[Probe]) -> bool:
    """Silence; with `timeout` also an end of the connection, after at least that time."""
    least_s = params["timeout"] * TIMER_SHARE
    ended = (*CUT, "read_timeout") if params["timeout"] else ("read_timeout",)
    return any(probe.outcome in ended and not probe.headers_ns and probe.took_s >= least_s for probe in probes)


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
    ask=lambda params: Ask(wait_s=2 * params["timeout"] + SILENCE_S),
)
