"""Faults of messaging: the broker dies, messages are poison, the consumer is killed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.faults.kind import REQUIRED, Evidence, FaultKind, FaultRow, Param, Probe
from harness.faults.proof import outcome_in

FORMS = ("bad_json", "missing_key", "unknown_session")
MOMENTS = ("now", "before_ack")
POISON_ID = "poison"
"""Ids of poison messages begin like this."""


DONE = "x-done"
"""The header by which a look at a plane tells that its fault acted."""


def done(params: Mapping[str, Any], probes: Sequence[Probe]) -> bool:
    """The plane itself knows: the broker confirmed the messages, the process is gone."""
    return any(DONE in probe.headers for probe in probes)


def by_event(*events: str) -> Any:
    """Felt at the first of these message events under the fault (ns; 0: never)."""

    def felt(history: Evidence, row: FaultRow) -> int:
        messages = history.messages  # type: ignore[attr-defined]
        times = messages["time_ns"]
        since_ns = row.get("requested_ns") or row["applied_ns"]  # a kill is felt before it is over
        under = times[messages["event"].among(*events) & (times >= since_ns)]
        return int(under.min()) if row["applied_ns"] and len(under) else 0

    return felt


BROKER_DOWN = FaultKind(
    name="broker_down",
    plane="broker",
    doc="the broker gets SIGKILL, and is started again on its data at the end (AMQP faults: `only: {part: broker}`)",
    params=(),
    reveals=("Q1", "Q2", "Q5", "Q6"),
    effective=outcome_in("connect_error", "reset", "protocol_error"),
    felt=by_event("closed"),
)

POISON = FaultKind(
    name="poison",
    plane="broker",
    doc="messages that no consumer can process are published",
    params=(
        Param("form", "choice", REQUIRED, "no JSON at all, a key missing, or a session that KATO doesn't know", FORMS),
        Param("count", "int", 1, "how many", least=1),
    ),
    reveals=("Q3", "Q1"),
    effective=done,
    felt=by_event("delivered"),
)

KILL_SUBJECT = FaultKind(
    name="kill_subject",
    plane="subject",
    doc="the service under test gets SIGKILL, and is started again at the end",
    params=(
        Param("when", "choice", "now", "now, or when it has done its work and its next ack is on its way", MOMENTS),
    ),
    reveals=("Q1", "Q2", "D2"),
    effective=done,
    felt=by_event("closed"),
)
