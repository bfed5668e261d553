"""From what the user wrote to an entry: a name, an entry point, `module:factory` or `path/to/file.py:factory`.

Nothing of the client is imported here: the parent process has neither its dependencies nor its interpreter. Files
are read as syntax trees, modules only found.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from harness.errors import UsageError
from harness.integrations.entry import Entry
from harness.integrations.registry import REGISTRY
from harness.syntax import parse

GROUP = "kato_harness.integrations"
"""The entry-point group of integrations that other packages bring."""


def resolve(use: str) -> Entry:
    """The entry that `use` names; raises UsageError with what is missing and the nearest names."""
    if use in REGISTRY:
        return REGISTRY[use]
    place, colon, factory = use.rpartition(":")
    if use.endswith(".py"):
        raise UsageError(f"{use} names no factory", f"write {use}:FACTORY{_one_of(_factories(Path(use)))}")
    if colon and place.endswith(".py"):
        return _from_file(use, Path(place), factory)
    if colon:
        return _from_module(use, place, factory)
    return _from_entry_point(use)


def _from_entry_point(use: str) -> Entry:
    from importlib.metadata import entry_points  # late: it takes as long to import as all else here

    points = {point.name: point for point in entry_points(group=GROUP)}
    if use in points:
        point = points[use]
        return Entry(use, point.module, point.attr, doc=f"from {point.dist.name}" if point.dist else "")
    names = [*REGISTRY, *points]
    raise UsageError(
        f"there is no integration named {use!r}",
        f"write one of {', '.join(names)}, or path/to/file.py:factory{_nearest(use, names)}",
    )


def _from_file(use: str, path: Path, factory: str) -> Entry:
    names = _factories(path)
    if factory not in names:
        raise UsageError(
            f"{path} has no {factory!r} at its top level",
            f"write {path}:FACTORY{_nearest(factory, names) or _one_of(names)}",
        )
    return Entry(use, str(path), factory, _runtime(path))


def _from_module(use: str, module: str, factory: str) -> Entry:
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        raise UsageError(
            f"there is no module {module!r} (in {use!r})",
            "install it, name its interpreter with `integration.python`, or write path/to/file.py:factory",
        )
    source = Path(spec.origin) if spec.origin and spec.origin.endswith(".py") else None
    return Entry(use, module, factory, _runtime(source) if source else "threads")


def _tree(path: Path) -> ast.Module:
    try:
        return parse(path.read_bytes(), str(path))
    except OSError as error:
        near = _nearest(path.name, [other.name for other in path.parent.glob("*.py")])
        reason = f"{path.absolute()} can't be read: {error.strerror}"
        raise UsageError(reason, f"paths are relative to the current folder{near}") from None
    except SyntaxError as error:
        raise UsageError(f"{path}:{error.lineno}:{error.offset}: {error.msg}", "mend the file") from None


def _factories(path: Path) -> list[str]:
    """Names at the top level of a file that may be called: functions, classes, assignments, imports."""
    names: list[str] = []
    for node in _tree(path).body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.append(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names += [target.id for target in targets if isinstance(target, ast.Name)]
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names += [(alias.asname or alias.name).partition(".")[0] for alias in node.names]
    return [name for name in names if name != "annotations"]


def _runtime(path: Path) -> str:
    """asyncio for a file whose clients observe in an `async def`, else threads; the host looks again."""
    kinds = {type(node) for node in ast.walk(_tree(path)) if getattr(node, "name", "") == "observe"}
    return "asyncio" if kinds == {ast.AsyncFunctionDef} else "threads"


def _nearest(name: str, names: Iterable[str]) -> str:
    near = get_close_matches(name, list(names), n=3)
    return f"; nearest: {', '.join(near)}" if near else ""


def _one_of(names: list[str]) -> str:
    return f"; it has {', '.join(names)}" if names else "; it has nothing that can be called"
