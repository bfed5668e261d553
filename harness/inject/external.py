"""The plane of external faults: the user's own commands, leased like our proxies."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field

from harness.errors import UsageError
from harness.faults import Probe
from harness.inject.lease import Leases
from harness.model import Fault

COMMAND_WITHIN_S = 120.0
PROOF_WITHIN_S = 10.0


@dataclass(slots=True)
class ExternalPlane:
    """Applies a fault by its command `apply` and undoes it by `undo`, each run by a shell."""

    leases: Leases
    where: str = "external"
    taken: dict[tuple[str, int], int] = field(default_factory=dict)

    def apply(self, fault: Fault) -> None:
        """Write the undo down, then run the command; raises UsageError when it fails (it is undone all the same)."""
        undo = {"undo": "command", "fault": fault.name, "command": fault.params["undo"]}
        self.taken[fault.name, fault.at_ns] = self.leases.take(undo)
        _run(fault, "apply")

    def clear(self, fault: Fault) -> None:
        """Run the undo command; when it fails the lease stays, and the watchdog tries again."""
        _run(fault, "undo")
        self.leases.release(self.taken.pop((fault.name, fault.at_ns)))


def _run(fault: Fault, which: str) -> None:
    command = fault.params[which]
    try:
        done = subprocess.run(
            command, shell=True, timeout=COMMAND_WITHIN_S, capture_output=True, text=True, check=False
        )
    except subprocess.TimeoutExpired as error:
        what = f"fault {fault.name}: its {which} command did not end within {COMMAND_WITHIN_S:g} s: {command}"
        raise UsageError(what, "make it end by itself, or put a timeout in it") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()[-500:] or "(it said nothing)"
        what = f"fault {fault.name}: its {which} command ended with {done.returncode}: {command}\n    {said}"
        raise UsageError(what, "run it by hand; correct it in the scenario")


def command_look(fault: Fault, now_ns: Callable[[], int]) -> Probe:
    """The proof command of a fault as a probe: a whole reply when it ends with 0."""
    start_ns = now_ns()
    try:
        done = subprocess.run(
            fault.params["proof"], shell=True, timeout=PROOF_WITHIN_S, capture_output=True, check=False
        )
        outcome = "" if done.returncode == 0 else "protocol_error"
    except subprocess.TimeoutExpired:
        outcome = "read_timeout"
    return Probe(start_ns, now_ns(), outcome)
