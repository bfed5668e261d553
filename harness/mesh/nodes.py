"""YAML documents as an immutable tree that remembers where everything stood in its file.

YAML as kubectl takes it (sigs.k8s.io/yaml): 1.2's grammar, but merge keys, and a bare `yes`, `no`, `on` or `off` is a
boolean. Read by ruamel.yaml's composer; nothing is ever constructed but plain values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

from harness.errors import Problem, UsageError

MAX_BYTES = 16 * 1024 * 1024
"""Larger files are refused: no manifest is, and a parser must not be the place where memory ends."""

MAX_VALUES = 2_000_000
"""Values after aliases are laid out; what needs more is an attack on its reader, and kubectl refuses it too."""

_BARE = re.compile(r"[yn]|(?i:yes|no|on|off)")
"""Bare words that YAML 1.1 takes for booleans, and so does kubectl."""
_NOT_FINITE = {".inf": "inf", "-.inf": "-inf", ".nan": "nan"}

Scalar = str | int | float | bool | None


class ManifestError(UsageError):
    """Files that can't be read or understood; `problems` holds every one of them in file order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A value with its 1-based place. A mapping's values stand where their keys stand."""

    value: Scalar | Mapping[str, Node] | tuple[Node, ...]
    file: str
    line: int
    column: int

    def __getitem__(self, key: str | int) -> Node | None:
        """The child under a key or index, None when there is none."""
        if isinstance(self.value, Mapping) and isinstance(key, str):
            return self.value.get(key)
        if isinstance(self.value, tuple) and isinstance(key, int) and 0 <= key < len(self.value):
            return self.value[key]
        return None

    def at(self, *path: str | int) -> Node | None:
        """The descendant under `path`, None when a step is missing."""
        node: Node | None = self
        for step in path:
            node = node[step] if node is not None else None
        return node

    def get(self, *path: str | int) -> Any:
        """The scalar under `path`; None when it is missing, null, or not a scalar."""
        found = self.at(*path)
        return None if found is None or isinstance(found.value, Mapping | tuple) else found.value

    def items(self) -> Iterator[tuple[str, Node]]:
        """Key and value of a mapping; nothing for anything else."""
        if isinstance(self.value, Mapping):
            yield from self.value.items()

    def each(self, *path: str | int) -> Iterator[Node]:
        """The entries of the sequence under `path`; nothing when it isn't one."""
        found = self.at(*path)
        if found is not None and isinstance(found.value, tuple):
            yield from found.value

    def plain(self) -> Any:
        """The value as dicts, lists and scalars."""
        if isinstance(self.value, Mapping):
            return {key: child.plain() for key, child in self.value.items()}
        if isinstance(self.value, tuple):
            return [child.plain() for child in self.value]
        return self.value

    def nearest(self, path: Sequence[str | int]) -> Node:
        """The deepest node that exists along `path`: where a message about it belongs."""
        node = self
        for step in path:
            child = node[step]
            if child is None:
                break
            node = child
        return node

    @property
    def where(self) -> str:
        """`file:line:column`."""
        return f"{self.file}:{self.line}:{self.column}"

    def problem(self, what: str, cure: str) -> Problem:
        """A problem that stands here."""
        return Problem(self.file, self.line, self.column, what, cure)


def load(text: str, file: str) -> tuple[Node, ...]:
    """The documents of a YAML (or JSON) text; empty ones are left out. Raises ManifestError."""
    yaml = YAML(typ="safe", pure=True)
    yaml.version = "1.2"
    try:
        composed = [node for node in yaml.compose_all(text) if node is not None]
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        kind = "a template, not a manifest" if "{{" in text else "not valid YAML"
        raise _refused(file, line, column, f"{kind}: {error.problem or error.context}") from error
    except (YAMLError, RecursionError, ValueError) as error:
        raise _refused(file, 1, 1, f"not valid YAML: {error or type(error).__name__}") from error
    tree = _Tree(file)
    nodes = tuple(tree.node(node, node.start_mark) for node in composed)
    if tree.problems:
        raise ManifestError(tree.problems)
    return tuple(node for node in nodes if node.value is not None)


def load_file(path: Path) -> tuple[Node, ...]:
    """The documents of a file. Raises ManifestError when it can't be read or isn't YAML."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise _refused(str(path), 1, 1, f"larger than {MAX_BYTES // 2**20} MiB")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise _refused(str(path), 1, 1, f"can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise _refused(str(path), 1, 1, "not UTF-8 text") from error
    return load(text, str(path))


def _refused(file: str, line: int, column: int, what: str) -> ManifestError:
    cure = "give a YAML 1.2 or JSON file; `python -m json.tool` or an editor shows where it breaks"
    if what.startswith("a template"):
        cure = "give what is applied: the output of `helm template` or `kustomize build`"
    return ManifestError([Problem(file, line, column, what, cure)])


class _Tree:
    """Turns composer nodes into ours; anchors are shared, so an alias bomb stays as small as its text."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self._values: dict[int, Any] = {}
        self._sizes: dict[int, int] = {}
        self._open: set[int] = set()

    def node(self, raw: Any, mark: Any) -> Node:
        return Node(self._value(raw), self.file, mark.line + 1, mark.column + 1)

    def _value(self, raw: Any) -> Any:
        if id(raw) in self._values:
            return self._values[id(raw)]
        if id(raw) in self._open:
            self._refuse(raw, "an alias that contains itself", "write the value out")
            return None
        self._open.add(id(raw))
        value = self._build(raw)
        self._open.discard(id(raw))
        self._values[id(raw)] = value
        self._sizes[id(raw)] = 1 + sum(self._sizes.get(id(part), 0) for part in _parts(raw))
        if self._sizes[id(raw)] > MAX_VALUES:
            self._refuse(raw, f"aliases that stand for more than {MAX_VALUES:,} values", "write the values out")
            self._sizes[id(raw)] = 0
        return value

    def _build(self, raw: Any) -> Any:
        if isinstance(raw, ScalarNode):
            return _scalar(raw)
        if isinstance(raw, SequenceNode):
            return tuple(self.node(item, item.start_mark) for item in raw.value)
        assert isinstance(raw, MappingNode)
        return self._mapping(raw)

    def _mapping(self, raw: MappingNode) -> dict[str, Node]:
        mapping: dict[str, Node] = {}
        merged: dict[str, Node] = {}
        for key, value in raw.value:
            name = _text(key) if isinstance(key, ScalarNode) else ""
            if not isinstance(key, ScalarNode):
                self._refuse(key, "a key that is not a word", "use plain words as keys")
            elif key.tag == "tag:yaml.org,2002:merge":
                merged = {**self._merged(value), **merged}
                continue
            elif name in mapping:
                self._refuse(key, f"`{name}` stands twice in one mapping", "keep one of the two")
            mapping[name] = self.node(value, key.start_mark)
        return {**merged, **mapping}

    def _merged(self, raw: Any) -> dict[str, Node]:
        """What a merge key brings in: of several mappings the first that has a key."""
        out: dict[str, Node] = {}
        for part in raw.value if isinstance(raw, SequenceNode) else (raw,):
            value = self._value(part)
            if isinstance(value, dict):
                out = {**value, **out}
            else:
                self._refuse(part, "a merge key `<<` without a mapping", "merge mappings, by `*alias`")
        return out

    def _refuse(self, raw: Any, what: str, cure: str) -> None:
        mark = raw.start_mark
        self.problems.append(Problem(self.file, mark.line + 1, mark.column + 1, what, cure))


def _scalar(raw: ScalarNode) -> Scalar:
    kind = str(raw.tag).rsplit(":", 1)[-1]
    text = _text(raw)
    match kind:
        case "null":
            return None
        case "bool":
            return text.lower() == "true"
        case "int":
            return _integer(text)
        case "float":
            return float(_NOT_FINITE.get(text.lower().lstrip("+"), text))
        case _:
            bare = raw.style is None and _BARE.fullmatch(text)
            return text.lower() in ("y", "yes", "on") if bare else text


def _text(raw: ScalarNode) -> str:
    """The words; JSON escapes what lies beyond the first plane as two surrogates, which YAML's reader leaves apart."""
    return str(raw.value).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _parts(raw: Any) -> Iterator[Any]:
    if isinstance(raw, MappingNode):
        yield from (value for _, value in raw.value)
    elif isinstance(raw, SequenceNode):
        yield from raw.value


def _integer(text: str) -> int:
    digits = text.replace("_", "")
    return int(digits, 0) if digits.lstrip("+-")[:2] in ("0o", "0x", "0b") else int(digits)
