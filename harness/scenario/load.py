"""A scenario file to a Scenario: extends, environments, matrix cells, overrides; every problem at once."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.errors import Problem, ScenarioError, UsageError
from harness.scenario.check import check
from harness.scenario.kinds import keys_of, read_keys
from harness.scenario.leaves import Sink, shown, suggest
from harness.scenario.nodes import Node, Where, merge, of, parse, plain, put, without
from harness.scenario.secrets import redacted
from harness.scenario.types import Scenario

MAX_CELLS = 256
MAX_BYTES = 1 << 20
LAYERS = ("extends", "environments", "matrix")
"""Keys of a file that are gone when it has become a scenario."""


def load_scenario(path: str | Path, *, env: str | None = None, text: str | None = None) -> Scenario:
    """The scenario of a file (or of `text`, as if it stood at `path`) in environment `env`.

    Raises ScenarioError with every problem of the file, of all its environments and cells; UsageError when the file
    or the environment doesn't exist.
    """
    sink = Sink()
    whole = _extended(Path(path), text, sink, ())
    variants = dict(_variants(whole, sink))
    if env is not None and env not in variants:
        raise UsageError(
            f"{path} has no environment {env!r}",
            suggest(env, [name for name in variants if name]) if len(variants) > 1 else "leave --env out",
        )
    scenarios = {name: _built(tree, str(path), name, sink) for name, tree in variants.items()}
    _raise(sink, str(path))
    return scenarios[env or ""]


def cells(scenario: Scenario) -> tuple[Scenario, ...]:
    """One scenario for each cell of the matrix, in the file's order; the scenario itself when it has none."""
    sink = Sink()
    found = tuple(_cells(scenario.tree, scenario.path, scenario.env, sink))
    _raise(sink, scenario.path)
    return found


def override(scenario: Scenario, values: Mapping[str, Any], source: str = "command line") -> Scenario:
    """The scenario with other values at dotted paths (`load.rate`, `target.url`, `faults.outage.for`).

    `source` is named in problems. Raises ScenarioError.
    """
    tree, sink = scenario.tree, Sink()
    for path, value in values.items():
        tree = _put(tree, path, of(value, source), sink)
    changed = _one(tree, scenario.path, scenario.env, scenario.cell, sink)
    _raise(sink, scenario.path)
    return changed


def given(scenario: Scenario) -> dict[str, Any]:
    """The scenario as written, merged, as plain values for the manifest: references stay references, and what may
    be a secret is masked."""
    values = redacted(plain(scenario.tree))
    return values if isinstance(values, dict) else {}


def _raise(sink: Sink, path: str) -> None:
    if sink:
        unique = dict.fromkeys(sink)
        raise ScenarioError(
            sorted(unique, key=lambda problem: (problem.file != path, problem.file, problem.line, problem.column))
        )


def _read(path: Path, text: str | None) -> Node:
    if text is None:
        try:
            raw = path.read_bytes()
        except OSError as error:
            raise UsageError(
                f"the scenario file {path} can't be read: {error.strerror}",
                "check the path; `kato-harness run outage` runs a shipped one",
            ) from None
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ScenarioError(
                [Problem(str(path), raw[: error.start].count(b"\n") + 1, 1, "not UTF-8 text", "save the file as UTF-8")]
            ) from None
    if len(text) > MAX_BYTES:
        raise ScenarioError(
            [Problem(str(path), 1, 1, "larger than 1 MiB", "a scenario is a page: is this the right file?")]
        )
    return parse(text, str(path))


def _extended(path: Path, text: str | None, sink: Sink, above: tuple[Path, ...]) -> Node:
    """The file's tree laid upon those that it extends, in their order."""
    tree = _read(path, text)
    if tree.kind != "map":
        raise ScenarioError(
            [tree.where.problem(f"a scenario is a map of keys, not {shown(tree)}", "begin with format: kato-harness/1")]
        )
    if not above and tree.entries and next(iter(tree.entries)) != "format":
        sink.note(tree.where, "format is not the first key", "begin the file with format: kato-harness/1")
    merged = Node({}, tree.where, "map")
    for base in _bases(tree, sink):
        file = path.parent / base.text
        if file.resolve() in (path.resolve(), *above):
            sink.note(base.where, f"{base.text} extends itself", "take one of the files out of the circle")
            continue
        try:
            merged = merge(merged, _extended(file, None, sink, (*above, path.resolve())))
        except ScenarioError as error:
            sink.extend(error.problems)
        except UsageError:
            sink.note(base.where, f"{base.text} can't be read", "paths are relative to this file")
    return merge(merged, without(tree, "extends"))


def _bases(tree: Node, sink: Sink) -> Iterator[Node]:
    node = tree.entries.get("extends")
    for base in () if node is None else node.items if node.kind == "list" else (node,):
        if base.kind == "scalar" and base.text and not base.null:
            yield base
        else:
            sink.note(base.where, "extends needs file names", "write extends: [./base.yaml]")


def _variants(whole: Node, sink: Sink) -> Iterator[tuple[str, Node]]:
    """The tree without an environment under the name '', then one for each environment."""
    bare = without(whole, "environments")
    yield "", bare
    environments = whole.entries.get("environments")
    if environments is None:
        return
    if environments.kind != "map":
        sink.note(
            environments.where,
            f"environments needs a map, not {shown(environments)}",
            "write ci: {target: {url: embedded}}",
        )
    for name, overlay in environments.entries.items():
        unfit = [key for key in ("format", "extends", "environments") if key in overlay.entries]
        if overlay.kind != "map":
            sink.note(
                overlay.where,
                f"environment {name} needs a map, not {shown(overlay)}",
                "write the keys that it overrides",
            )
        for key in unfit:
            sink.note(overlay.key_where(key), f"{key} can't stand in an environment", "move it to the top of the file")
        yield name, merge(bare, without(overlay, *unfit)) if overlay.kind == "map" else bare


def _built(tree: Node, path: str, env: str, sink: Sink) -> Scenario:
    bare = _one(tree, path, env, {}, sink)
    for _ in _cells(tree, path, env, sink):
        pass
    return bare


def _one(tree: Node, path: str, env: str, cell: Mapping[str, str], sink: Sink) -> Scenario:
    mine = Sink()
    values = read_keys(without(tree, "matrix"), keys_of(Scenario), mine, "", also=LAYERS)
    scenario = Scenario(**values, path=path, env=env, cell=cell, tree=tree)
    check(scenario, mine)
    sink.extend(mine)
    return scenario


def _cells(tree: Node, path: str, env: str, sink: Sink) -> Iterator[Scenario]:
    matrix = tree.entries.get("matrix")
    if matrix is None:
        yield _one(tree, path, env, {}, sink)
        return
    axes = _axes(matrix, sink)
    bare = without(tree, "matrix")
    for picks in itertools.product(*axes.values()):
        cell = dict(zip(axes, picks, strict=True))
        changed = bare
        for key, value in cell.items():
            changed = _put(changed, key, value, sink, matrix.key_where(key))
        yield _one(changed, path, env, {key: _label(value) for key, value in cell.items()}, sink)


def _axes(matrix: Node, sink: Sink) -> dict[str, tuple[Node, ...]]:
    axes: dict[str, tuple[Node, ...]] = {}
    if matrix.kind != "map":
        sink.note(matrix.where, f"matrix needs a map, not {shown(matrix)}", "write matrix: {seed: [1, 2, 3]}")
    size = 1
    for key, values in matrix.entries.items():
        size *= max(len(values.items), 1)
        if not values.items:
            sink.note(values.where, f"matrix.{key} needs a list of values", f"write {key}: [1, 2]")
        elif size > MAX_CELLS:
            sink.note(matrix.key_where(key), f"the matrix has more than {MAX_CELLS} cells", "run fewer values at once")
        else:
            axes[key] = values.items
    return axes


def _put(tree: Node, path: str, value: Node, sink: Sink, where: Where | None = None) -> Node:
    head = path.partition(".")[0]
    if head not in keys_of(Scenario) or head == "format":
        names = [name for name in keys_of(Scenario) if name != "format"]
        sink.note(where or value.where, f"there is no key {path!r} to set", suggest(head, names))
        return tree
    try:
        return put(tree, path, value)
    except KeyError as error:
        sink.note(
            where or value.where,
            f"there is no {error.args[0]!r} in {path}",
            "name a key of the file, or a fault by its name",
        )
        return tree


def _label(value: Node) -> str:
    """The value as it stands in a run's name."""
    if value.kind == "scalar":
        return re.sub(r"[^\w.%:-]+", "_", value.text)[:40]
    named = value.entries.get("name")
    if named is not None:
        return named.text
    words = [_label(item) for item in value.items]
    return "_".join([*words, *(f"{key}:{_label(item)}" for key, item in value.entries.items())])[:80]
