"""Which files of the client's own code were loaded (standard library only)."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path

HARNESS = Path(__file__).resolve().parents[1]
MOST_FILES = 500


def own_files() -> list[str]:
    """The Python files of loaded modules that belong to no library, no installed package and not to us, by name.

    Relative where they lie below the current folder; at most MOST_FILES.
    """
    libraries = (sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib"))
    known = (*libraries, f"{HARNESS}{os.sep}")
    loaded = [getattr(module, "__file__", None) or "" for module in list(sys.modules.values())]
    # by text first: resolving the paths of a thousand modules would delay a run's first request
    likely = {file for file in loaded if file.endswith(".py") and not file.startswith(known) and not _installed(file)}
    real = {Path(file).resolve() for file in likely}
    here = Path.cwd().resolve()
    own = [file for file in real if not str(file).startswith(known) and not _installed(str(file))]
    return sorted(str(file.relative_to(here) if file.is_relative_to(here) else file) for file in own)[:MOST_FILES]


def _installed(file: str) -> bool:
    return "site-packages" in file or "dist-packages" in file
