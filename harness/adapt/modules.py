"""Files of somebody's repository as syntax trees, and where their imports lead within it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from harness.errors import UsageError
from harness.syntax import parse

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """One file: what it defines at its top, and where it may be imported from."""

    file: Path
    tree: ast.Module
    root: Path
    """The folder from which its own imports are meant: above its packages, else the current one."""

    @property
    def dotted(self) -> str:
        """Its name for `import`."""
        return ".".join(self.parts).removesuffix(".__init__")

    @property
    def parts(self) -> tuple[str, ...]:
        """Its folders below `root` and its own name."""
        path = self.file.resolve()
        inside = path.relative_to(self.root) if path.is_relative_to(self.root) else Path(path.name)
        return inside.with_suffix("").parts

    @cached_property
    def classes(self) -> Mapping[str, ast.ClassDef]:
        """Its classes by name."""
        return {node.name: node for node in self.tree.body if isinstance(node, ast.ClassDef)}

    @cached_property
    def functions(self) -> Mapping[str, Function]:
        """Its functions by name."""
        return {node.name: node for node in self.tree.body if isinstance(node, Function)}

    @cached_property
    def objects(self) -> Mapping[str, str]:
        """Names that are set at its top to what a call gave, and the last word of what was called."""
        return {
            target.id: ast.unparse(node.value.func).split(".")[-1]
            for node in self.tree.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
            for target in node.targets
            if isinstance(target, ast.Name)
        }

    @cached_property
    def constants(self) -> Mapping[str, str]:
        """Texts that are set at its top or in a class, by name."""
        bodies = [self.tree.body, *(node.body for node in self.classes.values())]
        return {
            name: node.value.value
            for body in bodies
            for node in body
            if isinstance(node, ast.Assign | ast.AnnAssign)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
            for name in _targets(node)
        }

    @cached_property
    def handed_on(self) -> frozenset[str]:
        """Names that it imports from others and so has itself."""
        nodes = [node for node in self.tree.body if isinstance(node, ast.ImportFrom)]
        return frozenset(alias.asname or alias.name for node in nodes for alias in node.names)

    @cached_property
    def imported(self) -> tuple[Module, ...]:
        """The files of this repository that it imports."""
        return tuple(_imports(self))

    def reached(self) -> tuple[Module, ...]:
        """It and every file that it imports, directly or not."""
        found = {self.file.resolve(): self}
        waiting = [self]
        while waiting:
            new = [module for module in waiting.pop().imported if module.file.resolve() not in found]
            found.update((module.file.resolve(), module) for module in new)
            waiting += new
        return tuple(found.values())

    def find(self, name: str) -> tuple[Module, ast.ClassDef] | None:
        """The class of that name here or in what is imported, with its file."""
        return next(((module, module.classes[name]) for module in self.reached() if name in module.classes), None)


def fields_of(node: ast.ClassDef) -> frozenset[str]:
    """The names that a class's body sets."""
    return frozenset(
        name for item in node.body if isinstance(item, ast.Assign | ast.AnnAssign) for name in _targets(item)
    )


def read_module(file: Path) -> Module:
    """Parse a file; raises UsageError where it can't be read or is no Python."""
    try:
        tree = parse(file.read_text(encoding="utf-8"), str(file))
    except OSError as error:
        raise UsageError(f"--client {file} can't be read: {error.strerror}", "name the client's source file") from None
    except UnicodeDecodeError:
        raise UsageError(f"--client {file} is not UTF-8 text", "name the client's source file") from None
    except SyntaxError as error:
        raise UsageError(f"{file}:{error.lineno}: {error.msg}", "the client must be valid Python") from None
    return Module(file, tree, _root(file.resolve()))


def _root(file: Path) -> Path:
    folder = file.parent
    if (folder / "__init__.py").exists():
        while (folder / "__init__.py").exists():
            folder = folder.parent
        return folder
    here = Path.cwd()
    return here if file.is_relative_to(here) else folder


def _imports(module: Module) -> Iterator[Module]:
    for node in ast.walk(module.tree):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom):
            package = list(module.parts[: -node.level]) if node.level else []
            stem = ".".join([*package, *([node.module] if node.module else [])])
            names = [stem, *(f"{stem}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            for base in (module.root, module.file.resolve().parent):
                path = base.joinpath(*name.split(".")).with_suffix(".py") if name else base
                path = path if path.is_file() else base.joinpath(*name.split("."), "__init__.py")
                if path.is_file() and path != module.file.resolve():
                    yield read_module(path)
                    break


def _targets(node: ast.Assign | ast.AnnAssign) -> Iterator[str]:
    for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
        if isinstance(target, ast.Name):
            yield target.id
