"""What a client's source says: its methods, their parameters and the endpoints they ask; nothing is imported or run."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.adapt.modules import Module, fields_of, read_module
from harness.errors import UsageError

Function = ast.FunctionDef | ast.AsyncFunctionDef
WRITE_IT = "write it as app/kato.py:KatoClient"
CURE = "write the adapter by hand (docs/adding-an-integration.md)"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: its annotation as text ("" for none), whether it has no default, is `*name`, takes no keyword."""

    name: str
    annotation: str
    required: bool
    many: bool = False
    bare: bool = False


@dataclass(frozen=True, slots=True)
class Method:
    """A method of the client, or a function of its module, without self."""

    name: str
    parameters: tuple[Parameter, ...]
    asynchronous: bool
    returns: str
    pieces: frozenset[str]
    """The pieces between slashes of every path and word that it uses, through private helpers too, in lower case."""
    calls: frozenset[str]
    """Other public methods of the client that it calls."""
    node: Function

    @property
    def takes_any(self) -> bool:
        """Whether it takes any further keyword (`**fields`)."""
        return self.node.args.kwarg is not None


@dataclass(frozen=True, slots=True)
class ClientSource:
    """A client in a file: a class, an object made from one, a function that makes one, or the file's own functions."""

    file: Path
    module: Module
    name: str
    """What `module.name` gives; empty: the module itself is the client."""
    line: int
    methods: Mapping[str, Method]
    made: bool = False
    """`name` is an object that is there already."""
    maker: Method | None = None
    """What is called to make the client: its `__init__` or a function; None: nothing is to be given."""
    attributes: frozenset[str] = field(default_factory=frozenset)
    """What its methods set on self."""


def read_client(place: str) -> ClientSource:
    """The client at FILE.py:NAME, or at FILE.py for functions; raises UsageError for what isn't there."""
    file_name, _, name = place.partition(":")
    module = read_module(Path(file_name))
    if not name and not module.functions:
        raise UsageError(f"--client {file_name} names no client", f"it has {_known(module)}; {WRITE_IT}")
    if not name:
        functions = {f.name: _method(f, module, {}, own=False) for f in module.functions.values()}
        return ClientSource(module.file, module, "", 1, functions)
    if name in module.classes or (name in module.handed_on and module.find(name) is not None):
        return _of_class(module, name)
    if name in module.functions:
        maker = _method(module.functions[name], module, {}, own=False)
        kind = maker.returns.split(".")[-1]
        if module.find(kind) is None:
            what = f"{file_name}:{maker.node.lineno}: what {name} makes can't be told"
            raise UsageError(what, f"annotate it as -> the client's class, or name the class; else {CURE}")
        return _of_class(module, name, kind, maker)
    kind = module.objects.get(name, "")
    if module.find(kind) is not None:
        return _of_class(module, name, kind, made=True)
    raise UsageError(f"{file_name} has no {name}", f"it has {_known(module)}; {WRITE_IT}")


def _known(module: Module) -> str:
    return ", ".join((*module.classes, *module.objects, *module.functions)) or "neither class nor function"


def _of_class(
    module: Module, name: str, kind: str = "", maker: Method | None = None, made: bool = False
) -> ClientSource:
    functions = _functions(module, kind or name)
    own = {key: function for key, function in functions.items() if not key.startswith(SUPER)}
    methods = {key: _method(function, module, functions) for key, function in own.items()}
    found = module.find(kind or name)
    assert found is not None
    _, node = found
    set_on_self = frozenset(a for f in functions.values() for a in _set_on_self(f)) | fields_of(node)
    return ClientSource(
        module.file,
        module,
        name,
        node.lineno,
        {key: method for key, method in methods.items() if not _is_property(method.node)},
        made,
        maker or methods.get("__init__") or _of_fields(node),
        set_on_self,
    )


SUPER = "super()."


def _functions(module: Module, name: str) -> dict[str, Function]:
    """A class's functions by name; each that is overridden by SUPER, as often as it takes, and its name."""
    found: dict[str, Function] = {}
    for key, function in _inherited(module, name):
        above = key
        while above in found:
            above = SUPER + above
        found |= {above: found.get(key, function), key: function}
    return found


def _inherited(module: Module, name: str) -> Iterator[tuple[str, Function]]:
    """The functions of a class, those of its bases in this repository first."""
    found = module.find(name)
    if found is None:
        return
    owner, node = found
    for base in reversed(node.bases):
        yield from _inherited(owner, ast.unparse(base).split(".")[-1])
    yield from ((item.name, item) for item in node.body if isinstance(item, Function))


def _of_fields(node: ast.ClassDef) -> Method | None:
    """What makes a dataclass or another record: its fields."""
    fields = [item for item in node.body if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)]
    if not fields:
        return None
    parameters = tuple(
        Parameter(item.target.id, ast.unparse(item.annotation), item.value is None)
        for item in fields
        if isinstance(item.target, ast.Name)
    )
    empty = ast.parse("def __init__(self): pass").body[0]
    assert isinstance(empty, Function)
    return Method("__init__", parameters, False, "", frozenset(), frozenset(), empty)


def method_that_makes(module: Module, name: str) -> tuple[str, Method] | None:
    """A class of the repository as an expression of the adapter, and what makes one of it; None: there is none."""
    found = module.find(name.split(".")[-1])
    if found is None:
        return None
    owner, node = found
    functions = _functions(owner, node.name)
    made = _method(functions["__init__"], owner, functions) if "__init__" in functions else _of_fields(node)
    place = "self.module" if owner is module else f'importlib.import_module("{owner.dotted}")'
    return (f"{place}.{node.name}", made) if made is not None else None


def _is_property(function: Function) -> bool:
    return any(ast.unparse(item).split(".")[-1] in ("property", "cached_property") for item in function.decorator_list)


def _method(function: Function, module: Module, functions: Mapping[str, Function], own: bool = True) -> Method:
    static = any(isinstance(item, ast.Name) and item.id == "staticmethod" for item in function.decorator_list)
    helped = _with_helpers(function, module, functions)
    called = {name for name in _called(function) if name in functions and not name.startswith("_")}
    return Method(
        function.name,
        _parameters(function.args, drop=own and not static),
        isinstance(function, ast.AsyncFunctionDef),
        ast.unparse(function.returns).strip("'\"") if function.returns else "",
        frozenset(piece for helper in helped for piece in _pieces(helper, module)),
        frozenset(called),
        function,
    )


def _parameters(arguments: ast.arguments, drop: bool) -> tuple[Parameter, ...]:
    positional = [*arguments.posonlyargs, *arguments.args]
    without = len(positional) - len(arguments.defaults)
    bare = len(arguments.posonlyargs)
    found = [_parameter(a, i < without, bare=i < bare) for i, a in enumerate(positional)][1 if drop else 0 :]
    found += [_parameter(arguments.vararg, False, many=True)] if arguments.vararg else []
    found += [_parameter(a, d is None) for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]
    return tuple(found)


def _parameter(argument: ast.arg, required: bool, many: bool = False, bare: bool = False) -> Parameter:
    annotation = ast.unparse(argument.annotation).strip("'\"") if argument.annotation else ""
    return Parameter(argument.arg, annotation, required, many, bare)


def _with_helpers(function: Function, module: Module, functions: Mapping[str, Function]) -> list[Function]:
    """The function, the private helpers that it calls, and what it overrides and calls; directly or not."""
    found, waiting = [function], [function]
    while waiting:
        for name in _called(waiting.pop()):
            helpers = [functions.get(name) if name.startswith("_") else None, module.functions.get(name)]
            if name.startswith(SUPER):
                helpers += [above for key, above in functions.items() if key.startswith(SUPER) and key.endswith(name)]
            for helper in helpers:
                if helper is not None and helper not in found:
                    found.append(helper)
                    waiting.append(helper)
    return found


def _called(function: Function) -> Iterator[str]:
    for node in ast.walk(function):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            yield name if name.startswith(SUPER) else name.split(".")[-1]


def _pieces(function: Function, module: Module) -> Iterator[str]:
    """Words between slashes: of strings and of constants, and the names of the methods called on others."""
    for node in ast.walk(function):
        text = ""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        elif isinstance(node, ast.Name | ast.Attribute):
            name = node.id if isinstance(node, ast.Name) else node.attr
            text = module.constants.get(name, "")
        yield from (piece.strip().lower() for piece in text.split("/") if piece.strip())
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield f"{node.func.attr.lower()}()"


def _set_on_self(function: Function) -> Iterator[str]:
    for node in ast.walk(function):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self":
            yield node.attr
