"""Notices that virtual time stands still: a busy wait, or a wait that virtual time knows nothing of.

A native thread looks from outside. A loop that doesn't turn waits somewhere else; one that turns and never gets to a
timer is kept awake by somebody who spins. A client that works hard does neither: hundreds of answers to one pool, all
in the instant in which a pause ends, take it a minute of processor time, and longer on a busy machine.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from harness.simulate import clocks, ending, native

LOOK_S = 1.0
TURNLESS_S = 20.0
"""Real time without a turn of the loop and without an attempt that ended."""
TIMELESS_S = 90.0
"""Processor time of ours within one instant of virtual time."""


def watch(now_s: Callable[[], float], turns: Callable[[], int]) -> None:
    """End the process with words when `turns` doesn't grow for too long in real time (turns of the loop, and attempts
    that end within one), or the clock makes no step for too much of the processor's."""
    ident = native.get_ident()

    def look() -> None:
        last_turns, last_s = turns(), now_s()
        turned_s, stepped_s = native.monotonic(), native.process_time()
        while True:
            native.sleep(LOOK_S)
            real_s, used_s = native.monotonic(), native.process_time()
            if turns() != last_turns:
                last_turns, turned_s = turns(), real_s
            if now_s() != last_s:
                last_s, stepped_s = now_s(), used_s
            if real_s - turned_s > TURNLESS_S or used_s - stepped_s > TIMELESS_S:
                ending.refuse(f"virtual time stands still{_place(sys._current_frames().get(ident))}", clocks.REAL_TIME)

    native.start_new_thread(look, ())


def _place(frame: FrameType | None) -> str:
    """Where the client is, as the end of a sentence."""
    stack = []
    while frame is not None:
        path = frame.f_code.co_filename
        if "site-packages" not in path and not path.startswith(("<", sys.base_prefix)) and _ours not in path:
            stack.append(f"{Path(path).name}:{frame.f_lineno}")
        frame = frame.f_back
    words = "a busy wait, or a wait on a clock of its own"
    return f" in {stack[0]}: {words}" if stack else f": {words}"


_ours = str(Path(__file__).resolve().parent.parent)
