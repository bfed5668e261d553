"""What each parameter of a client's method is given: an expression of the adapter, told by use, annotation and name."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass

from harness.adapt.modules import Module
from harness.adapt.source import Method, Parameter, method_that_makes

WHO = frozenset(
    {
        "session",
        "sid",
        "user",
        "uid",
        "username",
        "customer",
        "conversation",
        "chat",
        "node",
        "tenant",
        "account",
        "device",
        "player",
        "visitor",
        "member",
        "person",
        "thread",
        "owner",
        "caller",
        "subject",
        "who",
    }
)
"""Words of a name that say whose memory it is."""
TEXTS = frozenset(
    {
        "text",
        "message",
        "msg",
        "symbol",
        "token",
        "word",
        "item",
        "product",
        "content",
        "snippet",
        "query",
        "string",
        "utterance",
        "action",
        "page",
        "name",
    }
)
LISTS = frozenset({"strings", "symbols", "tokens", "words", "items", "events", "values", "tags", "features", "views"})
WHOLES = frozenset({"observation", "obs", "data", "payload", "body", "event", "input", "record", "entry", "params"})
PIECES: Mapping[str, str] = {
    "strings": 'observation["strings"]',
    "vectors": 'observation["vectors"]',
    "emotives": 'observation["emotives"]',
    "emotions": 'observation["emotives"]',
    "metadata": "{}",
}
STRINGS, TEXT, WHOLE = 'observation["strings"]', '" ".join(observation["strings"])', "observation"
GUESSES: Mapping[str, str] = {
    "": '"kato-harness"',
    "int": "1",
    "float": "1.0",
    "bool": "False",
    "str": '"kato-harness"',
    "bytes": 'b""',
}
NUMBERS = frozenset({"int", "float", "bool", "bytes"})
_ELEMENT = re.compile(
    r"^(?:list|sequence|iterable|collection|tuple|set|frozenset)\[(.+?)(?:, \.\.\.)?\]$", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Given:
    """A call's arguments as source text, and the parameters whose value is a guess."""

    text: str
    guessed: tuple[str, ...] = ()


def words_of(name: str) -> list[str]:
    """The words of an identifier, in lower case."""
    return re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower())


def is_who(parameter: Parameter) -> bool:
    """Whether the parameter says whose memory it is: a session, a user, a node."""
    words = words_of(parameter.name)
    if not words or words[-1] in TEXTS | LISTS | WHOLES or plain(parameter.annotation) in NUMBERS:
        return False
    return words in (["id"], ["key"]) or bool(WHO & set(words))


def plain(annotation: str) -> str:
    """An annotation without the module of its container, Optional and None."""
    text = annotation.replace("typing.", "").replace("collections.abc.", "").removesuffix(" | None")
    return text[9:-1] if text.startswith("Optional[") else text


def arguments(module: Module, method: Method, who: str, observing: bool) -> Given:
    """What a method is given that takes `who` and, where it observes, an `observation`."""
    given: list[str] = []
    guessed: list[str] = []
    starred = any(parameter.many for parameter in method.parameters)
    for parameter in method.parameters:
        value = _value(module, method, parameter, who, observing)
        if value is None and parameter.required:
            value = GUESSES.get(plain(parameter.annotation), "None")
            guessed.append(parameter.name)
        if parameter.many:
            given.append(f"*{STRINGS}" if observing else "")
        elif value is not None:
            given.append(value if starred or parameter.bare else f"{parameter.name}={value}")
    if method.takes_any and observing and not any(WHOLE in text for text in given):
        given.append(f"**{WHOLE}")
    return Given(", ".join(filter(None, given)), tuple(guessed))


def _value(module: Module, method: Method, parameter: Parameter, who: str, observing: bool) -> str | None:
    if observing and parameter.name in PIECES:
        return TEXT if plain(parameter.annotation) == "str" else PIECES[parameter.name]
    if is_who(parameter):
        return who
    return observed(module, method, parameter) if observing and parameter.required else None


def observed(module: Module, method: Method, parameter: Parameter) -> str | None:
    """The observation in the shape in which the parameter wants it; None: it wants something else."""
    return (
        _by_use(method.node, parameter.name)
        or _by_annotation(module, plain(parameter.annotation))
        or _by_name(words_of(parameter.name))
    )


def _by_use(function: ast.AST, name: str) -> str | None:
    """How the method's body puts the parameter under "strings", or takes pieces out of it."""
    for node in ast.walk(function):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "strings" and name in _names(value):
                    return STRINGS if _is_list_of(value, name) else _by_part(value, name)
        if isinstance(node, ast.keyword) and node.arg == "json" and ast.unparse(node.value) in (name, f"dict({name})"):
            return WHOLE
        if isinstance(node, ast.Subscript) and ast.unparse(node) == f"{name}['strings']":
            return WHOLE
    return None


def _is_list_of(value: ast.expr, name: str) -> bool:
    text = ast.unparse(value)
    listed = (name, f"list({name})", f"[*{name}]", f"sorted({name})", f"{name} or []")
    comprehended = isinstance(value, ast.ListComp) and ast.unparse(value.generators[0].iter) == name
    return text in listed or comprehended


def _by_part(value: ast.expr, name: str) -> str | None:
    """A part of the parameter goes there: of a mapping or an object it is the whole that is wanted, else a text."""
    parts = [n for n in ast.walk(value) if isinstance(n, ast.Subscript | ast.Attribute) and _names(n.value) == {name}]
    keyed = any(isinstance(part, ast.Subscript) and isinstance(part.slice, ast.Constant) for part in parts)
    if keyed or f"{name}.get(" in ast.unparse(value):
        return WHOLE
    called = {"split", "lower", "strip", "upper", "casefold"}
    return None if any(isinstance(part, ast.Attribute) and part.attr not in called for part in parts) else TEXT


def _names(node: ast.AST) -> set[str]:
    return {item.id for item in ast.walk(node) if isinstance(item, ast.Name)}


def _by_annotation(module: Module, annotation: str) -> str | None:
    if annotation == "str":
        return TEXT
    if annotation.lower().startswith(("dict", "mapping", "mutablemapping")):
        return WHOLE
    element = _ELEMENT.match(annotation)
    if element:
        return {"str": STRINGS, "float": "[]"}.get(element[1]) or f"[{_by_annotation(module, element[1]) or WHOLE}]"
    made = method_that_makes(module, annotation)
    if made is None:
        return None
    return f"{made[0]}({arguments(module, made[1], 'session_id', observing=True).text})"


def _by_name(words: list[str]) -> str | None:
    last = words[-1] if words else ""
    if last in LISTS:
        return STRINGS
    if last in WHOLES:
        return WHOLE
    return TEXT if last in TEXTS else None
