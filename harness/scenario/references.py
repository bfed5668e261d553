"""What expressions refer to: phases, faults and promises, each with its kind, and none waiting for itself."""

from __future__ import annotations

from collections.abc import Iterator

from harness.scenario import promises
from harness.scenario.expr import Expr, Name, kind_of
from harness.scenario.leaves import Sink, suggest
from harness.scenario.nodes import Node, Where, find
from harness.scenario.types import Scenario
from harness.units import TextError

PHASES = ("warmup", "baseline", "recovery", "cooldown")
EDGES = ("start", "end")


def at(scenario: Scenario, path: str) -> Where:
    """Where the value at a dotted path stands; the file when it isn't written."""
    node = find(scenario.tree, path)
    return node.where if node is not None else scenario.tree.where


def fault_names(scenario: Scenario) -> list[str]:
    """The names of the faults in the file's order, of those too that have problems of their own."""
    listed = scenario.tree.entries.get("faults", Node({})).items
    written = [item.entries.get("name") or item.entries.get("kind") for item in listed]
    return [node.text for node in written if node is not None]


def expressions(scenario: Scenario) -> Iterator[tuple[str, Expr]]:
    """Every expression with the name of what it gives: `outage.at`, `recovery.for`, `outage.latency`."""
    phases = scenario.phases
    for name in PHASES:
        length = getattr(phases, name)
        if length is not None:
            yield f"{name}.for", length.for_
    for fault in scenario.faults:
        yield f"{fault.name}.at", fault.at
        yield f"{fault.name}.for", fault.for_
        if fault.every is not None:
            yield f"{fault.name}.every", fault.every
        yield from ((f"{fault.name}:{word}", value) for word, value in fault.params.items() if isinstance(value, Expr))
    if isinstance(scenario.load.rate, tuple):
        yield from ((f"stage {index}", stage.for_) for index, stage in enumerate(scenario.load.rate, 1))


def check_expressions(scenario: Scenario, sink: Sink) -> None:
    """Note names that mean nothing, sums of unlike things, and expressions that wait for each other."""
    sound = True
    for name, expression in expressions(scenario):
        try:
            only_policy = name.startswith("stage ") or ":" in name
            kind = kind_of(expression.tree, lambda word, only=only_policy: _name_kind(scenario, word, only))  # type: ignore[misc]
            if kind == "number":
                raise TextError(
                    f"{expression.text} is a number, not a duration", f"give it a unit, such as {expression.text}s"
                )
        except TextError as error:
            sound = False
            sink.note(expression.where, error.what, error.cure, error.index)
    if sound:
        _circles(scenario, sink)


def _name_kind(scenario: Scenario, name: Name, only_policy: bool) -> str:
    head, _, edge = name.path.partition(".")
    if head == "policy":
        key = promises.key_of(name.path)
        if key is None:
            raise TextError(
                f"{name.path} is not a number of the policy", suggest(name.path, promises.known()), name.index
            )
        return "duration" if promises.is_duration(key) else "number"
    if only_policy:
        raise TextError(
            f"{name.path} can't be used here", "only numbers, durations and policy.… have a value here", name.index
        )
    known = [*PHASES, *fault_names(scenario), "policy"]
    if head not in known:
        raise TextError(f"there is no phase or fault {head!r}", suggest(head, known), name.index)
    if edge not in EDGES:
        raise TextError(f"{name.path} has no value", f"say {head}.start or {head}.end", name.index)
    return "duration"


def _circles(scenario: Scenario, sink: Sink) -> None:
    """Depth-first over what each expression waits for; meeting one that is still open is a circle."""
    trees = dict(expressions(scenario))
    done: set[str] = set()

    def visit(name: str, open_: tuple[str, ...]) -> bool:
        if name in done or name not in trees:
            return True
        if name in open_:
            around = " → ".join((*open_[open_.index(name) :], name))
            sink.note(trees[name].where, f"these wait for each other: {around}", "give one of them a time of its own")
            return False
        for word in trees[name].names():
            if not all(visit(need, (*open_, name)) for need in needs(scenario, word.path)):
                return False
        done.add(name)
        return True

    for name in trees:
        if not visit(name, ()):
            return


def needs(scenario: Scenario, path: str) -> tuple[str, ...]:
    """The names of the expressions that `<phase or fault>.start|end` is computed from."""
    head, _, edge = path.partition(".")
    faults = tuple(f"{fault.name}.{part}" for fault in scenario.faults for part in ("at", "for", "every"))
    recovery = ("warmup.for", "baseline.for", *faults)
    table = {
        "warmup.start": (),
        "warmup.end": ("warmup.for",),
        "baseline.start": ("warmup.for",),
        "baseline.end": ("warmup.for", "baseline.for"),
        "recovery.start": recovery,
        "recovery.end": (*recovery, "recovery.for", "cooldown.for"),
        "cooldown.start": (*recovery, "recovery.for", "cooldown.for"),
        "cooldown.end": (*recovery, "recovery.for", "cooldown.for"),
    }
    if head == "policy":
        return ()
    if path in table:
        return table[path]
    return (f"{head}.at",) if edge == "start" else (f"{head}.at", f"{head}.for", f"{head}.every")
