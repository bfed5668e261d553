"""Process faults of the embedded KATO: frozen, killed, or shut down in order; started again at the end."""

from __future__ import annotations

from harness.faults.felt import by_any_arrival, by_failed_attempt
from harness.faults.kind import Ask, FaultKind, Param
from harness.faults.proof import CUT, outcome_in, took_at_least

SILENCE_S = 0.15
"""A canary that waits so long for its reply has met a frozen process."""

PAUSE = FaultKind(
    name="pause",
    plane="process",
    doc="KATO accepts requests and handles none until the end of the fault, as a stopped process does",
    params=(),
    reveals=("T1", "T6", "B1", "B8", "P5"),
    effective=took_at_least(lambda params: SILENCE_S),
    felt=by_any_arrival,
    ask=lambda params: Ask(wait_s=0.3),
)

KILL = FaultKind(
    name="kill",
    plane="process",
    doc="KATO dies: connections are reset, uncommitted work is lost; it is started again at the end of the fault",
    params=(),
    reveals=("R1", "R8", "B1", "B7", "D1", "D2", "D6", "M1"),
    effective=outcome_in("connect_error", *CUT),
    felt=by_failed_attempt,
)

RESTART = FaultKind(
    name="restart",
    plane="process",
    doc="KATO shuts down in order: it accepts no more, answers what is in progress, closes idle connections, and is"
    " started again at the end of the fault",
    params=(Param("drain", "duration", 30.0, "what is in progress after so long is cut", least=0.0),),
    reveals=("R1", "R8", "D2", "D6", "I7", "M1"),
    effective=outcome_in("connect_error", *CUT),
    felt=by_failed_attempt,
)
