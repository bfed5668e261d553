"""Replaces the process's clocks: `time`, `datetime` and every name that was imported from them.

The wall clock starts at a fixed moment, so that a run's journal is a function of its seed. C extensions that read
the operating system's clock by themselves are out of reach: `refuse_foreign_clocks` names them.
"""

from __future__ import annotations

import datetime as datetime_module
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from harness.errors import UsageError

WALL_START_S = 1_800_000_000.0
"""The wall clock's first second (15 January 2027, UTC)."""

FOREIGN = ("uvloop", "grpc", "pycurl", "curl_cffi", "trio", "twisted", "eventlet")
"""Packages with event loops or clocks of their own, which virtual time can't reach."""

_real_datetime = datetime_module.datetime


def replacements(now_s: Callable[[], float]) -> Mapping[Any, Any]:
    """What replaces each real clock function; `now_s` is the virtual monotonic time in seconds."""

    def wall() -> float:
        return WALL_START_S + now_s()

    return {
        time.monotonic: now_s,
        time.perf_counter: now_s,
        time.time: wall,
        time.monotonic_ns: lambda: round(now_s() * 1e9),
        time.perf_counter_ns: lambda: round(now_s() * 1e9),
        time.time_ns: lambda: round(wall() * 1e9),
        _real_datetime: _virtual_datetime(wall),
    }


def _virtual_datetime(wall: Callable[[], float]) -> type:
    class Meta(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, _real_datetime)

        def __subclasscheck__(cls, subclass: type) -> bool:
            return issubclass(subclass, _real_datetime)

    class datetime(_real_datetime, metaclass=Meta):  # noqa: N801 - stands in for the class of that name
        @classmethod
        def now(cls, tz: datetime_module.tzinfo | None = None) -> Any:
            return _real_datetime.fromtimestamp(wall(), tz)

        @classmethod
        def utcnow(cls) -> Any:
            return _real_datetime.fromtimestamp(wall(), datetime_module.UTC).replace(tzinfo=None)

        @classmethod
        def today(cls) -> Any:
            return _real_datetime.fromtimestamp(wall())

    return datetime


def install(now_s: Callable[[], float]) -> None:
    """Replace the clocks in `time`, `datetime` and in every loaded module that holds one of them by name."""
    replaced = {id(old): new for old, new in replacements(now_s).items()}
    keep = [time.monotonic, time.perf_counter, time.time, _real_datetime]  # ids stay taken while these live
    for module in list(sys.modules.values()):
        names = getattr(module, "__dict__", None)
        if names is None or module.__name__ == __name__:
            continue
        for name, value in list(names.items()):
            if id(value) in replaced:
                setattr(module, name, replaced[id(value)])
    del keep


def refuse_foreign_clocks() -> None:
    """Raise UsageError when a loaded package keeps a clock of its own."""
    found = [name for name in FOREIGN if name in sys.modules]
    if found:
        raise UsageError(
            f"{', '.join(found)} keeps a clock of its own, which virtual time can't reach",
            "run this client in real time: kato-harness run",
        )
