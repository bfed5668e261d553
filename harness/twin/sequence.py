"""What a request to observe-sequence holds: observations, each of which goes on record as if it had come alone.

KATO commits all of them or none (contract, section 1); each may be another call's, whose client had put it aside.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from harness.data import fingerprint
from harness.twin.http import Request

PATH = "/observe-sequence"


def is_sequence(request: Request) -> bool:
    """Whether the request observes by observe-sequence."""
    return request.path.endswith(PATH)


def observations_in(request: Request) -> list[Mapping[str, Any]]:
    """The observations of a sequence; one without content where the body can't be read as one, or isn't all here."""
    try:
        found = json.loads(request.body)["observations"]
    except (ValueError, KeyError, TypeError):
        return [{}]
    if not isinstance(found, list):
        return [{}]
    return [each if isinstance(each, dict) else {} for each in found]


def count(request: Request) -> int:
    """How many observations a request to observe holds."""
    return len(observations_in(request)) if is_sequence(request) else 1


def payload(observation: Mapping[str, Any], request: Request) -> int:
    """The fingerprint of one observation, or that of the body in 16 bits, which is none."""
    return fingerprint(observation) or request.crc() & 0xFFFF


def counters_in(said: Mapping[str, Any]) -> tuple[int, int, int] | None:
    """The session's counter of observes and events in memory after an answer, and how many observations it is of."""
    results = said.get("results")
    if isinstance(results, list):
        last = results[-1] if results and isinstance(results[-1], dict) else {}
        found = last.get("time"), said.get("final_stm_length"), len(results)
    else:
        found = said.get("time"), said.get("stm_length"), 1
    time, length, observations = found
    return (time, length, observations) if isinstance(time, int) and isinstance(length, int) else None
