"""What can only be checked between keys: names, references, sums, and what excludes each other."""

from __future__ import annotations

from collections.abc import Iterator

from harness.scenario import promises
from harness.scenario.expr import Expr, Name, kind_of
from harness.scenario.faultkeys import FaultSpec
from harness.scenario.leaves import Sink, suggest
from harness.scenario.nodes import Where, find
from harness.scenario.types import Scenario
from harness.slo.grammar import parse as parse_slo
from harness.units import TextError

PHASES = ("warmup", "baseline", "recovery", "cooldown")
EDGES = ("start", "end")


def check(scenario: Scenario, sink: Sink) -> None:
    """Note every problem between the keys of a scenario that was read."""
    _load(scenario, sink)
    _target(scenario, sink)
    _fault_names(scenario, sink)
    _repeats(scenario, sink)
    _expressions(scenario, sink)
    _slos(scenario, sink)
    _laws(scenario, sink)


def at(scenario: Scenario, path: str) -> Where:
    """Where the value at a dotted path stands; the file when it isn't written."""
    node = find(scenario.tree, path)
    return node.where if node is not None else scenario.tree.where


def _load(scenario: Scenario, sink: Sink) -> None:
    load = scenario.load
    if load.users and load.rate is not None:
        sink.note(
            at(scenario, "load.users"),
            "load has both rate and users",
            "rate is the open model, users the closed one: keep one",
        )
    if not load.users and load.think.mean:
        sink.note(
            at(scenario, "load.think"), "think belongs to users", "add users, or leave think out: rate sets the pace"
        )
    if not sum(load.mix.values()):
        sink.note(at(scenario, "load.mix"), "mix has no weight above 0", "give at least one call a weight")
    if load.data.feed and find(scenario.tree, "load.data.generator"):
        sink.note(at(scenario, "load.data"), "data has both a generator and a feed", "keep one")
    if load.users_are and abs(sum(user.share for user in load.users_are) - 1) > 1e-6:
        shares = sum(user.share for user in load.users_are)
        sink.note(at(scenario, "load.users_are"), f"the shares of users_are make {shares:.0%}", "make them 100%")
    if load.duration is not None and isinstance(load.rate, tuple):
        sink.note(
            at(scenario, "load.duration"), "stages give the duration", "leave duration out, or make rate a single rate"
        )


def _target(scenario: Scenario, sink: Sink) -> None:
    target, sessions = scenario.target, scenario.load.sessions.concurrent
    if target.twin is not None and find(scenario.tree, "target.profile"):
        sink.note(at(scenario, "target.twin"), "target has both profile and twin", "twin is a custom profile: keep one")
    if not target.embedded and sessions is not None and sessions > target.footprint.max_nodes:
        most = target.footprint.max_nodes
        what = f"{sessions} sessions use more than footprint.max_nodes {most} on a KATO that isn't ours"
        sink.note(
            at(scenario, "load.sessions.concurrent"), what, f"at most {target.footprint.max_nodes} concurrent sessions"
        )


def _fault_names(scenario: Scenario, sink: Sink) -> None:
    seen: dict[str, Where] = {}
    for fault in scenario.faults:
        if fault.name in (*PHASES, "policy"):
            sink.note(
                fault.where,
                f"a fault can't be called {fault.name}",
                "that name means a phase or the policy: choose another",
            )
        elif fault.name in seen:
            sink.note(
                fault.where,
                f"two faults are called {fault.name} (first on line {seen[fault.name].line})",
                "give each a `name` of its own",
            )
        seen.setdefault(fault.name, fault.where)


def _repeats(scenario: Scenario, sink: Sink) -> None:
    for fault in scenario.faults:
        if fault.repeat > 1 and fault.every is None and "every" not in fault.params:
            sink.note(
                fault.where, f"{fault.name} repeats without every", "add every: the time from one start to the next"
            )
        if fault.every is not None and fault.repeat == 1:
            sink.note(
                fault.where,
                f"{fault.name} has every without repeat",
                "add repeat: how many times (every on single requests is `only: {every: n}`)",
            )


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


def _expressions(scenario: Scenario, sink: Sink) -> None:
    sound = True
    for name, expression in expressions(scenario):
        try:
            only_policy = name.startswith("stage") or ":" in name
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
    known = [*PHASES, *(fault.name for fault in scenario.faults), "policy"]
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
        "recovery.end": (*recovery, "recovery.for"),
        "cooldown.start": (*recovery, "recovery.for"),
        "cooldown.end": (*recovery, "recovery.for", "cooldown.for"),
    }
    if head == "policy":
        return ()
    if path in table:
        return table[path]
    return (f"{head}.at",) if edge == "start" else (f"{head}.at", f"{head}.for", f"{head}.every")


def fault_named(scenario: Scenario, name: str) -> FaultSpec | None:
    """The fault of that name."""
    return next((fault for fault in scenario.faults if fault.name == name), None)


def _slos(scenario: Scenario, sink: Sink) -> None:
    """SLOs speak of phases that exist; the steady state is judged before the first fault."""
    names = [fault.name for fault in scenario.faults]
    for name, spec in scenario.slos.items():
        slo = parse_slo(spec.expr)
        where = at(scenario, f"slos.{name}.expr") if find(scenario.tree, f"slos.{name}.expr") else spec.where
        index = max(spec.expr.find("fault:"), 0)
        parts = slo.phase.removeprefix("fault:").split("+") if slo.phase.startswith("fault:") else []
        unknown = [part for part in parts if part not in names]
        if unknown:
            sink.note(
                where,
                f"{name}: there is no fault {unknown[0]!r}",
                suggest(unknown[0], names) if names else "name another phase",
                index,
            )
        elif parts != sorted(parts, key=names.index):
            ordered = "+".join(sorted(parts, key=names.index))
            sink.note(
                where,
                f"{name}: {slo.phase} is not how the phase is called",
                f"faults stand in the file's order: fault:{ordered}",
                index,
            )
    for index, name in enumerate(scenario.steady_state):
        where = at(scenario, f"steady_state.{index}")
        if name not in scenario.slos:
            sink.note(
                where,
                f"there is no SLO {name!r}",
                suggest(name, scenario.slos) if scenario.slos else "add it under slos",
            )
        elif parse_slo(scenario.slos[name].expr).phase != "baseline":
            sink.note(
                where,
                f"{name} does not speak of baseline",
                f"write it as `{scenario.slos[name].expr} in baseline`, or leave it out here",
            )


def _laws(scenario: Scenario, sink: Sink) -> None:
    laws = scenario.laws
    required = laws.require if isinstance(laws.require, tuple) else ()
    for law in laws.skip:
        where = at(scenario, f"laws.skip.{law}")
        if law.startswith("X"):
            sink.note(
                where, f"{law} gates every verdict and can't be skipped", "leave it in; a run that fails it is invalid"
            )
        if law in required or law in laws.watch:
            sink.note(where, f"{law} is skipped and also required or watched", "keep it in one list")
    for index, known in enumerate(scenario.known):
        where = at(scenario, f"known.{index}.law")
        if known.law.startswith("X"):
            sink.note(where, f"{known.law} gates every verdict and can't be accepted", "mend the run instead")
        fault = known.where_.get("fault", "")
        if fault and fault_named(scenario, fault) is None:
            names = [each.name for each in scenario.faults]
            sink.note(
                at(scenario, f"known.{index}.where.fault"),
                f"there is no fault {fault!r}",
                suggest(fault, names) if names else "name a fault of this file",
            )
