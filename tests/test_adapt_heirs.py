"""`init`: what a class inherits, and what its methods override and call."""

from __future__ import annotations

from test_adapt import ASKS, calls
from test_adapt import folder as folder

HEIRS = f"""
class Base:
    def __init__(self, url): pass
    def begin(self, node): return {ASKS["open"]}
    def note(self, sid, body): return {ASKS["observe"]}
class Middle(Base):
    def note(self, sid, body): return super().note(sid, body)
class Client(Middle):
    def begin(self, node): return super().begin(node)
    def note(self, sid, body): return super().note(sid, body)
"""


def test_what_a_method_overrides_and_calls_tells_what_it_asks() -> None:
    """Over two classes, too."""
    assert {"open_session", "observe"} <= set(calls(HEIRS))
