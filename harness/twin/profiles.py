"""How long the embedded KATO takes and how its server behaves: `instant`, `kato-1w`, `kato-4w`, or one's own."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import UsageError


@dataclass(frozen=True, slots=True)
class Profile:
    """`workers`: serial worker processes; 0: every request on its own. `service_s`: constant service time (s)."""

    name: str
    workers: int = 0
    service_s: float = 0.0


INSTANT = Profile("instant")
_KEYS = ("service", "workers")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(us|ms|s|m)?")
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, None: 1.0}


def load_profile(name: str) -> Profile:
    """A profile by name or from a JSON file; raises UsageError naming what is wrong."""
    if name == "instant":
        return INSTANT
    if not name.endswith(".json"):
        raise UsageError(f"no profile is named {name!r}", "instant, kato-1w, kato-4w, or a JSON file")
    try:
        given = json.loads(Path(name).read_text())
    except OSError as error:
        raise UsageError(f"profile {name}: {error.strerror}", "name a readable JSON file") from None
    except ValueError as error:
        raise UsageError(f"profile {name} is not JSON: {error}", 'write one object: {"service": "20ms"}') from None
    return custom_profile(given, name)


def custom_profile(given: Mapping[str, Any], where: str = "twin") -> Profile:
    """The profile of `{service: 20ms, workers: parallel | N}`; raises UsageError naming what is wrong."""
    unknown = set(given) - set(_KEYS)
    if unknown:
        raise UsageError(f"{where}: unknown key {', '.join(sorted(unknown))}", f"the keys are {', '.join(_KEYS)}")
    workers = given.get("workers", "parallel")
    if workers != "parallel" and not (isinstance(workers, int) and 0 < workers <= 64):
        raise UsageError(f"{where}: workers is {workers!r}", "write parallel or a number from 1 to 64")
    return Profile("custom", 0 if workers == "parallel" else workers, _seconds(given.get("service", 0.0), where))


def _seconds(value: Any, where: str) -> float:
    found = _DURATION.fullmatch(str(value).strip())
    if found is None:
        raise UsageError(f"{where}: service is {value!r}", "write a duration like 20ms")
    return float(found[1]) * _UNITS[found[2]]
