"""Kinds of composed values: lists, maps and records; a record's fields are the table of its keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from harness.scenario.leaves import BAD, Kind, Sink, shown, suggest
from harness.scenario.nodes import Node, plain


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list of one kind; a tuple when read."""

    item: Kind
    least: int = 0

    def read(self, node: Node, sink: Sink, name: str) -> Any:
        if node.kind != "list":
            return sink.note(
                node.where, f"{name} needs a list, not {shown(node)}", f"write {name}: [ … ] or one `- ` a line"
            )
        if len(node.items) < self.least:
            return sink.note(node.where, f"{name} is an empty list", "give it an item or leave the key out")
        values = [self.item.read(item, sink, name) for item in node.items]
        return tuple(value for value in values if value is not BAD)

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": self.item.schema()} | ({"minItems": self.least} if self.least else {})


@dataclass(frozen=True, slots=True)
class MapOf:
    """A map of free names to one kind; `names` closes the names."""

    item: Kind
    names: tuple[str, ...] = ()
    least: int = 0

    def read(self, node: Node, sink: Sink, name: str) -> Any:
        if node.kind != "map":
            return sink.note(
                node.where,
                f"{name} needs a map, not {shown(node)}",
                f"write `{name}:` and below it one `key: value` a line",
            )
        if len(node.entries) < self.least:
            return sink.note(node.where, f"{name} is an empty map", "give it an entry or leave the key out")
        values = {}
        for key, item in node.entries.items():
            if self.names and key not in self.names:
                sink.note(node.key_where(key), f"unknown key {key!r} in {name}", suggest(key, self.names))
                continue
            value = self.item.read(item, sink, f"{name}.{key}")
            if value is not BAD:
                values[key] = value
        return values

    def schema(self) -> dict[str, Any]:
        if self.names:
            return {
                "type": "object",
                "additionalProperties": False,
                "properties": {name: self.item.schema() for name in self.names},
            }
        return {"type": "object", "additionalProperties": self.item.schema()}


@dataclass(frozen=True, slots=True)
class Anything:
    """A map of plain values that are somebody else's to judge (KATO's session config)."""

    def read(self, node: Node, sink: Sink, name: str) -> Any:
        if node.kind != "map":
            return sink.note(node.where, f"{name} needs a map, not {shown(node)}", f"write {name}: {{key: value}}")
        return plain(node)

    def schema(self) -> dict[str, Any]:
        return {"type": "object"}


@dataclass(frozen=True, slots=True)
class Either:
    """One kind for each shape of node: scalar, list, map."""

    scalar: Kind | None = None
    list: Kind | None = None
    map: Kind | None = None

    def read(self, node: Node, sink: Sink, name: str) -> Any:
        kind: Kind | None = {"scalar": self.scalar, "list": self.list, "map": self.map}[node.kind]
        if kind is None:
            can = " or ".join(shape for shape in ("scalar", "list", "map") if getattr(self, shape))
            return sink.note(node.where, f"{name} can't be {shown(node)}", f"write a {can}")
        return kind.read(node, sink, name)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [kind.schema() for kind in (self.scalar, self.list, self.map) if kind is not None]}


@dataclass(frozen=True, slots=True)
class Key:
    """What a record's field knows about its key."""

    kind: Kind
    doc: str
    required: bool = False


def key(
    kind: Kind, doc: str, *, default: Any = None, factory: Callable[[], Any] | None = None, required: bool = False
) -> Any:
    """A field of a record: how its key is read, what it means, and its default."""
    metadata = {"key": Key(kind, doc, required)}
    if factory is not None:
        return field(default_factory=factory, metadata=metadata)
    return field(default=default, metadata=metadata)


def keys_of(record: type) -> dict[str, Key]:
    """The table of keys of a record, in the order of the page; a field `for_` is the key `for`."""
    return {item.name.rstrip("_"): item.metadata["key"] for item in fields(record) if "key" in item.metadata}


@dataclass(frozen=True, slots=True)
class Record:
    """A map whose keys are a dataclass's fields. `short`: the key that a bare scalar stands for.

    A record with a field `where` gets its place in the file.
    """

    type: type
    short: str = ""

    def read(self, node: Node, sink: Sink, name: str) -> Any:
        table = keys_of(self.type)
        if self.short and node.kind == "scalar" and not node.null:
            value = table[self.short].kind.read(node, sink, name)
            return BAD if value is BAD else self._made(node, {self.short: value})
        if node.kind != "map":
            return sink.note(node.where, f"{name} needs a map, not {shown(node)}", f"keys: {', '.join(table)}")
        return self._made(node, read_keys(node, table, sink, name))

    def _made(self, node: Node, values: dict[str, Any]) -> Any:
        named = {item.name.rstrip("_"): item.name for item in fields(self.type)}
        placed = {"where": node.where} if any(item.name == "where" for item in fields(self.type)) else {}
        return self.type(**{named[word]: value for word, value in values.items()}, **placed)

    def schema(self) -> dict[str, Any]:
        table = keys_of(self.type)
        whole = {
            "type": "object",
            "additionalProperties": False,
            "properties": {name: {**entry.kind.schema(), "description": entry.doc} for name, entry in table.items()},
        }
        required = [name for name, entry in table.items() if entry.required]
        if required:
            whole["required"] = required
        return {"anyOf": [table[self.short].kind.schema(), whole]} if self.short else whole


def read_keys(
    node: Node, table: Mapping[str, Key], sink: Sink, name: str, also: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The values of a map by a table of keys; unknown, empty and missing keys are problems.

    `also` are keys that somebody else reads: they are worth suggesting.
    """
    values: dict[str, Any] = {}
    for word, item in node.entries.items():
        if word not in table:
            place = f" in {name}" if name else ""
            sink.note(node.key_where(word), f"unknown key {word!r}{place}", suggest(word, (*table, *also)))
        elif item.null:
            sink.note(node.key_where(word), f"{word} has no value", f"give {word} a value or leave the key out")
        elif (value := table[word].kind.read(item, sink, word)) is not BAD:
            values[word] = value
    for word, entry in table.items():
        if entry.required and word not in node.entries:
            sink.note(node.where, f"{name or 'the file'} lacks {word}", f"add {word}: {entry.doc}")
    return values
