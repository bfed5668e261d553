"""Leases: what must be undone is written down before it is done, and a watchdog undoes it when the parent is gone.

The journal is a file of JSON lines: `{"lease": n, …}` for what was taken, `{"released": n}` for what was given back.
The watchdog reads a pipe whose only write end is the parent's; end of file is the alarm, whatever ended the parent.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

WATCHDOG_ENDS_WITHIN_S = 60.0


class Leases:
    """The leases of one run; the watchdog lives as long as this does."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._next = 1
        with journal.with_suffix(".log").open("ab") as words:
            self._watchdog = subprocess.Popen(
                [sys.executable, "-m", "harness.inject.watchdog", str(journal.absolute())],
                stdin=subprocess.PIPE,
                stdout=words,
                stderr=words,
                start_new_session=True,
            )

    def take(self, undo: Mapping[str, Any]) -> int:
        """Write down how to undo what is about to be done; on the disk when this returns."""
        number, self._next = self._next, self._next + 1
        append(self._journal, {"lease": number, **undo})
        return number

    def release(self, number: int) -> None:
        """It has been undone."""
        append(self._journal, {"released": number})

    def close(self) -> None:
        """Let the watchdog go; it undoes what was not released, and this waits for that."""
        assert self._watchdog.stdin is not None
        self._watchdog.stdin.close()
        self._watchdog.wait(WATCHDOG_ENDS_WITHIN_S)


def append(journal: Path, entry: Mapping[str, Any]) -> None:
    """Add one entry; on the disk when this returns."""
    with journal.open("ab", buffering=0) as file:
        file.write(json.dumps(entry).encode() + b"\n")
        os.fsync(file.fileno())


def outstanding(journal: Path) -> list[dict[str, Any]]:
    """The leases of a journal that were not given back, last taken first; a torn last line was never acted on."""
    taken: dict[int, dict[str, Any]] = {}
    for line in journal.read_bytes().split(b"\n")[:-1]:
        entry = json.loads(line)
        if "lease" in entry:
            taken[entry["lease"]] = entry
        else:
            taken.pop(entry["released"], None)
    return list(reversed(taken.values()))
