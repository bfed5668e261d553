"""Trace contexts as tracing laws see them: which trace and span each request carried, and the span exported for it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.evidence.table import Mask, Words
from harness.laws.case import Case, Ints, Window, once

PART = "collector"
"""The part of the stack that tracing laws are about, as in `only: {part: collector}`."""

_PARENT = re.compile(r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")
"""A valid traceparent (W3C Trace Context, 3.2): ids of zeros are none; the last bit of the flags says sampled."""

UNSENT = ("connect_error", "connect_timeout", "pool_timeout", "cancelled")
"""Attempts of which no header reached the wire, or that nobody waited for."""


@dataclass(frozen=True, slots=True)
class Requests:
    """Requests on the wire, by call and time: the attempts where hooks saw them, else the arrivals.

    `at`: their indices in that table; `row` in calls; `trace` and `span` codes (0: none) into `spans`, the span ids;
    `sampled`: a span is to be exported for it.
    """

    at: Ints
    row: Ints
    trace: Ints
    span: Ints
    sampled: Mask
    spans: tuple[str, ...]
    attempts: bool

    @property
    def bare(self) -> Mask:
        """Requests without a valid traceparent."""
        found: Mask = self.span == 0
        return found


@once
def requests_of(case: Case) -> Requests:
    """What went out for known calls."""
    if case.hooked:
        table, row = case.attempts.table, case.attempts.row
        at = np.flatnonzero(~table["result"].among(*UNSENT))
        texts: Words = table["trace"]
    else:
        table, row = case.arrivals.table, case.arrivals.row
        at = np.flatnonzero(~table["op"].among("other"))
        texts = table["headers"]
    found = [_PARENT.search(text) for text in texts.names]
    traces = _codes([match and match[1] for match in found])
    names = ["", *dict.fromkeys(match[2] for match in found if match)]
    spans = _codes([match and match[2] for match in found])
    sampled = np.array([bool(match and int(match[3], 16) & 1) for match in found], bool)
    codes = texts.codes[at]
    return Requests(at, row[at], traces[codes], spans[codes], sampled[codes], tuple(names), case.hooked)


def _codes(values: list[Any]) -> Ints:
    """A number for each text, equal for equal ones, 0 for none; numbered in order of first appearance."""
    known: dict[str, int] = {}
    return np.array([known.setdefault(value, len(known) + 1) if value else 0 for value in values], np.int32)


@once
def exported(case: Case) -> Ints:
    """For each request its row in `spans`; −1 where none was exported."""
    requests, ids = requests_of(case), case.history.spans["span"]
    rows = {name: row for row, name in enumerate(ids.tolist())}
    by_code = np.array([-1, *(rows.get(name, -1) for name in requests.spans[1:])], np.int64)
    return np.asarray(by_code[requests.span], np.int64)


def traced(case: Case) -> bool:
    """Whether the run is about a client that traces: it was told of a collector, or some request carried a trace."""
    if "tracing" in case.facts or len(case.history.spans):
        return True
    texts = case.history.attempts["trace"].names + case.history.arrivals["headers"].names
    return any(map(_PARENT.search, texts)) and bool((~requests_of(case).bare).any())


def outages(case: Case) -> list[Window]:
    """The faults of the collector."""
    return [window for window in case.windows if window.params.get("only", {}).get("part") == PART]
