"""How a client is made, and what tells it KATO's address: a parameter, settings, the environment, a constant."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass

from harness.adapt.address import ADDRESS, constants_of, environment_of, is_url
from harness.adapt.roles import roles_of
from harness.adapt.source import CURE, ClientSource, Method, Parameter, method_that_makes
from harness.adapt.values import GUESSES, is_who, plain, words_of
from harness.errors import UsageError

INJECTED: Mapping[str, str] = {
    "httpx.AsyncClient": "httpx.AsyncClient(base_url=base_url, timeout=5)",
    "httpx.Client": "httpx.Client(base_url=base_url, timeout=5)",
    "aiohttp.ClientSession": "aiohttp.ClientSession(base_url)",
    "requests.Session": "requests.Session()",
}
"""HTTP clients that a constructor wants to be given."""
SETTINGS = frozenset({"config", "settings", "cfg", "conf", "options", "opts"})
STARTS = ("connect", "start", "open", "setup", "startup", "initialize", "initialise", "init")


@dataclass(frozen=True, slots=True)
class Making:
    """What the adapter does before the first call."""

    roles: Mapping[str, Method]
    expression: str
    """Makes the client; in scope are `self.module`, `base_url` and, where there is one a user, `user`."""
    per_user: bool
    """An object keeps one session, so every user gets one of its own."""
    enters: bool
    """It has to be entered (`with`) before use."""
    starts: str
    """A method that must be called before use; empty: none."""
    asynchronous: bool
    environment: tuple[tuple[str, str], ...]
    """Names of environment variables and the expressions they are set to before the client is imported."""
    constants: tuple[str, ...]
    """What is set to the address after the import, below `module`."""
    attribute: str
    """What is set to the address on the client itself."""
    guessed: tuple[str, ...]
    """Parameters that were given a guess."""
    keeps: bool
    """The client's methods take the object that its opening gave, not an identifier."""


def plan_of(client: ClientSource) -> Making:
    """How the client is made; raises UsageError where it observes nothing or can't be told KATO's address."""
    roles = roles_of(client)
    observes_for = any(is_who(parameter) for parameter in roles["observe"].parameters)
    per_user = bool(client.name) and not client.made and not observes_for
    text, guessed, told = _call(client, client.maker, per_user) if client.name and not client.made else ("", (), False)
    environment = tuple(environment_of(client.module))
    constants = () if told else tuple(constants_of(client.module))
    attribute = "" if told or environment else next((a for a in sorted(client.attributes) if is_url(a)), "")
    if not (told or environment or constants or attribute):
        what = f"{client.file}:{client.line}: nothing in {client.name or client.file.name} takes KATO's address"
        raise UsageError(what, f"give its constructor a parameter base_url, or {CURE}")
    return Making(
        roles,
        _expression(client, text),
        per_user,
        _enters(client),
        _starts(client, roles),
        any(method.asynchronous for method in roles.values()) or "__aenter__" in client.methods,
        environment,
        constants,
        attribute,
        guessed,
        _keeps(client, roles),
    )


def _expression(client: ClientSource, text: str) -> str:
    if not client.name:
        return "self.module"
    return f"self.module.{client.name}" if client.made else f"self.module.{client.name}({text})"


def _call(client: ClientSource, maker: Method | None, per_user: bool) -> tuple[str, tuple[str, ...], bool]:
    """The arguments, those that are guesses, and whether one of them is the address."""
    if maker is None:
        return "", (), False
    given: list[str] = []
    guessed: list[str] = []
    told = False
    only = len([p for p in maker.parameters if p.required]) == 1
    for parameter in maker.parameters:
        address = _address(client, maker, parameter)
        value = address or ("user" if is_who(parameter) and per_user else None)
        if value is None and parameter.required and only and plain(parameter.annotation) in ("", "str"):
            value = address = "base_url"
        if value is None and parameter.required:
            value = GUESSES.get(plain(parameter.annotation), "None")
            guessed.append(parameter.name)
        if value is not None and not parameter.many:
            given.append(f"{parameter.name}={value}")
        told = told or bool(address and "base_url" in address)
    return ", ".join(given), tuple(guessed), told


def _address(client: ClientSource, maker: Method, parameter: Parameter) -> str | None:
    """The expression that tells the parameter where KATO is; None: it isn't for that."""
    words = words_of(parameter.name)
    for kind, made in INJECTED.items():
        if parameter.required and kind.split(".")[-1] == plain(parameter.annotation).split(".")[-1]:
            return made
    if words and words[-1] == "port":
        return f"{ADDRESS}.port"
    if is_url(parameter.name) and plain(parameter.annotation) in ("", "str", "httpx.URL", "URL"):
        ported = any(words_of(p.name)[-1:] == ["port"] for p in maker.parameters)
        if words[-1] in ("host", "hostname"):
            text = ast.unparse(maker.node)
            return f"{ADDRESS}.hostname" if ported else f"{ADDRESS}.netloc" if "://" in text else "base_url"
        return "base_url"
    made_of = method_that_makes(client.module, plain(parameter.annotation))
    if made_of is not None and (parameter.required or SETTINGS & set(words[-1:])):
        text, _, told = _call(client, made_of[1], per_user=False)
        return f"{made_of[0]}({text})" if told else None
    if words and words[-1] in SETTINGS and parameter.required:
        return _settings(client, maker, parameter.name)
    return None


def _settings(client: ClientSource, maker: Method, name: str) -> str:
    """A mapping or an object with what the client's methods read from such a parameter."""
    text = "\n".join(ast.unparse(method.node) for method in client.methods.values())
    keys = re.findall(rf"\b{name}(?:\[|\.get\()'(\w+)'", text)
    if keys:
        return "{" + ", ".join(f'"{key}": base_url' for key in dict.fromkeys(keys) if is_url(key)) + "}"
    fields = [field for field in re.findall(rf"\b{name}\.(\w+)", text) if is_url(field)]
    return f"types.SimpleNamespace({', '.join(f'{field}=base_url' for field in dict.fromkeys(fields))})"


def _enters(client: ClientSource) -> bool:
    """Whether `with` does more than give the client back."""
    enter = client.methods.get("__aenter__") or client.methods.get("__enter__")
    if enter is None or client.made:
        return False
    body = [
        item for item in enter.node.body if not (isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant))
    ]
    return not (len(body) == 1 and isinstance(body[0], ast.Return))


def _starts(client: ClientSource, roles: Mapping[str, Method]) -> str:
    if _enters(client) or not client.name:
        return ""
    taken = {method.name for method in roles.values()} | _called_in_making(client)
    found = [client.methods[name] for name in STARTS if name in client.methods and name not in taken]
    return next((method.name for method in found if not any(p.required for p in method.parameters)), "")


def _called_in_making(client: ClientSource) -> set[str]:
    """The methods that the constructor calls itself, or by way of others."""
    found: set[str] = set()
    news = {"__init__", "__post_init__"}
    while news:
        text = "\n".join(ast.unparse(client.methods[name].node) for name in news if name in client.methods)
        news = set(re.findall(r"\bself\.(\w+)\(", text)) - found
        found |= news
    return found


def _keeps(client: ClientSource, roles: Mapping[str, Method]) -> bool:
    opener = roles.get("open_session")
    given = plain(opener.returns) if opener else ""
    taken = {plain(p.annotation) for p in roles["observe"].parameters if is_who(p)}
    return given in taken and method_that_makes(client.module, given) is not None
