"""What a process that runs a client leaves out of libraries: the parts that only a person at a terminal would use.

Standard library only, and called before the library is imported.
"""

from __future__ import annotations

import sys

NO_COMMAND_LINES = ("httpx._main",)
"""httpx takes two fifths of its import for a command line (click, rich, Pygments), and does without where it can't be
imported."""


def without_command_lines() -> None:
    """Import no command line of a client's library from now on."""
    for name in NO_COMMAND_LINES:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # None: it can't be imported
