"""What a verdict must not depend on: where the clock's zero lies, and whether a promise names each operation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np

from harness.evidence.history import History
from harness.evidence.table import Table
from harness.model import Span
from harness.policy import Promise, merge
from harness.policy.merge import unflatten

LATER_NS = 7_000_000_000_123
"""Nearly two hours, and no whole number of anything."""

NULLABLE = frozenset(
    f"{name}_ns"
    for name in ("ready", "headers", "reply", "disconnect", "felt", "cleared", "effective", "applied", "requested",
                 "planned", "to", "received")
)  # fmt: skip
"""Times that may be unknown, written 0; of all others 0 is a moment like any."""

PARTS = ("timeout", "retry", "breaker", "fallback")


def later(history: History) -> History:
    """The same run on a clock that began earlier."""
    tables = {item.name: getattr(history, item.name) for item in fields(history)}
    moved = {name: _later(value) for name, value in tables.items() if isinstance(value, Table)}
    spans = tuple(Span(one.name, one.start_ns + LATER_NS, one.end_ns + LATER_NS) for one in history.phases)
    steps = [{"at_ns": step["at_ns"] + LATER_NS} for step in history.facts.get("clock_steps") or ()]
    return replace(history, phases=spans, facts={**history.facts, "clock_steps": steps}, **moved)


def _later(table: Table) -> Table:
    return Table({name: _moved(name, table[name]) for name in table.columns})


def _moved(name: str, column: Any) -> Any:
    if not name.endswith("_ns") or name == "lag_ns":
        return column
    return np.where(column != 0, column + LATER_NS, 0) if name in NULLABLE else column + LATER_NS


def per_operation(promised: Promise, ops: tuple[str, ...]) -> Promise:
    """The same promise, said of each operation by itself."""
    declared, read = (_each(layer, ops) for layer in (promised.declared, promised.read))
    return merge(declared, read, {}, scale=promised.scale)


def _each(flat: Mapping[str, Any], ops: tuple[str, ...]) -> dict[str, Any]:
    shared = {key: value for key, value in flat.items() if key.split(".")[0] in PARTS}
    own = {f"calls.{op}.{key}": value for op in ops for key, value in shared.items()}
    return unflatten(own | {key: value for key, value in flat.items() if key not in shared})
