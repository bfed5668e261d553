"""Run as a script: ties this process's life to its parent's, then becomes the command (standard library only).

    python -I -S tether.py PARENT_PID measuring|plain COMMAND [ARGUMENT…]

A measuring process also asks for a higher priority, where this is allowed (root): a busy neighbour then delays its own
work, not the measuring.

Linux sends the signal named by PR_SET_PDEATHSIG when the *thread* that started the process ends, and keeps the wish
across execve (prctl(2)). It is asked for here, in the child, because a preexec function is unsafe in a parent with
threads. Elsewhere than on Linux the wish is left out; children then see the end of their control channel.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1
PRIORITY = -15
AUTOGROUP = Path("/proc/self/autogroup")


def main(arguments: list[str]) -> None:
    """Tie, make sure that the parent did not die meanwhile, and execute."""
    parent, role, command = int(arguments[0]), arguments[1], arguments[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
    if role == "measuring":
        _raise_priority()
    os.execvp(command[0], command)


def _raise_priority() -> None:
    """Of the process within its session, and of the session among others (sched(7), "The autogroup feature")."""
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)
    with contextlib.suppress(OSError):
        AUTOGROUP.write_text(str(PRIORITY))


if __name__ == "__main__":
    main(sys.argv[1:])
