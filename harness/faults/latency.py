"""Latency: each burst of bytes is held back for a while, with jitter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.faults.felt import by_slow_attempt
from harness.faults.kind import REQUIRED, Ask, FaultKind, Param, Toxic, direction, ms, toxics_of
from harness.faults.proof import took_at_least


def telling_s(params: Mapping[str, Any]) -> float:
    """A duration of one exchange (s) that only the delay explains, and that it reaches soon whatever the jitter."""
    ways = 2 if params["direction"] == "both" else 1
    return float(ways * max(params["latency"] - params["jitter"], params["latency"] / 2))


def toxics(params: Mapping[str, Any]) -> tuple[Toxic, ...]:
    return toxics_of("latency", params, latency=ms(params["latency"]), jitter=ms(params["jitter"]))


def check(params: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        ("jitter is larger than latency, which would be clipped at zero",)
        if params["jitter"] > params["latency"]
        else ()
    )


LATENCY = FaultKind(
    name="latency",
    plane="toxiproxy",
    doc="each burst of bytes waits for latency ± jitter (uniform), once a burst and direction",
    params=(
        Param("latency", "duration", REQUIRED, "how long a burst waits", least=0.001),
        Param("jitter", "duration", 0.0, "uniform spread around it, drawn for each burst", least=0.0),
        direction(),
    ),
    reveals=("T1", "T4", "T5", "B8", "P1"),
    effective=took_at_least(telling_s),
    felt=by_slow_attempt(telling_s),
    toxics=toxics,
    ask=lambda params: Ask(wait_s=2 * (params["latency"] + params["jitter"]) + 0.5),
    check=check,
)
