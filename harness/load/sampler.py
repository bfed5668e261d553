"""Whose lag is it? A native-thread sampler that sees who holds the interpreter (standard library only).

50 times a second it looks at the stacks of the threads that were seen to run: a stack under `caller.invoke`, or under
a coroutine of the integration, is the integration's; one that waits in the event loop or in a lock is nobody's.
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path
from types import CodeType, FrameType

from harness.load.caller import Caller, invoke
from harness.load.native import native
from harness.load.recorder import Recorder

PERIOD_S = 0.02
_INTEGRATION: frozenset[CodeType] = frozenset({invoke.__code__, Caller.perform_async.__code__})
_WAITING = frozenset(
    {"select", "poll", "wait", "acquire", "sleep", "get", "recv_into", "recv", "accept", "run", "join"}
)
_WAIT_FILES = ("selectors.py", "threading.py", "queue.py", "gevent/hub.py", "socket.py", "ssl.py", "clock.py")


def is_waiting(frame: FrameType) -> bool:
    """Whether a thread whose innermost frame this is waits rather than computes (judged by where it stands)."""
    return frame.f_code.co_name in _WAITING and frame.f_code.co_filename.endswith(_WAIT_FILES)


def is_inside(frame: FrameType | None) -> bool:
    """Whether integration code is on the stack."""
    while frame is not None:
        if frame.f_code in _INTEGRATION:
            return True
        frame = frame.f_back
    return False


class Sampler:
    """Counts busy samples and those inside the integration; `row` gives the last second's and starts anew."""

    def __init__(self) -> None:
        self._sleep = native("time", "sleep")
        self._busy = 0
        self._inside = 0
        self._ticks = 0
        self._ident = 0
        self._cpu_s = time.process_time()
        self._at_ns = time.monotonic_ns()
        self.lag_ns = 0

    def start(self) -> None:
        """Begin sampling in a native thread that ends with the process."""
        native("_thread", "start_new_thread")(self._run, ())

    def _run(self) -> None:
        self._ident = native("_thread", "get_ident")()
        while True:
            self._sleep(PERIOD_S)
            self._ticks += 1
            running = [f for ident, f in sys._current_frames().items() if ident != self._ident and not is_waiting(f)]
            if running:
                self._busy += 1
                self._inside += any(is_inside(frame) for frame in running)

    def row(self, recorder: Recorder, in_flight: int) -> float:
        """Record what the last second used; the share of one core (CPU seconds a second)."""
        now_ns, cpu_s = time.monotonic_ns(), time.process_time()
        cpu = (cpu_s - self._cpu_s) / max((now_ns - self._at_ns) / 1e9, 1e-9)
        busy = self._busy / max(self._ticks, 1)
        inside = self._inside / max(self._busy, 1)
        self._cpu_s, self._at_ns, self._busy, self._inside, self._ticks = cpu_s, now_ns, 0, 0, 0
        lag_ns, self.lag_ns = self.lag_ns, 0
        threads = len(sys._current_frames())
        recorder.sample(now_ns, cpu, _rss(), _descriptors(), threads, lag_ns, busy, inside, in_flight)
        return cpu


def _descriptors() -> int:
    """How many are open, all that may be where none is left to look with; 0 where /proc is missing."""
    try:
        return sum(1 for _ in Path("/proc/self/fd").iterdir())
    except FileNotFoundError:
        return 0
    except OSError:
        return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def _rss() -> int:
    """Resident memory of this process (bytes); the peak where /proc is missing."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
