"""The adapter's source and a scenario that runs it at once."""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from harness.adapt.making import Making, plan_of
from harness.adapt.source import ClientSource, Method
from harness.adapt.values import Given, arguments, plain

SIGNATURES = {
    "open_session": "node_id",
    "observe": "session_id, observation",
    "predict": "session_id",
    "learn": "session_id",
}
LIBRARIES = ("asyncio", "contextlib", "importlib", "os", "sys", "types", "httpx", "aiohttp", "requests")


def adapter_text(client: ClientSource) -> str:
    """The adapter's source: a factory for `--integration`, one short method a role."""
    making = plan_of(client)
    adapter = "\n".join(_class(client, making))
    text = "\n".join([*_loading(client, making), "", "", IDENTIFIER * ("identifier(" in adapter) + adapter])
    used = [name for name in LIBRARIES if f"{name}." in text]
    own = [
        "importlib.util" if name == "importlib" and "importlib.util." in text else name
        for name in used
        if name in sys.stdlib_module_names
    ]
    others = [name for name in used if name not in sys.stdlib_module_names]
    head = [
        f'"""Adapter of {client.name or client.file.name} for kato-harness.',
        "",
        *_said(client, making),
        '"""',
        "",
        *(f"import {name}" for name in own),
        "from pathlib import Path",
        *(["from urllib.parse import urlsplit"] if "urlsplit(" in text else []),
        *([""] if others else []),
        *(f"import {name}" for name in others),
        "",
        text,
        "",
    ]
    return "\n".join(head)


def guesses_of(client: ClientSource) -> tuple[str, ...]:
    """Parameters that the adapter fills with a guess, as `method(parameter)`."""
    return _guesses(client, plan_of(client))


def _guesses(client: ClientSource, making: Making) -> tuple[str, ...]:
    made = [f"{client.name}({name})" for name in making.guessed]
    called = [
        f"{method.name}({name})"
        for role, method in making.roles.items()
        if role in SIGNATURES
        for name in _given(client, making, role).guessed
    ]
    return (*made, *called)


def _said(client: ClientSource, making: Making) -> Iterator[str]:
    if making.per_user:
        yield f"Every user gets a {client.name} of its own, because one keeps one session."
    guesses = _guesses(client, making)
    for guess in guesses:
        yield f"A guess, look at it: {guess}."
    if not making.per_user and not guesses:
        yield "Written by `kato-harness init`; yours to change."


def _loading(client: ClientSource, making: Making) -> Iterator[str]:
    dotted = client.module.dotted
    here = Path.cwd()
    root, folder = client.module.root, client.file.resolve().parent
    yield "HERE = Path(__file__).resolve().parent"
    packaged = (folder / "__init__.py").exists()
    for place in dict.fromkeys((root,) if packaged else (folder, root)):
        inside = f"HERE / {_quoted(place.relative_to(here))}" if place.is_relative_to(here) else _quoted(place)
        yield f"sys.path.insert(0, str({'HERE' if place == here else inside}))"
    yield ""
    yield ""
    yield "def load(base_url):"
    yield f'    """{client.file}, told where KATO is."""'
    yield from (f"    os.environ[{_quoted(name)}] = {value}" for name, value in making.environment)
    if "." in dotted or dotted not in sys.stdlib_module_names:
        yield f"    module = importlib.import_module({_quoted(dotted)})"
    else:
        named = f"{_quoted(f'client_{dotted}')}, HERE / {_quoted(client.file)}"
        yield f"    spec = importlib.util.spec_from_file_location({named})"
        yield "    module = importlib.util.module_from_spec(spec)"
        yield "    spec.loader.exec_module(module)"
    yield from (f"    module.{name} = base_url" for name in making.constants)
    yield "    return module"


def _class(client: ClientSource, making: Making) -> Iterator[str]:
    yield "class Adapter:"
    yield "    def __init__(self, base_url):"
    yield "        self.module = load(base_url)"
    yield from (f"        {line}" for line in _held(client, making))
    if making.per_user:
        yield from ("", "    def _made(self, user):", "        base_url = self.base_url")
        yield from (f"        {line}" for line in _made(making, "client = "))
        yield "        return client"
    if _late(making):
        yield from _client(client, making)
    yield from _methods(client, making)
    yield from ("", "", "def factory(base_url):", "    return Adapter(base_url)")


def _quoted(text: object) -> str:
    return json.dumps(str(text))


def _late(making: Making) -> bool:
    """Whether a client is got by a method, because it is made or entered when it is first used."""
    return making.per_user or (making.asynchronous and (making.enters or bool(making.starts)))


def _held(client: ClientSource, making: Making) -> Iterator[str]:
    if making.per_user:
        yield from ("self.base_url = base_url", "self.clients = {}")
        if "__init__" not in client.methods or "sessions" not in client.methods["__init__"].pieces:
            yield 'self.inspected = self._made("nobody")  # promises are read from it; it is never called'
        return
    yield from _made(making, "self.client = ")
    if making.keeps:
        yield "self.opened = {}"
    if _late(making):
        yield from ("self.entering = asyncio.Lock()", "self.entered = False")
    elif making.enters:
        yield "self.client = self.client.__enter__()"
    elif making.starts:
        yield f"self.client.{making.starts}()"


def _made(making: Making, target: str) -> Iterator[str]:
    yield f"{target}{making.expression}"
    if making.attribute:
        yield f"{target.removesuffix(' = ')}.{making.attribute} = base_url"


def _client(client: ClientSource, making: Making) -> Iterator[str]:
    define, wait = ("async def", "await ") if making.asynchronous else ("def", "")
    entering = f"{wait}client.__{'a' * making.asynchronous}enter__()" if making.enters else ""
    starting = f"{_wait(client.methods[making.starts])}client.{making.starts}()" if making.starts else ""
    if not making.per_user:
        yield from (
            "",
            f"    {define} _client(self):",
            "        client = self.client",
            "        async with self.entering:",
        )
        yield from ("            if not self.entered:", f"                {entering or starting}")
        yield from ("                self.entered = True", "        return client")
        return
    yield from ("", f"    {define} _client(self, user):", "        if user not in self.clients:")
    yield "            client = self._made(user)"
    yield from (f"            {line}" for line in (entering, starting) if line)
    opener = making.roles.get("open_session")
    if opener is not None:
        yield f"            {_wait(opener)}client.{opener.name}({_given(client, making, 'open_session').text})"
    yield from ("            self.clients[user] = client", "        return self.clients[user]")


def _methods(client: ClientSource, making: Making) -> Iterator[str]:
    define = "async def" if making.asynchronous else "def"
    for role, parameters in SIGNATURES.items():
        method = making.roles.get(role)
        if method is None or (role == "open_session" and making.per_user):
            continue
        yield from ("", f"    {define} {role}(self, {parameters}):")
        if _late(making):
            yield f"        client = {'await ' * making.asynchronous}self._client({'session_id' * making.per_user})"
        call = f"{_wait(method)}{_holder(making)}.{method.name}({_given(client, making, role).text})"
        yield from (
            f"        {line}"
            for line in (_opened(making, method, call) if role == "open_session" else [f"return {call}"])
        )
    if "predict" not in making.roles:
        yield from ("", f"    {define} predict(self, session_id):")
        yield '        raise NotImplementedError("this client does not predict")'
    yield from _closing(making, define)


def _holder(making: Making) -> str:
    return "client" if _late(making) else "self.client"


def _given(client: ClientSource, making: Making, role: str) -> Given:
    who = "session_id"
    if role == "open_session":
        who = "user" if making.per_user else "node_id"
    elif making.keeps:
        who = "self.opened[session_id]"
    method = making.roles[role]
    given = arguments(client.module, method, who, observing=role == "observe")
    if role == "open_session" and method.takes_any and who not in given.text:
        return Given(f"node_id={who}", given.guessed)
    return given


def _wait(method: Method) -> str:
    return "await " if method.asynchronous else ""


def _opened(making: Making, method: Method, call: str) -> list[str]:
    """What turns the answer of the client's opening into a session's identifier."""
    if not any(isinstance(node, ast.Return) and node.value is not None for node in ast.walk(method.node)):
        return [call, "return node_id"]
    if plain(method.returns) == "str":
        return [f"return {call}"]
    kept = ["self.opened[node_id] = answer", "return node_id"]
    return [f"answer = {call}", *(kept if making.keeps else ["return identifier(answer)"])]


def _closing(making: Making, define: str) -> Iterator[str]:
    closer = making.roles.get("close")
    if closer is None and not making.enters:
        return
    close = f"{_wait(closer)}{{}}.{closer.name}()" if closer else ""
    if making.enters:
        close = f"{'await ' * making.asynchronous}{{}}.__{'a' * making.asynchronous}exit__(None, None, None)"
    yield from ("", f"    {define} close(self):")
    if making.per_user:
        yield from ("        for client in self.clients.values():", f"            {close.format('client')}")
    elif making.enters and making.asynchronous:
        yield from ("        if self.entered:", f"            {close.format('self.client')}")
    else:
        yield f"        {close.format('self.client')}"


IDENTIFIER = '''def identifier(answer):
    """The session's identifier in what the client gives back."""
    if isinstance(answer, str):
        return answer
    return answer["session_id"] if isinstance(answer, dict) else answer.session_id


'''


def scenario_text(client: ClientSource, adapter: Path) -> str:
    """A scenario that runs at once: an outage, an answer that is lost, a burst of 503."""
    mix = "{observe: 2, predict: 1}" if "predict" in plan_of(client).roles else "{observe: 1}"
    return f"""format: kato-harness/1
question: Does {client.name or client.file.name} keep its promises when KATO is slow, lost, and back again?
integration: {adapter}:factory
load: {{rate: 20/s, mix: {mix}}}
phases: {{warmup: 1s, baseline: 4s, recovery: 5s}}
faults:
  - {{name: lost_replies, kind: commit_then_drop, only: {{op: observe, every: 5}}, at: baseline.end, for: 3s}}
  - {{name: burst, kind: status, status: 503, at: lost_replies.end + 1s, for: 2s}}
  - {{name: outage, kind: refuse, at: burst.end + 1s, for: 3s}}
"""
