"""Histograms: HdrHistogram's own buckets, exact sums over parts, and a log that its tools read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st
from report_runs import demo_run

from harness.evidence.finalise import finalise
from harness.evidence.histograms import DIGITS, HIGHEST_US, LOWEST_US, bucket_of, histograms_of, merged
from harness.evidence.shelf import Shelf
from harness.evidence.table import Table
from harness.laws.judge import judge_run
from harness.load.recorder import Recorder
from harness.report import FORMATS
from harness.stats import quantile

RUN = demo_run()


def _rows(table: Table) -> list[tuple[object, ...]]:
    return [tuple(row.values()) for row in table.rows()]


@given(st.lists(st.integers(-5, 2 * HIGHEST_US), min_size=1, max_size=50))
def test_a_time_falls_in_the_bucket_that_the_library_gives_it(times: list[int]) -> None:
    """Any time, those below 1 µs and above 10 min counted as these."""
    library = HdrHistogram(LOWEST_US, HIGHEST_US, DIGITS)
    for time_us, at_us in zip(times, bucket_of(np.array(times)).tolist(), strict=True):
        assert at_us == library.get_lowest_equivalent_value(min(max(time_us, LOWEST_US), HIGHEST_US))


@given(st.lists(st.integers(0, len(RUN.history.calls)), max_size=6), st.randoms(use_true_random=False))
def test_histograms_of_parts_add_up_to_that_of_the_whole(cuts: list[int], random: object) -> None:
    """Any split over any number of workers, empty ones too, in any order, and merged in two steps."""
    calls = RUN.history.calls
    order = np.arange(len(calls))
    random.shuffle(order)  # type: ignore[attr-defined]
    parts = [histograms_of(calls.where(rows)) for rows in np.split(order, sorted(cuts))]
    whole = _rows(histograms_of(calls))
    assert _rows(merged(parts)) == whole
    assert _rows(merged([merged(parts[:1]), *parts[1:]])) == whole


def test_every_call_that_has_times_is_counted_once() -> None:
    """Per series, operation, phase and outcome: as many as there are rows."""
    calls, found = RUN.history.calls, histograms_of(RUN.history.calls)
    timed = calls.where(calls["start_ns"] > 0)
    for series in ("response_time", "service_time", "dispatch_delay"):
        for outcome in ("ok", "rejected", "error"):
            mine = found["series"].among(series) & found["outcome"].among(outcome) & found["op"].among("observe")
            rows = timed["outcome"].among(outcome) & timed["op"].among("observe")
            assert found["count"][mine].sum() == rows.sum() > 0


def test_the_log_reads_back_with_percentiles_to_three_digits() -> None:
    """The library decodes each line; p50 to p99.9 lie within a thousandth of the rows' own."""
    judgement = judge_run(RUN)
    lines = FORMATS["hdr"].render(RUN, judgement).decode().splitlines()[3:]
    calls = RUN.history.calls
    tags = [line.split(",")[0] for line in lines]
    assert len(set(tags)) == len(tags)
    line = next(line for line in lines if line.startswith("Tag=response_time.observe.baseline.ok,"))
    histogram = HdrHistogram.decode(line.split(",")[-1])
    mine = calls["op"].among("observe") & calls["phase"].among("baseline") & calls["outcome"].among("ok")
    times_us = (calls["end_ns"] - calls["intended_ns"])[mine] // 1000
    assert histogram.get_total_count() == len(times_us)
    for percent in (50, 95, 99, 99.9):
        exact = quantile(times_us, percent / 100)
        assert histogram.get_value_at_percentile(percent) == pytest.approx(exact, rel=1e-3)


def test_a_finalised_folder_holds_its_histograms(tmp_path: Path) -> None:
    """Of calls of two workers, read back by any reader of Parquet."""
    import pyarrow.parquet as pq

    (tmp_path / "spool").mkdir()
    for worker in range(2):
        recorder = Recorder(tmp_path / "spool" / f"generator-{worker}.raw", f"generator-{worker}")
        recorder.call(worker + 1, "observe", "s", "n", "u", 1_000, 2_000, 3_000, 5_001_000, "ok")
        recorder.close()
    finalise(tmp_path, {"phases": [{"name": "baseline", "start_ns": 0, "end_ns": 10**9}]}, Shelf())
    rows = pq.read_table(tmp_path / "tables" / "histograms.parquet").to_pylist()
    assert [(row["series"], row["at_us"], row["count"]) for row in rows] == [
        ("dispatch_delay", 1, 2), ("response_time", 5_000, 2), ("service_time", 4_996, 2),
    ]  # fmt: skip
