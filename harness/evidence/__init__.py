"""The judging side's view of a run: columns read from the run folder."""

from __future__ import annotations

from harness.evidence.run import Run, read_manifest, read_run

__all__ = ["Run", "read_manifest", "read_run"]
