"""Sequence: a cycle of fates on one global counter of requests."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from harness.faults.felt import by_arrival
from harness.faults.kind import REQUIRED, FaultKind, Param, Probe

STEP = re.compile(r"(?P<fate>ok|cut|drop|status:(?P<status>[1-5]\d\d))(?:\*(?P<times>[1-9]\d*))?")
"""ok, cut (before the commit), drop (after it), status:N; each may be followed by *TIMES."""


def check(params: Mapping[str, Any]) -> tuple[str, ...]:
    """What is wrong with each step."""
    words = "it is one of ok, cut, drop, status:N, perhaps with *TIMES"
    unknown = tuple(f"step {step!r} is unknown; {words}" for step in params["steps"] if not STEP.fullmatch(str(step)))
    fates = {str(step).partition("*")[0] for step in params["steps"]}
    return unknown or (() if fates - {"ok"} else ("no step of the cycle is a fault; add cut, drop or status:N",))


def effective(params: Mapping[str, Any], probes: Sequence[Probe]) -> bool:
    """Some probe met one of the fates that are no healthy reply."""
    found = [STEP.fullmatch(str(step)) for step in params["steps"]]
    statuses = {int(step["status"]) for step in found if step and step["status"]}
    cuts = any(step and step["fate"] in ("cut", "drop") for step in found)
    return any(probe.status in statuses or (cuts and probe.outcome != "" and not probe.status) for probe in probes)


SEQUENCE = FaultKind(
    name="sequence",
    plane="witness",
    doc="each matching request meets the next step of a cycle; one counter for all connections",
    params=(Param("steps", "steps", REQUIRED, 'a list like ["cut*4", "status:503"]: ok, cut, drop, status:N'),),
    reveals=("B1", "B2", "B3", "R1", "R2"),
    effective=effective,
    felt=by_arrival,
    check=check,
)
