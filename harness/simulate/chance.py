"""Makes chance a function of the run's seed: `random`, `secrets`, `uuid` and whatever else asks `os.urandom`."""

from __future__ import annotations

import hashlib
import os
import random
import sys
from collections import Counter
from pathlib import Path
from typing import Any

_real_seed = random.Random.seed
_key = b""
_asked: Counter[str] = Counter()


def install() -> None:
    """Replace the process's sources of entropy; `begin` gives them their seed."""
    os.urandom = urandom
    random._urandom = urandom  # type: ignore[attr-defined] # what SystemRandom, and so secrets, asks
    random.Random.seed = _seed  # type: ignore[method-assign]


def begin(seed: int) -> None:
    """Start all streams anew: before the client is made, and before it is called, whatever imports took meanwhile."""
    global _key
    _key = f"entropy/{seed}".encode()
    _asked.clear()
    random.seed(seed)


def urandom(size: int, /) -> bytes:
    """The next `size` bytes of entropy."""
    return _entropy("", size)


def _seed(self: random.Random, a: Any = None, version: int = 2) -> None:
    """A generator without a seed of its own takes one from the run's, by the line that made it."""
    _real_seed(self, int.from_bytes(_entropy(_place(), 16), "little") if a is None else a, version)


def _entropy(stream: str, size: int) -> bytes:
    _asked[stream] += 1
    return hashlib.shake_128(b"%b/%b/%d" % (_key, stream.encode(), _asked[stream])).digest(size)


def _place() -> str:
    """The line outside of the standard library's `random` that is running."""
    frame = sys._getframe(2)
    while frame.f_code.co_filename == random.__file__ and frame.f_back is not None:
        frame = frame.f_back
    return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
