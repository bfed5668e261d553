"""Ends a simulation that can't go on, with words for the parent: what is wrong, and what to do."""

from __future__ import annotations

import os
import sys
import traceback
from types import TracebackType
from typing import NoReturn

from harness.channel import Channel
from harness.errors import EXIT_INTERNAL, EXIT_USAGE

_channel: Channel | None = None


def speak_through(channel: Channel) -> None:
    """Tell the reason for an end through this channel; without one it goes to stderr."""
    global _channel
    _channel = channel


def refuse(what: str, cure: str) -> NoReturn:
    """The client does what virtual time can't follow."""
    _end(what, cure, EXIT_USAGE)


def crash(error: BaseException, trace: TracebackType | None = None) -> NoReturn:
    """The simulated world failed; what would come after it is no evidence."""
    traceback.print_exception(type(error), error, trace or error.__traceback__)
    what = f"the simulated world failed: {type(error).__name__}: {error}"
    _end(what, "report this as a bug; the run folder's logs have the rest", EXIT_INTERNAL)


def _end(what: str, cure: str, code: int) -> NoReturn:
    sys.stderr.flush()
    if _channel is None:
        os.write(2, f"{what}\n  cure: {cure}\n".encode())
    else:
        _channel.send({"event": "failed", "what": what, "cure": cure, "exit_code": code})
    os._exit(code)
