"""Replaces the process's clocks: `time`, `datetime` and every name that was imported from them.

The wall clock starts at a fixed moment, so that a run's journal is a function of its seed. C extensions that read
the operating system's clock by themselves are out of reach: `refuse_foreign` names them.
"""

from __future__ import annotations

import datetime as datetime_module
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from harness.errors import UsageError
from harness.simulate import native

WALL_START_S = 1_800_000_000.0
"""The wall clock's first second (15 January 2027, UTC)."""

START_S = 1000.0
"""The monotonic clock's first moment. It stands there from `install` until a loop begins: what is reckoned from the
clock meanwhile lies near that loop's time, and not at the machine's uptime, to which the loop would jump."""

FOREIGN = (
    "uvloop", "rloop", "winloop", "trio", "curio", "twisted", "eventlet",
    "grpc", "pycurl", "curl_cffi", "pycares", "zmq", "rnet", "primp", "pyreqwest", "tls_client",
)  # fmt: skip
"""Packages with event loops, sockets or clocks of their own, which virtual time can't reach."""

REAL_TIME = "run this client in real time: kato-harness run without --virtual"

_real_datetime = datetime_module.datetime
_real = {name: getattr(time, name) for name in ("localtime", "gmtime", "ctime", "strftime", "asctime", "clock_gettime")}
_now_s: Callable[[], float] = time.monotonic


def follow(now_s: Callable[[], float]) -> None:
    """From now on every clock shows `now_s()`, the virtual monotonic time (s)."""
    global _now_s
    _now_s = now_s


def monotonic() -> float:
    """The virtual monotonic time (s)."""
    return _now_s()


def monotonic_ns() -> int:
    """The virtual monotonic time (ns)."""
    return round(_now_s() * 1e9)


def wall() -> float:
    """The virtual wall-clock time (s since the epoch)."""
    return WALL_START_S + _now_s()


def wall_ns() -> int:
    """The virtual wall-clock time (ns since the epoch)."""
    return round(wall() * 1e9)


def _gettime(clock: int) -> float:
    if clock == time.CLOCK_REALTIME:
        return wall()
    cpu = clock in (time.CLOCK_PROCESS_CPUTIME_ID, time.CLOCK_THREAD_CPUTIME_ID)
    return float(_real["clock_gettime"](clock)) if cpu else monotonic()


def _of_now(name: str) -> Callable[..., Any]:
    """`time.localtime` and its like: without an argument they ask the operating system's clock."""
    real = _real[name]
    return lambda seconds=None: real(wall() if seconds is None else seconds)


def _local() -> time.struct_time:
    local: time.struct_time = _real["localtime"](wall())
    return local


def _replacements() -> Mapping[Any, Any]:
    """What replaces each real clock function."""
    return {
        time.monotonic: monotonic,
        time.perf_counter: monotonic,
        time.time: wall,
        time.monotonic_ns: monotonic_ns,
        time.perf_counter_ns: monotonic_ns,
        time.time_ns: wall_ns,
        time.localtime: _of_now("localtime"),
        time.gmtime: _of_now("gmtime"),
        time.ctime: _of_now("ctime"),
        time.asctime: lambda moment=None: _real["asctime"](_local() if moment is None else moment),
        time.strftime: lambda form, moment=None: _real["strftime"](form, _local() if moment is None else moment),
        time.clock_gettime: _gettime,
        time.clock_gettime_ns: lambda clock: round(_gettime(clock) * 1e9),
        _real_datetime: _virtual_datetime(),
    }


def _virtual_datetime() -> type:
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


def install() -> None:
    """Replace the clocks in `time`, `datetime` and in every loaded module that holds one of them by name."""
    follow(lambda: START_S)
    found = _replacements()
    replaced = {id(old): new for old, new in found.items()}
    for module in list(sys.modules.values()):
        names = getattr(module, "__dict__", None)
        if names is None or module.__name__ in (__name__, native.__name__):
            continue
        for name, value in list(names.items()):
            if id(value) in replaced:
                setattr(module, name, replaced[id(value)])
    del found  # the ids stayed taken while it lived


def refuse_foreign() -> None:
    """Raise UsageError when a loaded package keeps a clock of its own."""
    found = [name for name in FOREIGN if name in sys.modules]
    if found:
        raise UsageError(f"{', '.join(found)} keeps a clock of its own, which virtual time can't reach", REAL_TIME)
