"""Answers that a client gives again without asking KATO: what it does in peace it may do during a fault, too."""

from __future__ import annotations

import numpy as np

from harness.evidence.table import Mask
from harness.laws.case import Case, Ints, names_in

OFTEN = 5
"""So many answers that were all given again are how the client works."""


def from_a_cache(case: Case) -> Mask:
    """The calls answered without an attempt as the client answers in peace, before any fault.

    Either the answer is no older than one that it gave again then, or nothing was written in its session since, and
    then the client never asked again either.
    """
    calls, tries = case.calls, case.attempts
    untried = calls["outcome"].among("degraded") & (tries.count == 0)
    first = min((window.start_ns for window in case.windows), default=case.end_ns + 1)
    peaceful: Mask = calls["end_ns"] < first
    again = untried & peaceful
    if not again.any():
        return again  # type: ignore[no-any-return]
    latest = _latest(case, tries.any(case.words["ok"]))
    known = latest >= 0
    age = np.where(known, calls["start_ns"] - calls["end_ns"][latest], np.iinfo(np.int64).max)
    oldest = age[again & known].max(initial=-1)
    writes = _writes(case)
    same = known & (writes == writes[latest])
    asked = same & peaceful & calls["op"].among(*names_in(calls["op"], again))
    until_written = asked.sum() >= OFTEN and untried[asked].all()
    return untried & ((age <= oldest) | (same & until_written))  # type: ignore[no-any-return]


def _latest(case: Case, served: Mask) -> Ints:
    """For each call the latest `served` one (row) of its session and operation before it, or −1."""
    calls = case.calls
    key = calls["session"].codes.astype(np.int64) * len(calls["op"].names) + calls["op"].codes
    order = np.lexsort((calls["start_ns"], key))
    place = np.arange(len(order))
    opens = np.maximum.accumulate(np.where(np.append(True, key[order][1:] != key[order][:-1]), place, 0))
    latest = np.append(-1, np.maximum.accumulate(np.where(served[order], place, -1))[:-1])
    found = np.full(len(calls), -1)
    known = latest >= opens
    found[order[known]] = order[latest[known]]
    return found


def _writes(case: Case) -> Ints:
    """For each call how many writes had begun by then, in its session and those sorted before it: a difference within
    a session counts its own."""
    calls = case.calls
    order = np.lexsort((calls["start_ns"], calls["session"].codes))
    found = np.zeros(len(calls), np.int64)
    found[order] = np.cumsum(calls["op"].among("observe", "learn")[order])
    return found
