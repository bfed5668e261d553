"""A run from end to end: the only part that does I/O on purpose (design, "The flow of a run")."""

from __future__ import annotations

from harness.run.options import Options
from harness.run.shipped import shipped_scenario

__all__ = ["Options", "shipped_scenario"]
