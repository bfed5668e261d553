"""How long the embedded KATO takes and how its server behaves: `instant`, `kato-1w`, `kato-4w`, or one's own."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.twin.service import KINDS, MEASURED, Curve, Service, Stalls, constant


@dataclass(frozen=True, slots=True)
class Profile:
    """`workers`: serial worker processes, 0: every request on its own. `service` None: no time at all.

    `keep_alive_s` 0: idle connections stay. `connection_limit` 0: none; else open connections of one worker from
    which on it answers 503. `hangs_up`: the connection is closed after a 500, without saying so in a header.
    """

    name: str
    workers: int = 0
    service: Service | None = None
    keep_alive_s: float = 0.0
    connection_limit: int = 0
    hangs_up: bool = False
    stalls: Stalls | None = None
    env: Mapping[str, str] = field(default_factory=dict)


STALLS = Stalls(10_000_000_000, 2, 100_000_000)
"""KATO calls psutil.cpu_percent(interval=0.1) twice each 10 s on the event loop (monitoring/metrics.py)."""

INSTANT = Profile("instant", keep_alive_s=5.0, hangs_up=True)
"""No time and no limits, else the server that KATO's are: what a client meets at a URL it meets here."""

KATO_1W = Profile("kato-1w", 1, Service(MEASURED), 5.0, 100, True, STALLS)
KATO_4W = replace(KATO_1W, name="kato-4w", workers=4)
NAMED = {profile.name: profile for profile in (INSTANT, KATO_1W, KATO_4W)}
MAX_WORKERS = 999

_DURATION = re.compile(r"(\d+(?:\.\d+)?(?:e-?\d+)?)\s*(us|ms|s|m)?")
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, None: 1.0}


def load_profile(name: str) -> Profile:
    """A profile by name or from a JSON file; raises UsageError naming what is wrong."""
    if name in NAMED:
        return NAMED[name]
    if not name.endswith(".json") and not Path(name).exists():
        raise UsageError(f"no profile is named {name!r}", f"{', '.join(NAMED)}, or a JSON file")
    try:
        given = json.loads(Path(name).read_text())
    except OSError as error:
        raise UsageError(f"profile {name}: {error.strerror}", "name a readable JSON file") from None
    except ValueError as error:
        raise UsageError(f"profile {name} is not JSON: {error}", 'write one object: {"service": "20ms"}') from None
    if not isinstance(given, dict):
        raise UsageError(f"profile {name} is no object", 'write one object: {"service": "20ms"}')
    return custom_profile(given, name)


def custom_profile(given: Mapping[str, Any], where: str = "twin") -> Profile:
    """The profile of a mapping; raises UsageError naming what is wrong.

    Keys: `profile`, one that the others are laid over (instant); `service`, a duration or a mapping from kind to curve;
    `workers`, parallel or a number; `keep_alive`, a duration; `connection_limit`; `hangs_up`; `stalls` {every, count,
    length}; `env`, variables of KATO's environment. A curve is {median, sigma} or {points: [[patterns, median], …],
    sigma}; durations are like 20ms.
    """
    reader = _Reader(where)
    return reader.profile(given)


@dataclass(frozen=True, slots=True)
class _Reader:
    where: str

    def profile(self, given: Mapping[str, Any]) -> Profile:
        kinds: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
            "workers": ("workers", self.workers),
            "service": ("service", self.service),
            "keep_alive": ("keep_alive_s", lambda value: self.seconds("keep_alive", value)),
            "connection_limit": ("connection_limit", lambda value: self.whole("connection_limit", value)),
            "hangs_up": ("hangs_up", bool),
            "stalls": ("stalls", self.stalls),
            "env": ("env", self.environment),
        }
        self.known(given, "profile", *kinds)
        base = load_profile(str(given["profile"])) if "profile" in given else INSTANT
        values = {name: read(given[key]) for key, (name, read) in kinds.items() if given.get(key) is not None}
        return replace(base, name="custom", **values)

    def environment(self, given: Any) -> Mapping[str, str]:
        if not isinstance(given, Mapping):
            raise UsageError(f"{self.where}: env is {given!r}", 'write an object: {"SESSION_TTL": "60"}')
        # only a run that asks for it shall wait for the embedded KATO's code
        from harness.twin.kato.settings import read_settings

        found = {str(name): str(value) for name, value in given.items()}
        read_settings(found)
        return found

    def known(self, given: Any, *keys: str) -> None:
        if not isinstance(given, Mapping):
            raise UsageError(f"{self.where}: {given!r} is no mapping", f"its keys are {', '.join(keys)}")
        unknown = ", ".join(sorted(set(given) - set(keys)))
        if unknown:
            raise UsageError(f"{self.where}: unknown key {unknown}", f"the keys are {', '.join(keys)}")

    def workers(self, value: Any) -> int:
        if value == "parallel":
            return 0
        if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= MAX_WORKERS:
            raise UsageError(f"{self.where}: workers is {value!r}", f"write parallel or a number to {MAX_WORKERS}")
        return value

    def service(self, value: Any) -> Service | None:
        if isinstance(value, Mapping):
            self.known(value, *KINDS)
            curves = {kind: self.curve(kind, given) for kind, given in value.items()}
            return Service({**({} if "other" in curves else {"other": MEASURED["other"]}), **curves})
        seconds = self.seconds("service", value)
        return constant(seconds) if seconds else None

    def curve(self, kind: str, given: Any) -> Curve:
        self.known(given, "median", "points", "sigma")
        sigma = given.get("sigma", 0.0)
        if not isinstance(sigma, int | float) or sigma < 0:
            raise UsageError(f"{self.where}: sigma of {kind} is {sigma!r}", "write a number from 0 on")
        return Curve(self.points(kind, given.get("points") or [[0, given.get("median", 0)]]), float(sigma))

    def points(self, kind: str, given: Any) -> tuple[tuple[int, float], ...]:
        if not isinstance(given, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in given):
            raise UsageError(f"{self.where}: the points of {kind} are {given!r}", 'write [[0, "8ms"], [100, "20ms"]]')
        points = tuple((self.whole("patterns", count), self.seconds(kind, median)) for count, median in given)
        if any(later[0] <= earlier[0] for earlier, later in pairwise(points)):
            raise UsageError(f"{self.where}: the points of {kind} don't ascend", "sort them by number of patterns")
        return points

    def stalls(self, given: Any) -> Stalls:
        self.known(given, "every", "count", "length")
        every, length = (round(self.seconds(key, given.get(key, 0)) * 1e9) for key in ("every", "length"))
        count = self.whole("count", given.get("count", 1))
        if count < 1 or length * count >= every:
            raise UsageError(f"{self.where}: {count} stalls of {length} ns fill {every} ns", "make them shorter")
        return Stalls(every, count, length)

    def whole(self, key: str, value: Any) -> int:
        if not isinstance(value, int) or value < 0:
            raise UsageError(f"{self.where}: {key} is {value!r}", "write a whole number from 0 on")
        return value

    def seconds(self, key: str, value: Any) -> float:
        found = _DURATION.fullmatch(str(value).strip())
        if found is None:
            raise UsageError(f"{self.where}: {key} is {value!r}", "write a duration like 20ms")
        return float(found[1]) * _UNITS[found[2]]
