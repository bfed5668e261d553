"""The spool of message events (standard library only)."""

from __future__ import annotations

import time
from pathlib import Path

from harness.model import MESSAGE_EVENTS
from harness.spool import MESSAGES, SpoolWriter

_pack = MESSAGES.struct().pack
_EVENT = {word: code for code, word in enumerate(MESSAGE_EVENTS)}
MOST_COUNT = 0xFFFF


class MessageLog:
    """Writes one row an event; `flush` puts them into the file."""

    def __init__(self, path: Path, process: str) -> None:
        self._spool = SpoolWriter(path, process)
        self.flush = self._spool.flush
        self.close = self._spool.close

    def event(
        self, event: str, message: str = "", queue: str = "", connection: int = 0, tag: int = 0, flag: bool = False,
        count: int = 0,
    ) -> None:  # fmt: skip
        """Something happened now; `message` is its id, the call's number for messages of the load."""
        call = int(message) if message.isdecimal() and len(message) < 19 else 0
        name = self._spool.text("" if call else message[:200])
        row = (_EVENT[event], flag, min(count, MOST_COUNT), connection, self._spool.text(queue), name, call, tag)
        self._spool.append(_pack(MESSAGES.tag, *row, time.monotonic_ns()))
