"""A client's own interpreter (`integration.python`), looked at before a run is started with it."""

from __future__ import annotations

import subprocess

from harness.errors import UsageError

LEAST = (3, 11)
ASK = "import sys; print(*sys.version_info[:2])"
PATIENCE_S = 10


def check_interpreter(python: str) -> None:
    """Raise UsageError unless a host process can run on it: it is there, it is Python, and of `LEAST` or later."""
    cure = f"name a Python of {LEAST[0]}.{LEAST[1]} or later that has the client's packages"
    try:
        said = subprocess.run([python, "-c", ASK], capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        version = tuple(map(int, said.stdout.split()))
    except OSError as error:
        raise UsageError(f"integration.python {python} can't be started: {error.strerror}", cure) from None
    except (subprocess.TimeoutExpired, ValueError):
        version = ()
    if len(version) != 2:
        raise UsageError(f"integration.python {python} is no Python: it doesn't answer as one", cure)
    if version < LEAST:
        raise UsageError(f"integration.python {python} is Python {version[0]}.{version[1]}", cure)
