"""Comparing runs: the run is the unit, the test exact, and "can't tell" an answer. Pure."""

from __future__ import annotations

from harness.compare.answer import Comparison, Metric, Shift, compare
from harness.compare.baseline import Group, RunValues, comparable
from harness.compare.fingerprint import fingerprint
from harness.compare.order import interleaved

__all__ = ["Comparison", "Group", "Metric", "RunValues", "Shift", "comparable", "compare", "fingerprint", "interleaved"]
