"""Wrong bodies under a status of success: malformed, empty, of another content type, or huge."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from harness.faults.felt import by_arrival
from harness.faults.kind import REQUIRED, FaultKind, Param, Probe
from harness.faults.proof import reply_like


def is_malformed(probe: Probe) -> bool:
    """A whole, short body that is not JSON."""
    try:
        json.loads(probe.body)
    except ValueError:
        return probe.size > 0
    return False


def _kind(
    name: str, doc: str, matches: Callable[[Mapping[str, Any], Probe], bool], params: tuple[Param, ...] = ()
) -> FaultKind:
    effective = reply_like(lambda given, probe: probe.status < 300 and matches(given, probe))
    return FaultKind(name, "witness", doc, params, ("D7", "F1", "F2", "F3"), effective, by_arrival)


MALFORMED = _kind(
    "malformed",
    "KATO does the work; its reply's body is not JSON",
    lambda params, probe: not probe.outcome and is_malformed(probe),
)
EMPTY_BODY = _kind(
    "empty_body",
    "KATO does the work; its reply has no body",
    lambda params, probe: not probe.outcome and probe.size == 0,
)
WRONG_CONTENT_TYPE = _kind(
    "wrong_content_type",
    "KATO does the work; its reply claims another content type than JSON",
    lambda params, probe: "json" not in probe.headers.get("content-type", ""),
)
HUGE_BODY = _kind(
    "huge_body",
    "KATO does the work; its reply's body is padded to so many bytes",
    lambda params, probe: max(probe.length, probe.size) >= params["bytes"],
    (Param("bytes", "bytes", REQUIRED, "size of the body", least=1),),
)
