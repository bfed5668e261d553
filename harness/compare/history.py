"""A history of runs as CSV, with the configuration that Apache Otava finds change points in it by.

Otava 0.8 reads a CSV with a time column, attributes and metrics, and finds changes of level over many runs (E-divisive
means: Matteson and James, JASA 109, 2014). A comparison answers for two groups; a slow slope shows only there.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence

from harness.compare.answer import Metric
from harness.compare.baseline import RunValues
from harness.errors import UsageError

FIXED = ("time", "run", "commit")


def header(metrics: Sequence[str]) -> str:
    """The first line."""
    return _line([*FIXED, *metrics])


def rows(runs: Sequence[RunValues], metrics: Sequence[str], commit: str) -> str:
    """A line for each run, in order of time; raises UsageError for one without a value, which Otava can't read."""
    for run in runs:
        missing = [name for name in metrics if math.isnan(run.values[name])]
        if missing:
            raise UsageError(f"{run.id} has no value for {', '.join(missing)}", "leave the run out of the history")
    ordered = sorted(runs, key=lambda run: run.started)
    return "".join(
        _line([run.started, run.id, commit, *(repr(float(run.values[name])) for name in metrics)]) for run in ordered
    )


def columns_of(text: str) -> list[str]:
    """The metrics of a history that exists; raises UsageError when it is none."""
    first = next(csv.reader(io.StringIO(text)), [])
    if tuple(first[: len(FIXED)]) != FIXED:
        raise UsageError("the history doesn't begin with the columns time, run, commit", "name another file")
    return first[len(FIXED) :]


def configuration(name: str, file: str, metrics: Sequence[Metric]) -> Mapping[str, object]:
    """Otava's configuration of the test `name`, to be written as YAML; direction 1 means that higher is better."""
    return {
        "tests": {
            name: {
                "type": "csv",
                "file": file,
                "time_column": "time",
                "attributes": ["run", "commit"],
                "metrics": {
                    metric.name: {"column": metric.name, "direction": -1 if metric.lower_is_better else 1, "scale": 1}
                    for metric in metrics
                },
            }
        }
    }


def _line(cells: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()
