"""Truncation: the reply ends before its announced length."""

from __future__ import annotations

from harness.faults.felt import by_arrival
from harness.faults.kind import Ask, FaultKind, Param
from harness.faults.proof import CUT, reply_like

TRUNCATE = FaultKind(
    name="truncate",
    plane="witness",
    doc="KATO does the work; of its reply's body only the first bytes come, then the connection ends",
    params=(Param("after", "bytes", 10, "body bytes that come", least=0),),
    reveals=("D7", "R8", "D2", "F2"),
    effective=reply_like(lambda params, probe: probe.outcome in CUT and probe.size <= params["after"]),
    felt=by_arrival,
    ask=lambda params: Ask(down_bytes=params["after"] + 10),
)
