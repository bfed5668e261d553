"""Status: an error reply instead of KATO's, nothing committed."""

from __future__ import annotations

from harness.faults.felt import by_arrival
from harness.faults.kind import FaultKind, Param
from harness.faults.proof import reply_like

STATUS = FaultKind(
    name="status",
    plane="witness",
    doc="a reply with this status instead of KATO's; nothing is committed",
    params=(
        Param("status", "int", 503, "the HTTP status", least=400),
        Param("retry_after", "retry_after", None, "Retry-After: seconds, or {date: seconds} as an HTTP date"),
        Param("body", "text", "kato", "kato (a body as KATO's), none, or the text itself"),
    ),
    reveals=("B3", "R1", "R2", "R3", "R5", "R6", "R9", "I4", "F1", "F2", "F3"),
    effective=reply_like(lambda params, probe: probe.status == params["status"]),
    felt=by_arrival,
)
