"""External: anybody's own fault, applied, undone and proved by the user's words."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.faults.felt import by_any_attempt
from harness.faults.kind import REQUIRED, Ask, FaultKind, Param, Probe

COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
PROOF = re.compile(
    r"(?P<what>status|time)\(\s*(?P<path>/[^\s)]*)\s*\)\s*(?P<compare>==|!=|<=|>=|<|>)\s*(?P<number>\d+(?:\.\d+)?)(?P<unit>ms|s)?"
)
UNIT_S = {"ms": 0.001, "s": 1.0}


@dataclass(frozen=True, slots=True)
class Proof:
    """`status(PATH) OP N` (0: no reply) or `time(PATH) OP DURATION` (s), asked through the harness's listener."""

    what: str
    path: str
    compare: str
    bound: float

    def holds(self, probe: Probe) -> bool:
        """True when the probe satisfies the comparison."""
        seen = probe.status if self.what == "status" else probe.took_s
        return COMPARE[self.compare](seen, self.bound)


def parse_proof(text: str) -> Proof | None:
    """The proof that `text` says, None when it is a command instead; see `check` for what is neither."""
    found = PROOF.fullmatch(text.strip())
    if not found or (found["what"] == "status") == bool(found["unit"]):
        return None
    return Proof(
        found["what"], found["path"], found["compare"], float(found["number"]) * UNIT_S.get(found["unit"], 1.0)
    )


def check(params: Mapping[str, Any]) -> tuple[str, ...]:
    """A proof that begins like an expression must be one."""
    text = params["proof"].strip()
    if re.match(r"(status|time)\s*\(", text) and parse_proof(text) is None:
        return (f"proof {text!r} is neither `status(/path) != 200` nor `time(/path) > 500ms`",)
    return ()


def effective(params: Mapping[str, Any], probes: Sequence[Probe]) -> bool:
    """The proof's expression holds for some probe; a proof that is a command is run by the plane instead."""
    proof = parse_proof(params["proof"])
    return proof is not None and any(proof.holds(probe) for probe in probes)


def ask(params: Mapping[str, Any]) -> Ask:
    proof = parse_proof(params["proof"])
    if proof is None:
        return Ask()
    return Ask(wait_s=2 * proof.bound + 0.5 if proof.what == "time" else 1.0, path=proof.path, marked=False)


EXTERNAL = FaultKind(
    name="external",
    plane="external",
    doc="the user's own fault: commands that apply and undo it, and a proof that it took effect",
    params=(
        Param("apply", "text", REQUIRED, "command that applies it; a shell runs it"),
        Param("undo", "text", REQUIRED, "command that undoes it; also run when the harness dies"),
        Param("proof", "text", REQUIRED, "status(/path) != 200, time(/path) > 500ms, or a command that ends with 0"),
    ),
    reveals=(),
    effective=effective,
    felt=by_any_attempt,
    ask=ask,
    check=check,
    destructive=True,
)
