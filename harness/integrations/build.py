"""From an entry to a working integration: import, call the factory with what it asks for, check the methods."""

from __future__ import annotations

import errno
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

from harness.errors import HarnessError, InvalidRun, UsageError
from harness.integrations.entry import CALLED_WITH, Entry


def build(
    entry: Entry, base_url: str, context: Mapping[str, Any], imported: Callable[[], object] = lambda: None
) -> Any:
    """The integration that talks to `base_url`; of `context` its factory gets what its signature names.

    `imported` is called when its module is there, before anything is made of it.
    Raises UsageError naming what is missing or what the client itself raised, with file and line; InvalidRun where its
    process had no descriptor left.
    """
    factory = load(entry)
    imported()
    try:
        integration = factory(base_url, **_named(factory, context))
    except UsageError:
        raise
    except Exception as error:
        reason = f"{entry.where} raised {type(error).__name__}: {error} ({_where(error)})"
        raise _failed(reason, "make it work as factory(base_url) in its own interpreter first", error) from error
    if inspect.iscoroutine(integration):
        integration.close()
        raise UsageError(f"{entry.where} is an `async def`", "make the factory a plain `def`; its methods may be async")
    check(integration, entry.where)
    return integration


def load(entry: Entry) -> Callable[..., Any]:
    """Import the entry's module and give its factory; raises UsageError."""
    module = _module(entry)
    factory = getattr(module, entry.factory, None)
    if factory is None:
        near = get_close_matches(entry.factory, dir(module), n=3)
        raise UsageError(
            f"{entry.module} has no {entry.factory!r}",
            f"nearest: {', '.join(near)}" if near else "name a function or class of that module",
        )
    if not callable(factory):
        raise UsageError(f"{entry.where} is of type {type(factory).__name__}, no factory", "name a function or a class")
    return factory  # type: ignore[no-any-return]


def check(integration: Any, where: str) -> None:
    """Raise UsageError unless the integration can be called as the harness calls it."""
    if not hasattr(integration, "observe"):
        near = [name for name in dir(integration) if "obs" in name.lower() or "send" in name.lower()]
        raise UsageError(
            f"what {where} makes ({type(integration).__name__}) has no method observe(session_id, observation)",
            f"add it{', or rename ' + ', '.join(near) if near else ''}; `kato-harness init` writes an adapter",
        )
    methods = {name: method for name in CALLED_WITH if (method := getattr(integration, name, None)) is not None}
    for name, method in methods.items():
        _check_arguments(name, method, where)
    kinds = {name: is_async(method) for name, method in methods.items()}
    if len(set(kinds.values())) > 1:
        odd = ", ".join(name for name, kind in kinds.items() if kind)
        raise UsageError(f"only {odd} of {where} is `async def`", "make all of its methods async, or none")


def is_async(method: Any) -> bool:
    """Whether calling it gives something to await, also where a plain decorator hides the `async def` under it."""
    return inspect.iscoroutinefunction(method) or inspect.iscoroutinefunction(inspect.unwrap(method))


def _check_arguments(name: str, method: Any, where: str) -> None:
    try:
        inspect.signature(method).bind(*CALLED_WITH[name])
    except TypeError as error:
        called = f"{name}({', '.join(CALLED_WITH[name])})"
        signature = f"{name}{inspect.signature(method)}"
        raise UsageError(
            f"{signature} of {where} can't be called as {called}: {error}", "write an adapter that takes these"
        ) from None
    except ValueError:
        return  # a built-in without a signature: the first call will tell


def asks_for(entry: Entry, name: str) -> bool:
    """Whether the entry's factory takes that part of the context (`registry`, say); raises UsageError as `load`."""
    return bool(_named(load(entry), {name: None}))


def _named(factory: Callable[..., Any], context: Mapping[str, Any]) -> dict[str, Any]:
    try:
        names = inspect.signature(factory).parameters
    except ValueError:
        return {}
    return {name: value for name, value in context.items() if name in names}


def _module(entry: Entry) -> ModuleType:
    try:
        return _from_file(Path(entry.module)) if entry.module.endswith(".py") else importlib.import_module(entry.module)
    except ModuleNotFoundError as error:
        cure = f"install {error.name} for {sys.executable}, or name the client's interpreter with `integration.python`"
        raise UsageError(f"{entry.module} needs {error.name}, which isn't there", cure) from error
    except Exception as error:
        reason = f"importing {entry.module} raised {type(error).__name__}: {error} ({_where(error)})"
        raise _failed(reason, "make it import alone first", error) from error


def _failed(what: str, cure: str, error: BaseException) -> HarnessError:
    """The client's own mistake, unless its process had no descriptor left."""
    return without_descriptors(error, what) or UsageError(what, cure)


def without_descriptors(error: BaseException, what: str) -> InvalidRun | None:
    """Words for an error whose cause is that this process has no descriptor left: then no load can be offered."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in (errno.EMFILE, errno.ENFILE):
            return InvalidRun(f"the generator has no descriptor left: {what}", "raise its limit: ulimit -n")
        cause = cause.__cause__ or cause.__context__
    return None


def _from_file(path: Path) -> ModuleType:
    """Import a file, with its folder and the current one on the path as `python file.py` and `-m` would have them."""
    for folder in (str(Path.cwd()), str(path.absolute().parent)):
        if folder not in sys.path:
            sys.path.insert(0, folder)
    # its own stem, so that whoever imports it by name gets the same module; not over somebody else's
    name = path.stem if path.stem not in sys.modules else f"{path.absolute().parent.name}.{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.exists():
        raise UsageError(f"{path.absolute()} is not there", "paths are relative to the current folder")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _where(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else "?"
