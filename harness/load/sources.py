"""Which files of the client's own code were loaded (standard library only)."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

HARNESS = Path(__file__).resolve().parents[1]
MOST_FILES = 500


def own_files() -> list[str]:
    """The Python files of loaded modules that belong to no library, no installed package and not to us, by name.

    Relative where they lie below the current folder; at most MOST_FILES.
    """
    known = [Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    loaded = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    files = {Path(file).resolve() for file in loaded if file and file.endswith(".py")}
    own = [file for file in files if not any(file.is_relative_to(folder) for folder in (*known, HARNESS))]
    outside = [file for file in own if "site-packages" not in file.parts and "dist-packages" not in file.parts]
    here = Path.cwd().resolve()
    named = [str(file.relative_to(here) if file.is_relative_to(here) else file) for file in outside]
    return sorted(named)[:MOST_FILES]
