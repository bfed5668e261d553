"""`python -m harness.simulate.zygote FD RUNTIME`: forks a simulated run for each request, so that none imports anew.

A request is a datagram on FD: the run's number, with two descriptors, its control channel and its log; the answer is
the child's pid. Nothing of a client is imported here: each child has module-level state of its own.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import signal
import socket
import sys
from typing import Any

from harness.channel import Channel
from harness.errors import EXIT_INTERNAL
from harness.simulate import native, on
from harness.simulate.loopback import stay_on_one_processor

PRELOADED = {
    "gevent": ("harness.simulate.gevent_server", "requests", "fast"),
    "asyncio": ("harness.twin.drivers", "aiohttp", "aiobreaker", "anyio._backends._asyncio"),
}
COMMON = (
    "harness.simulate.play", "harness.integrations.registry", "harness.integrations.build", "httpx", "tenacity",
    "pybreaker", "circuitbreaker", "stamina",
)  # fmt: skip
"""What many clients import; those that aren't installed are left out."""


def main(descriptor: int, runtime: str) -> int:
    """Fork until the parent is gone."""
    requests = native.SOCKET(fileno=descriptor)
    loop = on(runtime)
    loop.patch()
    for name in (*COMMON, *PRELOADED[runtime]):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the children: their channels tell
    while True:
        number, descriptors, _, _ = socket.recv_fds(requests, 32, 2)
        if not descriptors:
            return 0
        pid = native.fork()
        if pid == 0:
            requests.close()
            os._exit(_child(loop, int(number), *descriptors))
        for descriptor in descriptors:
            os.close(descriptor)
        requests.send(str(pid).encode())


def _child(loop: Any, number: int, channel_descriptor: int, log_descriptor: int) -> int:
    """One run, as `python -m harness.simulate` makes it; its exit code."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    stay_on_one_processor(number)
    for standard in (1, 2):
        os.dup2(log_descriptor, standard)
    channel = Channel(native.SOCKET(fileno=channel_descriptor))
    order = channel.receive()
    try:
        return 0 if order is None else int(loop.serve(channel, order))
    except BaseException:  # noqa: BLE001 - the last words; the parent reads them from the log
        sys.excepthook(*sys.exc_info())
        return EXIT_INTERNAL
    finally:
        sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2]))
