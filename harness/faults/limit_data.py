"""Limited data: a connection is closed once it has carried so many bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.faults.felt import by_failed_attempt
from harness.faults.kind import REQUIRED, Ask, FaultKind, Param, direction, toxics_of
from harness.faults.proof import CUT, outcome_in


def ask(params: Mapping[str, Any]) -> Ask:
    size = params["bytes"] + 1
    up = params["direction"] == "upstream"
    return Ask(wait_s=1.0, down_bytes=2 if up else size, up_bytes=size if up else 0)


LIMIT_DATA = FaultKind(
    name="limit_data",
    plane="toxiproxy",
    doc="a connection is closed after so many bytes, counted over all requests that it carries",
    params=(Param("bytes", "bytes", REQUIRED, "what a connection may carry", least=0), direction()),
    reveals=("D7", "R8", "D2"),
    effective=outcome_in(*CUT),
    felt=by_failed_attempt,
    toxics=lambda params: toxics_of("limit_data", params, bytes=params["bytes"]),
    ask=ask,
)
