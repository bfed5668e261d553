"""Whether the client works at all while nothing is broken: laws about faults say nothing of one that doesn't.

Chaos engineering calls it the steady-state hypothesis (principlesofchaos.org): what isn't there before the fault can't
be shown to survive it.
"""

from __future__ import annotations

import numpy as np

from harness.laws.case import Case, once
from harness.model import Finding
from harness.stats import wilson

WORKING = 0.5
"""The share of an operation's fault-free calls that must give a result."""
RESULTS = ("ok", "degraded")


@once
def failing_without_faults(case: Case) -> tuple[tuple[str, str], ...]:
    """Each operation most of whose calls in baseline gave no result, by the whole 95 % interval, and why."""
    calls = case.calls
    quiet = calls["phase"].among("baseline") & ~case.during()
    given = calls["outcome"].among(*RESULTS)
    found = []
    for op in sorted(set(calls["op"].names)):
        mine = quiet & calls["op"].among(op)
        total, good = int(mine.sum()), int((mine & given).sum())
        if wilson(good, total).below(WORKING):
            failed = np.flatnonzero(mine & ~given)
            share = f"{total - good} of {total} calls in baseline gave no result"
            found.append((op, f"{share}, most often {_commonest(case, failed)}"))
    return tuple(found)


def _commonest(case: Case, rows: np.ndarray) -> str:
    """What the most of those calls ended with: their exception where one is on record, else error or outcome."""
    for column in ("detail", "error", "outcome"):
        words = case.calls[column]
        name = words.names[int(np.bincount(words.codes[rows]).argmax())]
        if name:
            return str(name)
    return "nothing on record"


def not_working(case: Case) -> tuple[Finding, ...]:
    """A finding for each operation that fails without any fault."""
    cure = "make it work on a healthy KATO first; whatever the laws say of it is about a client that doesn't"
    if len(case.history.arrivals) and not case.history.arrivals["op"].among("open_session").any():
        cure = (
            "no session was ever opened: a client that leaves that to its caller needs open_session(node_id), one that"
            " owns its sessions gets the user's id; `kato-harness init` writes an adapter where it is called otherwise"
        )
    return tuple(Finding("steady state", op, reason, cure) for op, reason in failing_without_faults(case))
