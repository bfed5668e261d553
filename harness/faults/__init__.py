"""The catalogue of fault kinds: one line a kind in KINDS registers it, in the order shown to users."""

from __future__ import annotations

from harness.faults.bandwidth import BANDWIDTH
from harness.faults.bodies import EMPTY_BODY, HUGE_BODY, MALFORMED, WRONG_CONTENT_TYPE
from harness.faults.broker import BROKER_DOWN, KILL_SUBJECT, POISON
from harness.faults.delay import DELAY
from harness.faults.drip import DRIP
from harness.faults.external import EXTERNAL
from harness.faults.kind import Ask, FaultKind, Param, Probe, Toxic
from harness.faults.latency import LATENCY
from harness.faults.limit_data import LIMIT_DATA
from harness.faults.lost_reply import COMMIT_THEN_DROP, COMMIT_THEN_STATUS, DROP_BEFORE_COMMIT
from harness.faults.process import KILL, PAUSE, RESTART
from harness.faults.quota import QUOTA
from harness.faults.refuse import REFUSE
from harness.faults.registry import REGISTRY
from harness.faults.reset_peer import RESET_PEER
from harness.faults.sequence import SEQUENCE
from harness.faults.slicer import SLICER
from harness.faults.slow_close import SLOW_CLOSE
from harness.faults.status import STATUS
from harness.faults.store import STORE
from harness.faults.timeout import TIMEOUT
from harness.faults.truncate import TRUNCATE

REGISTERED = (
    LATENCY,
    BANDWIDTH,
    SLOW_CLOSE,
    TIMEOUT,
    RESET_PEER,
    SLICER,
    LIMIT_DATA,
    REFUSE,
    STATUS,
    DELAY,
    DRIP,
    TRUNCATE,
    MALFORMED,
    EMPTY_BODY,
    WRONG_CONTENT_TYPE,
    HUGE_BODY,
    COMMIT_THEN_DROP,
    COMMIT_THEN_STATUS,
    DROP_BEFORE_COMMIT,
    SEQUENCE,
    QUOTA,
    PAUSE,
    KILL,
    RESTART,
    STORE,
    REGISTRY,
    BROKER_DOWN,
    POISON,
    KILL_SUBJECT,
    EXTERNAL,
)

KINDS: dict[str, FaultKind] = {kind.name: kind for kind in REGISTERED}
"""Every kind by its name in scenarios."""

__all__ = ["KINDS", "Ask", "FaultKind", "Param", "Probe", "Toxic"]
