"""Is a server a KATO? Recorded cases replayed against it, and new ones recorded from it."""

from __future__ import annotations

import time
from pathlib import Path

from harness.conform.contract import Case, load_cases
from harness.conform.replay import Send, replay
from harness.conform.report import ConformReport, LeftOut, Row
from harness.conform.wire import sender

__all__ = ["Case", "ConformReport", "LeftOut", "Row", "Send", "conform", "load_cases", "replay"]


def conform(url: str, cases: Path | None = None) -> ConformReport:
    """Replay the cases of a file, or all that is shipped, against the server at `url`.

    Raises UsageError for a bad URL or file, PartMissing where nobody answers.
    """
    send = sender(url)
    return ConformReport(url, tuple(replay(load_cases(cases), send, time.sleep)))
