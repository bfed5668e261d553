"""Class-level hooks that see every attempt of an unchanged client (standard library only).

They patch the transports of libraries that the client has already imported, and nothing else: no library is imported
for it. Each attempt of a call carries the header `x-kato-attempt: <call>.<n>`; requests outside any call carry none
and are recorded with call 0.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import ModuleType

from harness.load.hooks import aiohttp, carry, httpx, urllib3
from harness.load.hooks.attempt import WATCH, AttemptRecorder
from harness.load.hooks.breakers import listen
from harness.load.hooks.patch import restore

__all__ = ["AttemptRecorder", "cancel_open", "install", "listen", "uninstall"]

_LIBRARIES: dict[str, Callable[[ModuleType], tuple[str, ...]]] = {
    "httpx": httpx.install,
    "urllib3": urllib3.install,
    "aiohttp": aiohttp.install,
}


def install(recorder: AttemptRecorder, clock_ns: Callable[[], int] = time.monotonic_ns) -> tuple[str, ...]:
    """Send every attempt from now on to `recorder`; which hooks fit, as words of `model.HOOKS`.

    May be called again, after more libraries were imported or with another recorder.
    """
    WATCH.recorder, WATCH.clock_ns = recorder, clock_ns
    carry.install()
    loaded = [(name, hook) for name, hook in _LIBRARIES.items() if name in sys.modules]
    return tuple(word for name, hook in loaded for word in hook(sys.modules[name]))


def cancel_open() -> int:
    """Record every attempt still in progress as cancelled, at the end of a drain; how many there were."""
    left = list(WATCH.open)
    for attempt in left:
        attempt.cancel()
    return len(left)


def uninstall() -> None:
    """Put every patched function back and forget the recorder."""
    restore()
    WATCH.recorder, WATCH.elsewhere = None, frozenset()
    WATCH.open.clear()
