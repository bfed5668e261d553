"""From start points to the objects that hold promises: attributes, methods, decorators, closures, and the names at the
top of a module that functions mention."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from harness.errors import UsageError
from harness.taxonomy import name_of

_KINDS = {
    "httpx.Client": "client",
    "httpx.AsyncClient": "client",
    "requests.Session": "client",
    "urllib3.PoolManager": "client",
    "urllib3.HTTPConnectionPool": "client",
    "aiohttp.ClientSession": "client",
    "tenacity.BaseRetrying": "retry",
    "stamina._RetryContextIterator": "retry",
    "stamina.BaseRetryingCaller": "retry",
    "pybreaker.CircuitBreaker": "breaker",
    "aiobreaker.CircuitBreaker": "breaker",
    "circuitbreaker.CircuitBreaker": "breaker",
}
_CLOSED = frozenset(sys.stdlib_module_names) | {
    "httpx", "httpcore", "h11", "anyio", "requests", "urllib3", "aiohttp", "tenacity", "stamina", "pybreaker",
    "aiobreaker", "circuitbreaker", "gevent", "greenlet", "msgspec", "pydantic", "numpy",
}  # fmt: skip
"""Packages whose instances are not looked into: what they promise is known by their class, or not at all."""

_MAKERS = frozenset({"Retrying", "AsyncRetrying", "retry_context"})
"""What tenacity and stamina call that which retries a block of code."""

MOST_DEEP = 4
MOST_OBJECTS = 2000


@dataclass(frozen=True, slots=True)
class Found:
    """An object that promises something, or a function that makes a retry when it is called (`retrying`), whose
    settings nobody can read. `op`: the operation that it is wrapped around or serves, None for any.

    `around`: the kinds of decorator on that operation, the outermost first.
    """

    kind: str
    thing: Any
    op: str | None = None
    around: tuple[str, ...] = ()


def kind_of(thing: Any) -> str | None:
    """client, retry or breaker, by the names of its classes; None for anything else."""
    names = [name_of(kind) for kind in type(thing).__mro__]
    known = next((_KINDS[name] for name in names if name in _KINDS), None)
    return known or ("breaker" if "breaker" in type(thing).__name__.lower() and _has_threshold(thing) else None)


def _has_threshold(thing: Any) -> bool:
    numbers = [name for name, value in getattr(thing, "__dict__", {}).items() if isinstance(value, int)]
    return any("max" in name or "threshold" in name for name in numbers)


def walk(roots: list[Any]) -> list[Found]:
    """Everything that promises something within reach of the roots, each once for every operation it is around."""
    found: list[Found] = []
    seen: set[int] = set()
    todo: list[tuple[str, Any, int]] = [("", root, 0) for root in roots]
    while todo and len(seen) < MOST_OBJECTS:
        name, thing, depth = todo.pop(0)
        if id(thing) in seen or thing is None or isinstance(thing, (str, bytes, int, float, ModuleType)):
            continue
        seen.add(id(thing))
        kind = kind_of(thing)
        if kind is not None:
            found.append(Found(kind, thing))
        elif isinstance(thing, (FunctionType, MethodType)):
            found += _decorators(name, thing)
            if any(_MAKERS.intersection(_names(layer.__code__)) for layer in _own_layers(thing)):
                found.append(Found("retrying", thing, _operation(name)))
            for value in _mentioned(thing):
                if (kind := kind_of(value)) is not None:
                    found.append(Found(kind, value, _operation(name) if kind == "retry" else None))
                elif depth < MOST_DEEP:
                    todo.append(("", value, depth + 1))
        elif depth < MOST_DEEP:
            todo += [(key, value, depth + 1) for key, value in _parts(thing)]
    tied = {(item.kind, id(item.thing)) for item in found if item.op is not None}
    return [item for item in found if item.op is not None or (item.kind, id(item.thing)) not in tied]


def _parts(thing: Any) -> Iterator[tuple[str, Any]]:
    """What an object holds: the items of a collection; attributes and methods of an instance of somebody's own."""
    if isinstance(thing, dict):
        yield from ((str(key), value) for key, value in thing.items())
    elif isinstance(thing, (list, tuple, set, frozenset)):
        yield from (("", value) for value in thing)
    elif _is_own(thing):
        yield from getattr(thing, "__dict__", {}).items()
        for kind in type(thing).__mro__[:-1]:
            yield from ((name, value) for name, value in vars(kind).items() if isinstance(value, FunctionType))


def _decorators(name: str, function: Any) -> list[Found]:
    """The retries and breakers around a function, from the outermost wrapper to the function itself."""
    # each library's wrapper has its object in its closure; attributes would be copied outwards by functools.wraps
    layers = [(kind, thing) for at in _layers(function) for thing in _closure(at) if (kind := kind_of(thing))]
    around = tuple(dict.fromkeys(kind for kind, _ in layers if kind in ("retry", "breaker")))
    return [Found(kind, thing, _operation(name), around) for kind, thing in layers]


def _layers(function: Any) -> Iterator[FunctionType]:
    """A function's wrappers, the outermost first, down to the function itself."""
    at: Any = getattr(function, "__func__", function)
    while isinstance(at, FunctionType):
        yield at
        at = vars(at).get("__wrapped__")


def _own_layers(function: Any) -> Iterator[FunctionType]:
    """Those layers that aren't a library's."""
    for layer in _layers(function):
        if layer.__module__ is not None and layer.__module__.partition(".")[0] not in _CLOSED:
            yield layer


def _mentioned(function: Any) -> Iterator[Any]:
    """What somebody's own function uses without being given it: from its closure, and from the top of its module."""
    for layer in _own_layers(function):
        named = (layer.__globals__.get(name) for name in _names(layer.__code__))
        for value in (*_closure(layer), *named):
            if kind_of(value) is not None or isinstance(value, FunctionType) or _is_own(value):
                yield value


def _names(code: CodeType) -> Iterator[str]:
    """The names that a function and those inside it look up outside themselves."""
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _names(inner)


def _is_own(thing: Any) -> bool:
    """Whether an object is of a class that somebody wrote, rather than of a library's."""
    return type(thing).__module__.partition(".")[0] not in _CLOSED and not isinstance(thing, type)


def _closure(function: FunctionType) -> Iterator[Any]:
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:
            continue  # a variable that was never set


def _operation(name: str) -> str | None:
    """The operation that a method's name speaks of, also where a client calls it otherwise."""
    plain = name.lower()
    if "session" in plain and any(word in plain for word in ("open", "create", "new", "start")):
        return "open_session"
    return next(
        (op for op, word in (("observe", "observ"), ("predict", "predict"), ("learn", "learn")) if word in plain), None
    )


def named(text: str) -> Any:
    """The object that `module:name` means, in the module as the client itself has loaded it; raises UsageError."""
    place, _, name = text.partition(":")
    thing: Any = _module(place, text)
    for part in name.split(".") if name else ():
        if not hasattr(thing, part):
            raise UsageError(f"{text}: {place} has no {part!r}", "name an object at the top level of that module")
        thing = getattr(thing, part)
    return thing


def _module(place: str, text: str) -> ModuleType:
    if place in sys.modules:
        return sys.modules[place]
    try:
        spec = importlib.util.find_spec(place)
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        raise UsageError(f"{text}: there is no module {place!r}", "write module:name, as the client imports it")
    # a file may have been loaded under another name; importing it again would make other objects
    loaded = [module for module in list(sys.modules.values()) if getattr(module, "__file__", None) == spec.origin]
    return loaded[0] if loaded and spec.origin else importlib.import_module(place)
