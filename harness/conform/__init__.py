"""Is a server a KATO? Recorded cases replayed against it, and new ones recorded from it."""

from __future__ import annotations

import time
from pathlib import Path

from harness import contracts
from harness.conform.contract import Case, load_cases
from harness.conform.exchanges import askable, load_exchanges
from harness.conform.record import record
from harness.conform.replay import Send, replay, replay_exchanges
from harness.conform.report import ConformReport, LeftOut, Row
from harness.conform.schema import NOT_IMITATED, check_schema
from harness.conform.wire import sender

__all__ = ["Case", "ConformReport", "LeftOut", "Row", "Send", "conform", "load_cases", "record", "replay"]


def conform(url: str, cases: Path | None = None, release: str = contracts.LATEST) -> ConformReport:
    """Replay the cases of a file, or all that is shipped of a release, against the server at `url`.

    Raises UsageError for a bad URL or file, PartMissing where nobody answers.
    """
    with sender(url) as send:
        if cases is not None:
            return ConformReport(url, tuple(replay(load_cases(cases), send, time.sleep)))
        exchanges, left_out = askable(load_exchanges(release))
        rows = (*replay(load_cases(release=release), send, time.sleep), *replay_exchanges(exchanges, send, time.sleep))
        return ConformReport(url, (*rows, check_schema(send, release)), (*left_out, *NOT_IMITATED))
