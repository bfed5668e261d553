"""Python sources as trees."""

from __future__ import annotations

import ast
import threading

_one_at_a_time = threading.Lock()


def parse(source: str | bytes, file: str) -> ast.Module:
    """The tree of a module; raises SyntaxError or ValueError where it is no Python.

    Safe in threads, which CPython 3.11's own parser is not: its recursion depth is the interpreter's (gh-106905).
    """
    with _one_at_a_time:
        return ast.parse(source, file)
