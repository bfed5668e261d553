"""Writes an adapter for somebody's client from its source, without importing it: which method does what, and how.

Names are matched as users of KATO name them; where a name can't be found the error lists what there is.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UsageError

NAMES: Mapping[str, Sequence[str]] = {
    "open_session": ("open_session", "create_session", "new_session", "start_session", "begin_session", "session"),
    "observe": (
        "observe",
        "observe_with_fallback",
        "send_observation",
        "add_observation",
        "record",
        "track",
        "remember",
    ),
    "predict": ("predict", "get_predictions", "predictions", "get_prediction", "recall", "get_recommendations"),
    "learn": ("learn", "learn_pattern", "train", "consolidate"),
    "close": ("close", "aclose", "shutdown", "stop"),
}
"""For each method of the protocol the names that clients give it, the likeliest first."""

URL_PARAMETERS = ("base_url", "url", "kato_url", "endpoint", "host_url", "server", "api_url", "host", "address")
PIECES = ("strings", "vectors", "emotives", "metadata")


@dataclass(frozen=True, slots=True)
class Method:
    """A method of the client: its name, its parameters after self, whether it is async def."""

    name: str
    parameters: tuple[str, ...]
    required: int
    asynchronous: bool


@dataclass(frozen=True, slots=True)
class ClientSource:
    """What the source says of the client class."""

    file: Path
    name: str
    line: int
    methods: Mapping[str, Method]
    url_attribute: str

    def method(self, role: str) -> Method | None:
        """The client's method for one of the protocol's."""
        return next((self.methods[name] for name in NAMES[role] if name in self.methods), None)


def read_client(place: str) -> ClientSource:
    """The class at FILE.py:NAME; raises UsageError for a missing file or name, and for what is no client."""
    file_name, _, name = place.partition(":")
    file = Path(file_name)
    if not name:
        raise UsageError(f"--client {place} names no class", "write it as app/kato.py:KatoClient")
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"), file_name)
    except OSError as error:
        raise UsageError(
            f"--client {file_name} can't be read: {error.strerror}", "name the client's source file"
        ) from None
    except SyntaxError as error:
        raise UsageError(f"{file_name}:{error.lineno}: {error.msg}", "the client must be valid Python") from None
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    if name not in classes:
        raise UsageError(f"{file_name} has no class {name}", f"its classes are {', '.join(classes) or 'none'}")
    client = _client(file, classes, classes[name])
    if client.method("observe") is None:
        known = ", ".join(method for method in client.methods if not method.startswith("_"))
        cure = f"its methods are {known or 'none'}; write the adapter by hand (docs/adding-an-integration.md)"
        raise UsageError(f"{file_name}:{client.line}: {name} has no method that observes", cure)
    return client


def _client(file: Path, classes: Mapping[str, ast.ClassDef], node: ast.ClassDef) -> ClientSource:
    chain = [node, *(classes[base.id] for base in node.bases if isinstance(base, ast.Name) and base.id in classes)]
    functions = [
        item
        for owner in reversed(chain)
        for item in owner.body
        if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    attributes = [
        target.attr
        for function in functions
        for statement in ast.walk(function)
        if isinstance(statement, ast.Assign | ast.AnnAssign)
        for target in (statement.targets if isinstance(statement, ast.Assign) else [statement.target])
        if isinstance(target, ast.Attribute)
    ]
    url_attribute = next((name for name in URL_PARAMETERS if name in attributes), "")
    return ClientSource(file, node.name, node.lineno, {f.name: _method(f) for f in functions}, url_attribute)


def _method(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Method:
    arguments = function.args
    names = [argument.arg for argument in arguments.args][1:]
    keyword_only = [a.arg for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d is None]
    required = len(names) - len(arguments.defaults)
    return Method(function.name, (*names, *keyword_only), required, isinstance(function, ast.AsyncFunctionDef))


def adapter_text(client: ClientSource) -> str:
    """The adapter's source: a factory for `--integration`, one short method a role."""
    asynchronous = bool(getattr(client.method("observe"), "asynchronous", False))
    lines = [
        f'"""Adapter of {client.name} for kato-harness: what a user of the client does, in the harness\'s words."""',
        "",
        "import importlib.util",
        "import sys",
        "from pathlib import Path",
        "",
        "sys.path.insert(0, str(Path(__file__).resolve().parent))",
        f"_FILE = Path(__file__).resolve().parent / {str(client.file)!r}",
        f"_SPEC = importlib.util.spec_from_file_location({_module(client.file)!r}, _FILE)",
        "_MODULE = importlib.util.module_from_spec(_SPEC)",
        f"sys.modules[{_module(client.file)!r}] = _MODULE",
        "_SPEC.loader.exec_module(_MODULE)",
        "",
        "",
        "class Adapter:",
        "    def __init__(self, base_url):",
        *(f"        {line}" for line in _construction(client)),
        *_methods(client, asynchronous),
        "",
        "",
        "def factory(base_url):",
        "    return Adapter(base_url)",
    ]
    return "\n".join(lines) + "\n"


def _module(file: Path) -> str:
    return ".".join(file.with_suffix("").parts).strip(".") or "client"


def _construction(client: ClientSource) -> list[str]:
    init = client.methods.get("__init__")
    named = next((name for name in URL_PARAMETERS if init and name in init.parameters), "")
    if named:
        return [f"self.client = _MODULE.{client.name}({named}=base_url)"]
    if init and init.required == 1:
        return [f"self.client = _MODULE.{client.name}(base_url)"]
    lines = [f"self.client = _MODULE.{client.name}()"]
    if client.url_attribute:
        lines.append(f"self.client.{client.url_attribute} = base_url")
    return lines


def _methods(client: ClientSource, asynchronous: bool) -> list[str]:
    roles = {
        "open_session": ("node_id", "node_id"),
        "observe": ("session_id, observation", _observe_arguments(client)),
        "predict": ("session_id", _session_argument(client.method("predict"))),
        "learn": ("session_id", _session_argument(client.method("learn"))),
        "close": ("", ""),
    }
    lines: list[str] = []
    for role, (parameters, arguments) in roles.items():
        method = client.method(role)
        if method is None:
            continue
        define = "async def" if asynchronous else "def"
        wait = "await " if method.asynchronous else ""
        call = f"{wait}self.client.{method.name}({arguments})"
        lines += ["", f"    {define} {role}(self{', ' * bool(parameters)}{parameters}):"]
        if role == "open_session":
            lines += [
                f"        answer = {call}",
                "        return answer if isinstance(answer, str) else answer['session_id']",
            ]
        else:
            lines.append(f"        return {call}")
    if client.method("predict") is None:
        lines += [
            "",
            f"    {'async def' if asynchronous else 'def'} predict(self, session_id):",
            "        raise NotImplementedError('this client does not predict')",
        ]
    return lines


def _session_argument(method: Method | None) -> str:
    return "session_id" if method is None or method.parameters else ""


def _observe_arguments(client: ClientSource) -> str:
    """How the client wants an observation: whole, in pieces by name, or without a session."""
    method = client.method("observe")
    assert method is not None
    session, *rest = method.parameters or ("",)
    pieces = [name for name in rest if name in PIECES]
    if session in PIECES:
        return ", ".join(f"{name}=observation.get({name!r}, [])" for name in method.parameters if name in PIECES)
    if pieces:
        given = ", ".join(f"{name}=observation[{name!r}]" for name in pieces if name != "metadata")
        return f"session_id, {given}"
    return "session_id, observation" if rest else "observation"


def scenario_text(client: ClientSource, adapter: Path) -> str:
    """A scenario that runs at once: an outage, an answer that is lost, a burst of 503."""
    mix = "{observe: 2, predict: 1}" if client.method("predict") else "{observe: 1}"
    return f"""format: kato-harness/1
question: Does {client.name} keep its promises when KATO is slow, lost, and back again?
integration: {adapter}:factory
load: {{rate: 20/s, mix: {mix}}}
phases: {{warmup: 1s, baseline: 4s, recovery: 5s}}
faults:
  - {{name: lost_replies, kind: commit_then_drop, only: {{op: observe, every: 5}}, at: baseline.end, for: 3s}}
  - {{name: burst, kind: status, status: 503, at: lost_replies.end + 1s, for: 2s}}
  - {{name: outage, kind: refuse, at: burst.end + 1s, for: 3s}}
"""
