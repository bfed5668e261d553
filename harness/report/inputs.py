"""What a report is made from: a loaded run and its judgement, by shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from harness.evidence.history import History
from harness.model import Finding, SloResult, Verdict


class Run(Protocol):
    """A run folder that was read: its manifest as plain values and its tables as a History."""

    @property
    def folder(self) -> Path: ...
    @property
    def manifest(self) -> Mapping[str, Any]: ...
    @property
    def history(self) -> History: ...


class Judgement(Protocol):
    """What the laws and SLOs say of one run."""

    @property
    def verdicts(self) -> Sequence[Verdict]: ...
    @property
    def slos(self) -> Sequence[SloResult]: ...
    @property
    def findings(self) -> Sequence[Finding]: ...
    @property
    def exit_code(self) -> int: ...
