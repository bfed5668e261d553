"""Slicer: bytes come in small pieces with pauses between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.faults.felt import by_any_attempt
from harness.faults.kind import REQUIRED, Ask, FaultKind, Param, Probe, direction, toxics_of
from harness.faults.proof import TIMER_SHARE

PIECES = 8
"""A canary's body is at least this many pieces."""


def effective(params: Mapping[str, Any], probes: Sequence[Probe]) -> bool:
    """The exchange lasted as long as the pauses of its body's pieces."""
    return any(probe.took_s >= PIECES * params["delay"] * TIMER_SHARE for probe in probes)


def ask(params: Mapping[str, Any]) -> Ask:
    size = PIECES * 2 * (params["average_size"] + params["size_variation"])
    up = params["direction"] == "upstream"
    # A reply's head has some 150 bytes too; the canary need not wait for all of it.
    wait_s = 4 * PIECES * params["delay"] + 0.5
    return Ask(wait_s=wait_s, down_bytes=2 if up else size, up_bytes=size if up else 0)


def check(params: Mapping[str, Any]) -> tuple[str, ...]:
    small = params["size_variation"] < params["average_size"]
    return () if small else ("size_variation must be smaller than average_size",)


SLICER = FaultKind(
    name="slicer",
    plane="toxiproxy",
    doc="bytes pass in pieces of average_size ± size_variation with a delay after each; also the headers",
    params=(
        Param("average_size", "bytes", 1, "size of a piece", least=1),
        Param("size_variation", "bytes", 0, "spread of that size; less than average_size", least=0),
        Param("delay", "duration", REQUIRED, "pause after each piece", least=0.000001),
        direction(),
    ),
    reveals=("T1", "T2"),
    effective=effective,
    felt=by_any_attempt,
    toxics=lambda params: toxics_of(
        "slicer",
        params,
        average_size=params["average_size"],
        size_variation=params["size_variation"],
        delay=round(params["delay"] * 1_000_000),
    ),
    ask=ask,
    check=check,
)
