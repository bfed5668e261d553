"""Virtual time: unmodified clients over real loopback sockets under a clock that jumps when nobody has work."""

from __future__ import annotations

import importlib
from types import ModuleType


def on(runtime: str) -> ModuleType:
    """The module with `patch` and `serve` for clients of that runtime: asyncio, or anything else on gevent."""
    name = "on_asyncio" if runtime == "asyncio" else "on_gevent"
    return importlib.import_module(f"harness.simulate.{name}")
