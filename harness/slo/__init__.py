"""Service level objectives: one line each, parsed without numpy, judged on a History (`harness.slo.judge`)."""

from __future__ import annotations

from harness.slo.grammar import Slo, parse, write

__all__ = ["Slo", "parse", "write"]
