"""Bandwidth: bytes pass at a limited rate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.faults.felt import by_any_attempt
from harness.faults.kind import REQUIRED, Ask, FaultKind, Param, direction, toxics_of
from harness.faults.proof import took_at_least

PROOF_S = 0.2
"""The canary moves what takes this long at the limited rate."""

PROOF_LIMIT = 1 << 20
"""… but never more than this many bytes."""


def proof_bytes(params: Mapping[str, Any]) -> int:
    """How much the canary moves; Toxiproxy's KB has 1,000 bytes (toxics/bandwidth.go)."""
    return min(int(params["rate_kbps"] * 1_000 * PROOF_S), PROOF_LIMIT)


def ask(params: Mapping[str, Any]) -> Ask:
    size = proof_bytes(params)
    up = params["direction"] == "upstream"
    return Ask(wait_s=10 * PROOF_S, down_bytes=2 if up else size, up_bytes=size if up else 0)


BANDWIDTH = FaultKind(
    name="bandwidth",
    plane="toxiproxy",
    doc="bytes pass at rate_kbps KB/s",
    params=(
        Param("rate_kbps", "int", REQUIRED, "KB/s; 0 would be a total stall, say timeout for that", least=1),
        direction(),
    ),
    reveals=("T2", "P1"),
    effective=took_at_least(lambda params: proof_bytes(params) / (params["rate_kbps"] * 1_000)),
    felt=by_any_attempt,
    toxics=lambda params: toxics_of("bandwidth", params, rate=params["rate_kbps"]),
    ask=ask,
)
