"""Which arrival belongs to which call (design, "The path of one operation").

By attempt header; else by session, operation and time, when exactly one call of that session was under way. An arrival
that fits two calls belongs to none, and so does one that carries another payload than the call's own attempts did (a
client that replays older observations in the background).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.evidence.table import Table, Words

SLACK_NS = 5_000_000
"""A request that a client gave up may still be on its way for this long on loopback."""


def pair_arrivals(arrivals: Table, calls: Table, uncertainty_ns: int = 0) -> Table:
    """The arrivals with `call` filled where it can be told, and `paired_by` header, time or ''.

    `uncertainty_ns`: how far the clocks of callers and witness may be apart.
    """
    call: NDArray[np.int64] = np.array(arrivals["call"], np.int64)
    by = np.where(call > 0, 1, 0).astype(np.int32)
    unknown = np.flatnonzero(call == 0)
    if len(unknown):
        found = _by_time(arrivals.where(unknown), calls, uncertainty_ns)
        found[_of_another(arrivals, call, unknown, found)] = 0
        call[unknown] = found
        by[unknown[found > 0]] = 2
    columns: dict[str, Any] = {**arrivals.columns, "call": call, "paired_by": Words(by, ("", "header", "time"))}
    return Table(columns)


def _of_another(
    arrivals: Table, call: NDArray[np.int64], unknown: NDArray[np.intp], found: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Those of `unknown` whose found call has sent something else under its own name."""
    named = np.flatnonzero((call > 0) & np.isin(call, found))
    sent: dict[int, set[int]] = {}
    for owner, payload in zip(call[named].tolist(), arrivals["payload"][named].tolist(), strict=True):
        sent.setdefault(owner, set()).add(payload)
    pairs = zip(found.tolist(), arrivals["payload"][unknown].tolist(), strict=True)
    return np.array([owner in sent and payload not in sent[owner] for owner, payload in pairs], bool)


def _by_time(arrivals: Table, calls: Table, uncertainty_ns: int) -> NDArray[np.int64]:
    """For each arrival the one call of its session and operation that was under way, else 0."""
    found = np.zeros(len(arrivals), np.int64)
    by_key: dict[tuple[str, str], list[int]] = {}
    for row, key in enumerate(zip(calls["session"].tolist(), calls["op"].tolist(), strict=True)):
        by_key.setdefault(key, []).append(row)
    start, end, ids = calls["start_ns"] - uncertainty_ns, calls["end_ns"] + SLACK_NS + uncertainty_ns, calls["call"]
    sessions, ops, times = arrivals["session"].tolist(), arrivals["op"].tolist(), arrivals["arrive_ns"]
    for at in range(len(arrivals)):
        rows = np.array(by_key.get((sessions[at], ops[at]), ()), np.int64)
        fits = rows[(start[rows] <= times[at]) & (times[at] <= end[rows])] if len(rows) else rows
        if len(fits) == 1:
            found[at] = ids[fits[0]]
    return found
