"""Run as a script: ties this process's life to its parent's, then becomes the command (standard library only).

    python -I -S tether.py PARENT_PID COMMAND [ARGUMENT…]

Linux sends the signal named by PR_SET_PDEATHSIG when the *thread* that started the process ends, and keeps the wish
across execve (prctl(2)). It is asked for here, in the child, because a preexec function is unsafe in a parent with
threads. Elsewhere than on Linux the wish is left out; children then see the end of their control channel.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Tie, make sure that the parent did not die meanwhile, and execute."""
    parent, command = int(arguments[0]), arguments[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
