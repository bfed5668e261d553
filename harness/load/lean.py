"""What a process that runs a client imports of libraries: neither parts that only a person at a terminal would use, nor
anything while load runs.

Standard library only.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module

NO_COMMAND_LINES = ("httpx._main",)
"""httpx takes two fifths of its import for a command line (click, rich, Pygments), and does without where it can't be
imported."""

WITH_FIRST_REQUEST: Mapping[str, tuple[str, ...]] = {
    "anyio": ("anyio._backends._asyncio",),
    "gevent": ("gevent.resolver.thread", "gevent.threadpool", "gevent.util"),
    "requests": ("netrc",),
}
"""What a library imports with the first request: 40 ms for which every other call waits, 140 without bytecode."""


def without_command_lines() -> None:
    """Import no command line of a client's library from now on; called before the client is imported."""
    for name in NO_COMMAND_LINES:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # None: it can't be imported


def import_the_rest() -> None:
    """Import what the libraries that are here would import with the first request."""
    for part in (part for library, parts in WITH_FIRST_REQUEST.items() if library in sys.modules for part in parts):
        with suppress(ImportError):
            import_module(part)
