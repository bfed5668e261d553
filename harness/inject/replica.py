"""The plane of process faults where there are several instances: a dead one's proxy refuses, as its address would.

Toxiproxy accepts for a dead upstream and closes then, which no balancer, mesh or client can tell from a lost request.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from harness.faults import KINDS
from harness.inject.http import WitnessPlane
from harness.inject.tcp import ToxiproxyPlane
from harness.model import Fault

ANSWERED_WITHIN_S = 2.0
"""What is in progress for longer keeps its proxy open, whatever a shutdown in order may take."""

POLL_S = 0.005


@dataclass(slots=True)
class ReplicaPlane:
    """Carries pause, kill and restart of instances behind proxies of their own; `sleep` waits for a drained one."""

    witness: WitnessPlane
    proxies: ToxiproxyPlane
    sleep: Callable[[float], None]
    where: str = "witness"

    def apply(self, fault: Fault) -> None:
        """Make the fault act; it does when this returns, and nothing that is answered in order was cut."""
        self.witness.apply(fault)
        if fault.kind == "kill" or (fault.kind == "restart" and self._idle(fault)):
            self.proxies.apply(_refusal(fault))

    def clear(self, fault: Fault) -> None:
        """Start it again, then let connections through."""
        self.witness.clear(fault)
        if (refusal := _refusal(fault)) in self.proxies.active:
            self.proxies.clear(refusal)

    def _idle(self, fault: Fault) -> bool:
        """Wait until what a shutdown found in progress is answered; False where that takes too long."""
        within_s = min(ANSWERED_WITHIN_S, KINDS["restart"].complete(fault.params)["drain"])
        for _ in range(1 + round(within_s / POLL_S)):
            if self.witness.connections(fault) == 0:
                return True
            self.sleep(POLL_S)
        return self.witness.connections(fault) == 0


def _refusal(fault: Fault) -> Fault:
    return replace(fault, kind="refuse", params={})
