"""Why a simulation's loop stood still: nothing but a sleep in it does that, and the stack says whose it was.

In real time a thread of its own samples that (load/sampler.py). Here each stall leaves the row that it would.
"""

from __future__ import annotations

import sys
import time

from harness.load.recorder import Recorder
from harness.load.sampler import is_inside


class Stalls:
    """Tells the evidence of each stall of the loop, as a second that was busy with it."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def __call__(self, seconds: float) -> None:
        """The loop stood still for so long, until now."""
        inside = float(is_inside(sys._getframe()))
        self._recorder.sample(time.monotonic_ns(), 0.0, 0, 0, 0, int(1e9 * seconds), 1.0, inside, 0)
