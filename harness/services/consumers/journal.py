"""What a consumer did, on disk, so that a message that comes again is not observed again (standard library only).

Before an observe it is written how many events its session held; KATO's reply is written after it. When a message
comes again and only the first line is there, the session's length tells whether the observe was committed: it has
grown, since this consumer is the only writer of its sessions.
"""

from __future__ import annotations

import json
import os
from collections import OrderedDict
from pathlib import Path

KEPT = 100_000
"""So many messages are remembered; one that comes again later than that would be observed again."""


class Journal:
    """Intents and outcomes by message id. Lines are whole after SIGKILL: each is one write to the end of the file."""

    def __init__(self, path: Path) -> None:
        self._before: OrderedDict[str, int] = OrderedDict()
        self._done: OrderedDict[str, None] = OrderedDict()
        written = path.read_text() if path.exists() else ""
        for line in written.splitlines():
            self._read(line)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        if written and not written.endswith("\n"):
            os.write(self._file, b"\n")

    def done(self, message: str) -> bool:
        """Whether its observe is known to be committed."""
        return message in self._done

    def before(self, message: str) -> int | None:
        """How many events its session held before its first try; None where there was no try."""
        return self._before.get(message)

    def begin(self, message: str, length: int) -> None:
        """The first observe of this message is about to be sent."""
        self._note({"m": message, "n": length})

    def finish(self, message: str) -> None:
        """Its observe is committed."""
        self._note({"m": message})

    def _note(self, entry: dict[str, str | int]) -> None:
        line = json.dumps(entry)
        os.write(self._file, line.encode() + b"\n")
        self._read(line)

    def _read(self, line: str) -> None:
        try:
            entry = json.loads(line)
        except ValueError:
            return  # torn by a crash of the machine: then nothing after it was sent either
        message = entry["m"]
        if "n" in entry:
            self._before[message] = entry["n"]
        else:
            self._before.pop(message, None)
            self._done[message] = None
            while len(self._done) > KEPT:
                self._done.popitem(last=False)
