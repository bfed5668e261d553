"""The clients under test: the guide's patterns with their defects, corrected ones beside them, and anybody's own.

`resolve` finds an entry without importing the client; `build` imports and makes it, in the process that runs it.
"""

from __future__ import annotations

from harness.integrations.build import build, is_async
from harness.integrations.entry import Entry, Integration
from harness.integrations.registry import REGISTRY
from harness.integrations.resolve import resolve

__all__ = ["REGISTRY", "Entry", "Integration", "build", "is_async", "resolve"]
