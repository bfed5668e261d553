"""What counts as being back after a fault: the calls' usual errors and service time, as they were before it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.evidence.table import Mask
from harness.laws.case import Case, Ints, once
from harness.laws.writes import committed_ns, strays
from harness.stats import excess

POINTS = 0.05
"""How much larger the share of failed calls may be than in peace (laws.md, M1)."""

LEAST_A_WINDOW = 4
"""Calls a window below which its share of errors says nothing."""

WORKING = ("observe", "predict", "learn")
BEHIND = 0.5
"""The share of calls put aside in peace above which an operation is meant to be so: a write-behind client."""


@dataclass(frozen=True, slots=True)
class Service:
    """How each call was served. `ok`: by KATO itself; `given`: or by a substitute; `took`: how long that took (ns).

    A write-behind client puts every write aside and says so: one of those is served when KATO commits it.
    """

    ok: Mask
    given: Mask
    took: Ints


@dataclass(frozen=True, slots=True)
class Band:
    """What counts as being back: as many of the baseline's `calls` KATO didn't serve, and so many got nothing at all;
    and this median service time (ns)."""

    calls: int
    lost: int
    without: int
    median_ns: float

    @property
    def errors(self) -> float:
        """The share of the baseline's calls that KATO didn't serve."""
        return self.lost / self.calls


def working(case: Case) -> Mask:
    """The calls that do what a client is for; sessions are opened when they are needed."""
    return case.calls["op"].among(*WORKING)  # type: ignore[no-any-return]


@once
def service_of(case: Case) -> Service:
    """How the calls were served."""
    calls = case.calls
    ok, given = calls["outcome"].among("ok"), calls["outcome"].among("ok", "degraded")
    took = calls["end_ns"] - calls["start_ns"]
    for op in written_behind(case):
        mine, done = calls["op"].among(op), committed_ns(case, op)
        ok = np.where(mine, given & (done >= 0), ok)
        given = np.where(mine, ok, given)
        took = np.where(mine & ok, np.maximum(took, done - calls["start_ns"]), took)
    return Service(ok, given, took)


@once
def written_behind(case: Case) -> tuple[str, ...]:
    """The writes that are put aside in peace already."""
    calls, peace = case.calls, case.history.calls_in("baseline")
    aside = calls["outcome"].among("degraded")
    shares = {op: aside[peace & calls["op"].among(op)] for op in ("observe", "learn")}
    return tuple(op for op, share in shares.items() if len(share) and share.mean() > BEHIND)


def band_of(case: Case) -> Band | None:
    """laws.md, M1: errors at most the baseline's + POINTS, p50 at most twice the baseline's + 10 ms; None
    where too few calls tell, or nobody sees when what is put aside was committed. Calls that a fault caught half-way
    tell nothing of peace."""
    rows = np.flatnonzero(case.history.calls_in("baseline") & working(case) & ~case.during())
    service = service_of(case)
    seen = service.ok[rows[case.calls["op"].among(*written_behind(case))[rows]]]
    if len(rows) < 5 * LEAST_A_WINDOW or (len(seen) and seen.mean() < BEHIND):
        return None
    lost, without = int((~service.ok[rows]).sum()), int((~service.given[rows]).sum())
    return Band(len(rows), lost, without, 2 * float(np.median(service.took[rows])) + 10e6)


def within(band: Band, case: Case, rows: Ints, lag_ns: int = 0) -> bool:
    """Whether these calls, of one second or of several, are in band."""
    service = service_of(case)
    served = service.took[rows][service.ok[rows]]
    quick = not len(served) or float(np.median(served)) <= band.median_ns + lag_ns
    return quick and not failing(band, case, rows)


def failing(band: Band, case: Case, rows: Ints) -> bool:
    """Whether more of these calls failed than in peace, + POINTS, by the whole interval of the difference: a client
    that fails one call in nine in peace has two of ten fail in every third second."""
    service = service_of(case)
    lost, without = int((~service.ok[rows]).sum()), int((~service.given[rows]).sum())
    more = excess(lost, len(rows), band.lost, band.calls), excess(without, len(rows), band.without, band.calls)
    return any(interval.above(POINTS) for interval in more)


def untold(case: Case, rows: Ints) -> bool:
    """Whether commits that belong to no one call may be all that is missing of these calls."""
    aside = case.calls["op"].among(*written_behind(case)) & ~service_of(case).ok
    missing = int(aside[rows].sum())
    return 0 < missing <= strays(case, *written_behind(case))
