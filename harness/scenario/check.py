"""What can only be checked between keys: names, sums, what excludes each other, what SLOs and laws refer to."""

from __future__ import annotations

from harness.scenario.leaves import Sink, suggest
from harness.scenario.nodes import Node, Where, find
from harness.scenario.references import PHASES, at, check_expressions, fault_names
from harness.scenario.types import Scenario
from harness.slo.grammar import parse as parse_slo


def check(scenario: Scenario, sink: Sink) -> None:
    """Note every problem between the keys of a scenario that was read."""
    _load(scenario, sink)
    _target(scenario, sink)
    _subject(scenario, sink)
    _topology(scenario, sink)
    _aims(scenario, sink)
    _fault_names(scenario, sink)
    _repeats(scenario, sink)
    check_expressions(scenario, sink)
    _slo_phases(scenario, sink)
    _steady_state(scenario, sink)
    _laws(scenario, sink)


def _load(scenario: Scenario, sink: Sink) -> None:
    load = scenario.load
    if load.users and load.rate is not None:
        sink.note(
            at(scenario, "load.users"),
            "load has both rate and users",
            "rate is the open model, users the closed one: keep one",
        )
    if load.replay and (load.users or load.rate is not None or load.duration is not None):
        what = "load has replay and another rate, length or users"
        sink.note(at(scenario, "load.replay"), what, "the recorded schedule says when calls come: keep one")
    if load.replay and load.arrivals != "constant":
        sink.note(at(scenario, "load.arrivals"), "replay says when calls come", "leave arrivals out")
    if not load.users and load.think.mean:
        sink.note(
            at(scenario, "load.think"), "think belongs to users", "add users, or leave think out: rate sets the pace"
        )
    held = load.sessions.concurrent or load.users
    if load.users and held != load.users and load.sessions.strategy != "shared":
        what = f"{load.users} users in {held} sessions"
        cure = "leave concurrent out: in the closed model each user has a session; or strategy: shared"
        sink.note(at(scenario, "load.sessions.concurrent"), what, cure)
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
    if target.command and not target.ready:
        what = "the target has a command and nothing that says when it is up"
        sink.note(at(scenario, "target.command"), what, "add ready: http://127.0.0.1:{port}/health")
    if target.command and target.url != "embedded":
        what = "target has both url and command"
        sink.note(at(scenario, "target.url"), what, "keep the one that runs already, or the one to start")
    if target.env and target.url != "embedded":
        what = "a KATO that runs already can't be given an environment"
        sink.note(at(scenario, "target.env"), what, "start it so, or give target.command to let the run start it")
    if target.twin is not None and find(scenario.tree, "target.profile"):
        sink.note(at(scenario, "target.twin"), "target has both profile and twin", "twin is a custom profile: keep one")
    if not target.embedded and sessions is not None and sessions > target.footprint.max_nodes:
        most = target.footprint.max_nodes
        what = f"{sessions} sessions use more than footprint.max_nodes {most} on a KATO that isn't ours"
        sink.note(
            at(scenario, "load.sessions.concurrent"), what, f"at most {target.footprint.max_nodes} concurrent sessions"
        )


def _subject(scenario: Scenario, sink: Sink) -> None:
    subject = scenario.subject
    if subject.command and not subject.ready:
        what = "the subject has a command and nothing that says when it is up"
        sink.note(at(scenario, "subject.command"), what, "add ready: http://127.0.0.1:{port}/health")
    if not subject.command and "{port}" in subject.ready + subject.url:
        what = "{port} is a port for the subject's command, and it has none"
        sink.note(at(scenario, "subject"), what, "add a command, or write the port of the service that runs already")


def _topology(scenario: Scenario, sink: Sink) -> None:
    topology = scenario.topology
    for store, place in topology.stores.items():
        if bool(place.listen) != bool(place.upstream):
            what = f"topology.stores.{store} has only one of listen and upstream"
            sink.note(at(scenario, f"topology.stores.{store}"), what, "give both, or neither")
    if topology.broker.kind != "none" and (not topology.broker.heartbeat.is_integer()):
        sink.note(at(scenario, "topology.broker"), "AMQP's heartbeat is in whole seconds", "such as heartbeat: 2s")
    if topology.discovery.kind == "none":
        return
    if topology.mesh:
        what = "with a mesh the client asks no registry: its sidecar knows the endpoints"
        sink.note(at(scenario, "topology.discovery"), what, "keep mesh or discovery")
    if topology.discovery.kind == "dns" and topology.discovery.address == "node":
        what = "address: node is about Consul's answers"
        sink.note(at(scenario, "topology.discovery.address"), what, "leave it out, or discovery: consul")


def _aims(scenario: Scenario, sink: Sink) -> None:
    """Faults hit instances and parts that there are."""
    count, discovery = scenario.topology.count, scenario.topology.discovery.kind
    for fault in scenario.faults:
        instance, part = fault.only.get("instance"), fault.only.get("part")
        if instance is not None and count is not None and instance >= count:
            there = "there is only instance 0" if count == 1 else f"they are numbered from 0 to {count - 1}"
            sink.note(fault.where, f"{fault.name} hits instance {instance}: {there}", "raise topology.replicas")
        if part == "registry" and discovery != "consul":
            what = f"{fault.name} hits a registry, and none stands behind a proxy of ours"
            sink.note(fault.where, what, "add topology: {discovery: consul}")
        if part not in (None, "kato") and instance is not None:
            sink.note(fault.where, f"{fault.name} hits an instance of the {part}: it has none", "keep one of them")
        if part == "broker" and scenario.topology.broker.kind == "none":
            sink.note(fault.where, f"{fault.name} hits a broker: there is none", "add topology: {broker: rabbitmq}")
        if part == "collector" and scenario.topology.collector == "none":
            what = f"{fault.name} hits a collector, and the client is told of none"
            sink.note(fault.where, what, "add topology: {collector: otlp}")


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


def _slo_phases(scenario: Scenario, sink: Sink) -> None:
    """The faults that SLOs name exist, and stand in the order in which phases are named."""
    names = fault_names(scenario)
    for name, spec in scenario.slos.items():
        parts = _faults_of(spec.expr)
        place = find(scenario.tree, f"slos.{name}.expr")
        where, index = place.where if place else spec.where, max(spec.expr.find("fault:"), 0)
        unknown = [part for part in parts if part not in names]
        if unknown:
            cure = suggest(unknown[0], names) if names else "name another phase"
            sink.note(where, f"{name}: there is no fault {unknown[0]!r}", cure, index)
        elif parts != sorted(parts, key=names.index):
            ordered = "+".join(sorted(parts, key=names.index))
            cure = f"faults stand in the file's order: fault:{ordered}"
            sink.note(where, f"{name}: fault:{'+'.join(parts)} is not how the phase is called", cure, index)


def _faults_of(line: str) -> list[str]:
    phase = parse_slo(line).phase if line else ""
    return phase.removeprefix("fault:").split("+") if phase.startswith("fault:") else []


def _steady_state(scenario: Scenario, sink: Sink) -> None:
    """The steady state names SLOs of the baseline: it is judged before the first fault."""
    for index, name in enumerate(scenario.steady_state):
        where, spec = at(scenario, f"steady_state.{index}"), scenario.slos.get(name)
        if spec is None and name not in scenario.tree.entries.get("slos", Node({})).entries:
            cure = suggest(name, scenario.slos) if scenario.slos else "add it under slos"
            sink.note(where, f"there is no SLO {name!r}", cure)
        elif spec is not None and spec.expr and parse_slo(spec.expr).phase != "baseline":
            cure = f"write it as `{spec.expr} in baseline`, or leave it out here"
            sink.note(where, f"{name} does not speak of baseline", cure)


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
        names = fault_names(scenario)
        if fault and fault not in names:
            sink.note(
                at(scenario, f"known.{index}.where.fault"),
                f"there is no fault {fault!r}",
                suggest(fault, names) if names else "name a fault of this file",
            )
