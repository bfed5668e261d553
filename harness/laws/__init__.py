"""The catalogue: importing this package registers every law, in the order of laws.md."""

from __future__ import annotations

from harness.laws import timeouts
from harness.laws.registry import LAWS, Law, judge_all

__all__ = ["LAWS", "Law", "judge_all", "timeouts"]
