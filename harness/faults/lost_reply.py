"""Replies that are lost around the commit: dropped after it, replaced after it, or dropped before it."""

from __future__ import annotations

from harness.faults.felt import by_arrival
from harness.faults.kind import FaultKind, Param
from harness.faults.proof import CUT, outcome_in, reply_like

HOW = Param("how", "choice", "close", "close (a clean end) or reset (a TCP reset)", ("close", "reset"))

COMMIT_THEN_DROP = FaultKind(
    name="commit_then_drop",
    plane="witness",
    doc="KATO commits, and the connection ends before a byte of the reply",
    params=(HOW,),
    reveals=("R8", "D2", "D3", "D6", "T6"),
    effective=outcome_in(*CUT),
    felt=by_arrival,
)

COMMIT_THEN_STATUS = FaultKind(
    name="commit_then_status",
    plane="witness",
    doc="KATO commits, and the reply is an error",
    params=(Param("status", "int", 500, "the HTTP status", least=400),),
    reveals=("R8", "D2", "F2"),
    effective=reply_like(lambda params, probe: probe.status == params["status"]),
    felt=by_arrival,
)

DROP_BEFORE_COMMIT = FaultKind(
    name="drop_before_commit",
    plane="witness",
    doc="the connection ends before KATO hears of the request",
    params=(HOW,),
    reveals=("D1", "D3", "F2", "R1"),
    effective=outcome_in(*CUT),
    felt=by_arrival,
)
