"""What a rule is, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from harness.manifests.unit import Unit
from harness.mesh.nodes import Node
from harness.model import Finding, Severity


@dataclass(frozen=True, slots=True)
class Remark:
    """Where a rule is broken (`file:line:column`), why that matters, and the cure."""

    where: str
    reason: str
    cure: str


Check = Callable[[Unit], Iterator[Remark]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: its id is the law it serves, or its field, then a name. `gate` rules make an audit fail."""

    id: str
    title: str
    severity: Severity
    check: Check

    def findings(self, unit: Unit) -> Iterator[Finding]:
        """What the rule finds in a unit."""
        for remark in self.check(unit):
            yield Finding(self.id, remark.where, remark.reason, remark.cure, self.severity)


def whole(node: Node, name: str, default: int) -> int:
    """A whole number under `name`; the default where there is none (schemas refuse anything else)."""
    value = node.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def remark(node: Node, reason: str, cure: str) -> Remark:
    """A remark on a node."""
    return Remark(node.where, reason, cure)
