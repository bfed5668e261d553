"""The call goes along when a client hands work to a thread: executors and threads start with the caller's context.

Tasks take their maker's context by themselves; threads don't before Python 3.14. Under gevent's patch threads are
greenlets, so this reaches them too; a bare `gevent.spawn` starts outside any call (its class is closed to patches).
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Any

from harness.load.frame import CURRENT
from harness.load.hooks.patch import replace


def install() -> None:
    """Hook `ThreadPoolExecutor.submit` and `Thread.start`; outside a call they do what they always did."""
    replace(ThreadPoolExecutor, "submit", _submit)
    replace(threading.Thread, "start", _start)


def _submit(original: Any) -> Any:
    def hooked(self: Any, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        if CURRENT.get() is None:
            return original(self, fn, *args, **kwargs)
        return original(self, copy_context().run, fn, *args, **kwargs)

    return hooked


def _start(original: Any) -> Any:
    def hooked(self: Any) -> Any:
        if CURRENT.get() is not None:
            self.run = partial(copy_context().run, self.run)
        return original(self)

    return hooked
