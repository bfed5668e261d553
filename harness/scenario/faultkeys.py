"""A fault entry: the common keys, and the parameters of its kind beside them."""

# ruff: noqa: RUF009 - `key` makes a dataclass field, as `dataclasses.field` does
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from harness.faults import KINDS, FaultKind, Param
from harness.faults.sequence import STEP
from harness.model import OPERATIONS
from harness.scenario import leaves
from harness.scenario.expr import Expr
from harness.scenario.expr import parse as parse_expression
from harness.scenario.kinds import Either, Key, ListOf, MapOf, Record, key, keys_of, read_keys
from harness.scenario.leaves import BAD, Kind, Sink, choice, integer
from harness.scenario.nodes import Node, Where
from harness.units import TextError, number, rate_per_s


def _step(text: str) -> str:
    if not STEP.fullmatch(text):
        raise TextError(
            f"{text!r} is not a step", "a step is ok, cut, drop or status:N, with *times if repeated: cut*4"
        )
    return text


def _per_second(text: str) -> float:
    return rate_per_s(text) if "/" in text else number(text)


PARTS = ("kato", "registry", "broker", "collector")
"""What Toxiproxy stands before: the instances of KATO, the registry that discovery asks, broker and collector."""

MAX_INSTANCE = 63


@dataclass(frozen=True, slots=True)
class Only:
    """Which requests suffer; counters run over the requests that match op, path, header and instance."""

    op: str = key(choice(*OPERATIONS), "one kind of call", default="")
    path: str = key(leaves.TEXT, "a prefix or glob of the URL's path", default="")
    header: str = key(leaves.TEXT, "name=value, or a name that must be there", default="")
    nth: int = key(integer(1), "the nth matching request alone", default=0)
    first: int = key(integer(1), "the first n matching requests", default=0)
    every: int = key(integer(1), "each nth matching request", default=0)
    share: float = key(leaves.RATIO, "that share of them, drawn from the seed", default=0.0)
    instance: int = key(integer(0, MAX_INSTANCE), "one instance of KATO, numbered from 0", default=0)
    part: str = key(choice(*PARTS), "kato, or the registry, broker or collector of topology", default="kato")


ONLY = Record(Only)

CHOOSES: Mapping[str, tuple[str, ...]] = {
    "witness": tuple(word for word in keys_of(Only) if word != "part"),
    "toxiproxy": ("instance", "part"),
    "process": ("instance",),
}
"""What faults of a plane can be narrowed down to; planes that are not here hit everything."""


@dataclass(frozen=True, slots=True)
class FaultSpec:
    """One entry of `faults` as written; its expressions are resolved by the timeline.

    `params` hold the kind's parameters: durations as Expr, sizes as int bytes, the rest as plain values.
    """

    name: str = key(
        leaves.Text(pattern=r"[A-Za-z]\w*", meaning="name of letters, digits and _"),
        "its name; default: its kind",
        default="",
    )
    kind: str = key(choice(*KINDS), "what breaks: see `kato-harness list faults`", default="", required=True)
    only: Mapping[str, Any] = key(ONLY, "which requests suffer", factory=dict)
    at: Expr = key(
        leaves.EXPRESSION, "when it starts, from the start of load", default=parse_expression("baseline.end")
    )
    for_: Expr = key(leaves.EXPRESSION, "how long it lasts", default=parse_expression("10s"))
    max_for: float | None = key(leaves.POSITIVE_DURATION, "the longest that `for` may come to", default=None)
    repeat: int = key(integer(1, 1000), "how many times", default=1)
    every: Expr | None = key(leaves.EXPRESSION, "from one start to the next", default=None)
    destructive: bool = key(leaves.BOOLEAN, "needs --allow-destructive", default=False)
    params: Mapping[str, Any] = field(default_factory=dict)
    where: Where = field(default=Where(), compare=False)


COMMON = keys_of(FaultSpec)


def param_kind(param: Param) -> Kind:
    """How a scenario writes a parameter of a fault kind."""
    if param.type == "choice":
        return choice(*param.choices)
    if param.name in ("apply", "undo", "proof"):
        return leaves.COMMAND
    kinds: Mapping[str, Kind] = {
        "duration": leaves.EXPRESSION,
        "bytes": replace(leaves.SIZE, least=param.least),
        "int": integer(None if param.least is None else int(param.least)),
        "number": leaves.Leaf(_per_second, {"type": ["number", "string"]}, param.least),
        "text": leaves.TEXT,
        "steps": ListOf(leaves.Leaf(_step, {"type": "string"}), 1),
        "retry_after": Either(scalar=leaves.number(0), map=MapOf(leaves.number(), ("date",), 1)),
    }
    return kinds[param.type]


def table(kind: FaultKind) -> dict[str, Key]:
    """The keys of an entry of that kind; a parameter beats a common key of the same name (drip's `every`)."""
    return COMMON | {param.name: Key(param_kind(param), param.doc, param.required) for param in kind.params}


@dataclass(frozen=True, slots=True)
class FaultEntry:
    """Reads one fault by the table of its kind."""

    def read(self, node: Node, sink: Sink, name: str) -> Any:
        if node.kind != "map":
            return sink.note(
                node.where, f"a fault needs a map, not {leaves.shown(node)}", "write {name: …, kind: …, at: …, for: …}"
            )
        said = node.entries.get("kind")
        kind = KINDS.get(said.text) if said is not None else None
        if kind is None:
            keys = COMMON | {word: Key(_Ignored(), "") for word in node.entries if word not in COMMON}
            read_keys(node, keys, sink, "this fault")
            return BAD
        keys = table(kind)
        named = {param.name for param in kind.params}
        if "repeat" in node.entries and "every" in named:
            sink.note(
                node.key_where("repeat"),
                f"{kind.name} can't repeat: its `every` is a parameter",
                "list the fault twice",
            )
        values = read_keys(node, keys, sink, f"fault {kind.name}")
        params = {word: value for word, value in values.items() if word in named}
        common = {("for_" if word == "for" else word): value for word, value in values.items() if word not in named}
        common.setdefault("name", kind.name)
        common["only"] = _only(common.get("only"), node)
        _only_where_it_can(kind, node, sink)
        return FaultSpec(**common, params=params, where=node.where)

    def schema(self) -> dict[str, Any]:
        return {"oneOf": [self._one(kind) for kind in KINDS.values()]}

    @staticmethod
    def _one(kind: FaultKind) -> dict[str, Any]:
        keys = table(kind)
        properties = {word: {**entry.kind.schema(), "description": entry.doc} for word, entry in keys.items()}
        return {
            "type": "object",
            "additionalProperties": False,
            "required": [word for word, entry in keys.items() if entry.required],
            "properties": properties | {"kind": {"const": kind.name, "description": kind.doc}},
        }


@dataclass(frozen=True, slots=True)
class _Ignored:
    """A key whose meaning depends on a fault kind that isn't known."""

    def read(self, node: Node, sink: Sink, name: str) -> Any:
        return BAD

    def schema(self) -> dict[str, Any]:
        return {}


def _only_where_it_can(kind: FaultKind, node: Node, sink: Sink) -> None:
    only = node.entries.get("only")
    can = CHOOSES.get(kind.plane, ())
    if only is None or (can and all(word in can or word not in keys_of(Only) for word in only.entries)):
        return
    what = "requests: it breaks whole connections" if kind.plane == "toxiproxy" else "what it hits"
    if can:
        cure = f"`only` of {kind.name} takes {' and '.join(can)}"
    else:
        able = ", ".join(name for name, other in KINDS.items() if other.plane == "witness")
        cure = f"only works with {able}"
    sink.note(node.key_where("only"), f"{kind.name} can't choose {what}", cure)


def _only(only: Only | None, node: Node) -> dict[str, Any]:
    written = node.entries["only"].entries if "only" in node.entries else {}
    return {word: getattr(only, word) for word in keys_of(Only) if only is not None and word in written}


FAULTS = ListOf(FaultEntry())
