"""The plane of registry faults, and the look that proves them: a query of our own."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from harness.dns import NO_ERROR, NO_SUCH_NAME, A, DnsError, Question, ask, parse_answer
from harness.errors import UsageError
from harness.faults import KINDS, Probe
from harness.faults.registry import MOVED
from harness.model import Fault

LOOK_WITHIN_S = 5.0


class StandIn(Protocol):
    """A registry of ours."""

    def misbehave(self, mode: str, slow_s: float = 0.0) -> None:
        """Answer wrongly from now on; '' ends that."""
        ...


@dataclass(slots=True)
class RegistryPlane:
    """Carries faults of the registry; of several at once the one that began last acts. `stand_in` is None where the
    registry is a real one, which tells no lies."""

    stand_in: StandIn | None
    modes: tuple[str, ...]
    where: str = "registry"
    active: list[Fault] = field(default_factory=list)

    def apply(self, fault: Fault) -> None:
        """Make the registry answer wrongly; raises UsageError for what this one can't."""
        mode = fault.params["mode"]
        if self.stand_in is None or mode not in self.modes:
            can = ", ".join(self.modes) if self.stand_in else "only TCP faults: `only: {part: registry}`"
            raise UsageError(f"fault {fault.name}: this registry can't be {mode}", f"it can be {can}")
        self.active.append(fault)
        self._act()

    def clear(self, fault: Fault) -> None:
        """Undo one fault; an earlier one acts again."""
        if fault in self.active:
            self.active.remove(fault)
            self._act()

    def _act(self) -> None:
        assert self.stand_in is not None
        if self.active:
            params = KINDS["registry"].complete(self.active[-1].params)
            self.stand_in.misbehave(params["mode"], params["slow"])
        else:
            self.stand_in.misbehave("")


def dns_look(
    server: tuple[str, int], name: str, at_first: Sequence[str], now_ns: Callable[[], int], within_s: float
) -> Probe:
    """One query as a probe: 200 with the addresses as JSON, 500 where the server says that it failed."""
    start_ns = now_ns()
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(within_s)
            sock.sendto(ask(Question(1, name, A)), server)
            told = parse_answer(sock.recv(2048))
    except (OSError, DnsError):
        return Probe(start_ns, now_ns(), "read_timeout")
    known = told.code in (NO_ERROR, NO_SUCH_NAME)
    moved = {MOVED: "1"} if known and told.addresses and set(told.addresses) != set(at_first) else {}
    body = json.dumps(list(told.addresses)).encode()
    return Probe(start_ns, now_ns(), status=200 if known else 500, headers=moved, body=body, size=len(body))
