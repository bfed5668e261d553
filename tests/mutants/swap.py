"""A mutant put in place in a process that has everything imported: code objects are swapped, constants set anew."""

from __future__ import annotations
import __future__

import gc
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

from tests.mutants.generate import Mutant

LAWS = Path(__file__).resolve().parents[2] / "harness" / "laws"


def functions_of_laws() -> dict[tuple[str, str], list[FunctionType]]:
    """The functions of the law code that are alive, by file and qualified name; what decorators hide is among them, and
    what passes for another by `wraps`."""
    found: dict[tuple[str, str], list[FunctionType]] = {}
    for one in gc.get_objects():
        if isinstance(one, FunctionType) and Path(one.__code__.co_filename).parent == LAWS:
            found.setdefault((Path(one.__code__.co_filename).name, one.__code__.co_qualname), []).append(one)
    return found


def put_in_place(mutant: Mutant, alive: dict[tuple[str, str], list[FunctionType]]) -> bool:
    """Make the mutant this process's law code; False where it is of a function that only runs at import."""
    module = sys.modules[f"harness.laws.{mutant.file.removesuffix('.py')}"]
    code = compile(mutant.source(), mutant.file, "exec", __future__.annotations.compiler_flag, dont_inherit=True)
    if mutant.place:
        return _swap(mutant, code, alive)
    _again(module, code)
    return True


def _swap(mutant: Mutant, code: CodeType, alive: dict[tuple[str, str], list[FunctionType]]) -> bool:
    swapped = False
    for one in _within(code):
        if one.co_qualname == mutant.place or one.co_qualname.startswith(f"{mutant.place}.<locals>."):
            for function in alive.get((mutant.file, one.co_qualname), ()):
                cells = function.__code__.co_freevars
                if one.co_freevars in (cells, ()):  # a closure keeps its cells, also where the mutant reads none
                    function.__code__ = one.replace(co_freevars=cells)
                    swapped = True
    return swapped


def _within(code: CodeType) -> Iterator[CodeType]:
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield one
            yield from _within(one)


def _again(module: ModuleType, code: CodeType) -> None:
    """Run a statement of the module again, and give what it binds to everybody who had imported it."""
    names = dict(vars(module))
    exec(code, vars(module))
    for name, value in list(vars(module).items()):
        if name in names and names[name] is not value:
            for other in list(sys.modules.values()):
                if getattr(other, "__dict__", {}).get(name) is names[name]:
                    setattr(other, name, value)
