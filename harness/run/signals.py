"""SIGINT and SIGTERM end a run in order; a second one is on its own."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

WATCHED = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stopping() -> Iterator[threading.Event]:
    """An event that the first signal sets; the second one acts as it did before. In other threads: never set."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.getsignal(number) for number in WATCHED}

    def heard(number: int, frame: FrameType | None) -> None:
        stop.set()
        signal.signal(number, before[signal.Signals(number)] or signal.SIG_DFL)

    for number in WATCHED:
        signal.signal(number, heard)
    try:
        yield stop
    finally:
        for number in WATCHED:
            signal.signal(number, before[number] or signal.SIG_DFL)
