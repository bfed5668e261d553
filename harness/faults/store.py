"""Store faults: one of KATO's stores is refused, hung, slow, failing, or comes back empty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.faults.felt import by_any_arrival
from harness.faults.kind import REQUIRED, Ask, FaultKind, Param, Probe, Toxic, ms
from harness.faults.proof import TIMER_SHARE

MODES = ("refused", "hung", "slow", "error", "restarted_empty")
STORES = ("redis", "clickhouse", "qdrant")
BROKEN = ("connect_error", "reset", "protocol_error")


def effective(params: Mapping[str, Any], probes: Sequence[Probe]) -> bool:
    """hung: silence; slow: the store's delay; otherwise an error, of HTTP (the embedded KATO's) or of the network."""
    if params["mode"] == "hung":
        return any(probe.outcome == "read_timeout" for probe in probes)
    if params["mode"] == "slow":
        return any(probe.took_s >= params["slow"] * TIMER_SHARE for probe in probes)
    return any(probe.status >= 400 or probe.outcome in BROKEN for probe in probes)


def toxics(params: Mapping[str, Any]) -> tuple[Toxic, ...] | None:
    """How the network before a real store imitates a mode; None where it can't (a store that comes back empty)."""
    return {
        "refused": (),
        "hung": (Toxic("timeout", "upstream", {"timeout": 0}),),
        "slow": (Toxic("latency", "downstream", {"latency": ms(params["slow"]), "jitter": 0}),),
        "error": (Toxic("reset_peer", "downstream", {"timeout": 0}),),
    }.get(params["mode"])


STORE = FaultKind(
    name="store",
    plane="store",
    doc="one of KATO's stores fails; what KATO then answers was recorded from a real one",
    params=(
        Param("store", "choice", REQUIRED, "which store", STORES),
        Param("mode", "choice", "refused", "how it fails", MODES),
        Param("slow", "duration", 2.0, "its delay in mode slow", least=0.001),
    ),
    reveals=("D1", "D5", "D6", "H2", "H3", "R2", "B3"),
    effective=effective,
    felt=by_any_arrival,
    toxics=toxics,
    ask=lambda params: Ask(wait_s=2 * params["slow"] + 0.5 if params["mode"] == "slow" else 0.5),
)
