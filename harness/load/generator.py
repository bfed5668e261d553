"""A generator's start: its client's host process first, where it has one, so that both import at the same time.

    python -m harness.load.generator PYTHON MODULE DESCRIPTOR

PYTHON is the host's interpreter, empty where the client runs here; MODULE the client's, where it is one of ours.
Importing Locust takes most of a start.
"""

from __future__ import annotations

import sys

from gevent import events, monkey

# before anything is made that waits, as Locust itself does it; gevent would look through all that is installed a dozen
# times for somebody who wants to be told of it
events.notify_and_call_entry_points = events.notify
monkey.patch_all()

from harness.channel import inherited  # noqa: E402
from harness.load.lean import without_command_lines  # noqa: E402
from harness.load.outside import Host  # noqa: E402


def main(python: str, module: str, descriptor: int) -> int:
    """Serve the control channel; the exit code."""
    host = Host(python, module) if python else None
    without_command_lines()
    from harness.load.locust import serve

    return serve(inherited(descriptor), host)


if __name__ == "__main__":
    PYTHON, MODULE, DESCRIPTOR = sys.argv[1:]
    sys.exit(main(PYTHON, MODULE, int(DESCRIPTOR)))
