"""Refused: nobody listens; open connections are cut."""

from __future__ import annotations

from harness.faults.felt import by_failed_attempt
from harness.faults.kind import FaultKind
from harness.faults.proof import outcome_in

REFUSE = FaultKind(
    name="refuse",
    plane="toxiproxy",
    doc="the proxy is disabled: new connections are refused, open ones are cut",
    params=(),
    reveals=("B1", "B3", "B4", "B6", "B7", "R1", "R6", "R9", "M1", "F1", "F2", "F4", "S1"),
    effective=outcome_in("connect_error"),
    felt=by_failed_attempt,
    toxics=lambda params: (),
)
