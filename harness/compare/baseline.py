"""A baseline: the values of some runs with the fingerprint of where they were made, as one committed JSON file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from harness.compare.fingerprint import differences
from harness.errors import UsageError

BASELINE_FORMAT = 1


@dataclass(frozen=True, slots=True)
class RunValues:
    """One run: its id, its start in wall time (ISO 8601), and a value for each metric."""

    id: str
    started: str
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Group:
    """Runs of one client under one fingerprint. `objectives`: name to SLO line of each metric."""

    name: str
    fingerprint: Mapping[str, str]
    objectives: Mapping[str, str]
    runs: tuple[RunValues, ...]

    def columns(self) -> dict[str, list[float]]:
        """Metric to its values, one a run."""
        return {name: [run.values[name] for run in self.runs] for name in self.objectives}


def to_json(group: Group) -> dict[str, Any]:
    """The content of a baseline file."""
    runs = [asdict(run) | {"values": {name: _null(value) for name, value in run.values.items()}} for run in group.runs]
    return {"format": BASELINE_FORMAT, **asdict(group), "runs": runs}


def _null(value: float) -> float | None:
    return None if math.isnan(value) else value


def from_json(raw: Mapping[str, Any], where: str) -> Group:
    """The baseline that a file holds; raises UsageError for one that this version can't read."""
    if raw.get("format") != BASELINE_FORMAT:
        what = f"{where} has baseline format {raw.get('format')}, this version reads {BASELINE_FORMAT}"
        raise UsageError(what, "make it anew: kato-harness compare --save NAME RUN…")
    try:
        runs = tuple(
            RunValues(
                run["id"],
                run["started"],
                {name: float(value) if value is not None else math.nan for name, value in run["values"].items()},
            )
            for run in raw["runs"]
        )
        return Group(raw["name"], raw["fingerprint"], raw["objectives"], runs)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"{where} is no baseline: {error} is missing or wrong", "make it anew with --save") from None


def comparable(base: Group, new: Group, despite: Sequence[str] = ()) -> None:
    """Raises UsageError with every difference of the two fingerprints, but those of `despite`."""
    found = differences(base.fingerprint, new.fingerprint, despite)
    if found:
        raise UsageError(
            f"{base.name} and {new.name} were made under different conditions:\n    " + "\n    ".join(found),
            "run both on one machine with one set of versions; --despite KEY when the difference is what you compare",
        )
