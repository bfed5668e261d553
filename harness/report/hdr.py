"""Histograms of the run in the text that HdrHistogram's tools read: its log format 1.2, payloads in V2."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.evidence.histograms import DIGITS, GROUPED, HIGHEST_US, LOWEST_US, histograms_of

if TYPE_CHECKING:
    from harness.evidence import Run
    from harness.evidence.table import Table
    from harness.laws.judge import Judgement

HEAD = """#[Histogram log format version 1.2]
#[kato-harness: values in µs, Interval_Max in ms; tags are series.operation.phase.outcome]
"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"
"""


def render(run: Run, judgement: Judgement) -> bytes:
    """One line a histogram, each over the whole run."""
    rows = histograms_of(run.history.calls)
    length_s = (int(run.manifest.get("end_ns") or 0) - int(run.manifest.get("start_ns") or 0)) / 1e9
    keys = np.array([rows[name].codes for name in ("series", *GROUPED)])
    starts = np.flatnonzero(np.any(np.diff(keys, axis=1, prepend=-1), axis=0))
    ends = [*starts[1:], len(rows)]
    lines = [_line(rows.where(slice(at, end)), length_s) for at, end in zip(starts.tolist(), ends, strict=True)]
    return (HEAD + "".join(lines)).encode()


def _line(rows: Table, length_s: float) -> str:
    from hdrh.histogram import HdrHistogram

    histogram = HdrHistogram(LOWEST_US, HIGHEST_US, DIGITS)
    for at_us, count in zip(rows["at_us"].tolist(), rows["count"].tolist(), strict=True):
        histogram.record_value(at_us, count)
    tag = ".".join(rows[name][0] or "none" for name in ("series", *GROUPED))
    most_ms = histogram.get_max_value() / 1000
    return f"Tag={tag},0.000,{max(length_s, 0):.3f},{most_ms:.3f},{histogram.encode().decode()}\n"
