"""A scenario with the command line applied: which client, which KATO, what it is told, what it promises."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.data import read_schedule
from harness.errors import ScenarioError, UsageError
from harness.faults import KINDS
from harness.integrations import Entry, resolve
from harness.integrations.entry import CALLED_WITH
from harness.model import Load
from harness.policy import Promise, merge, overlay, scaled
from harness.run.interpreter import check_interpreter
from harness.run.options import Change, Options
from harness.run.topology import Layout, layout_of
from harness.scenario import Scenario, Timeline
from harness.scenario import resolve as resolve_times
from harness.scenario.declared import checked
from harness.scenario.guards import check_permissions
from harness.scenario.lint import named_laws, unknown_laws
from harness.scenario.references import at
from harness.scenario.secrets import reveal

DEFAULTS: Mapping[str, Any] = {}
"""Promises that nobody has to declare have no numbers: the laws carry them (design, "The laws carry …")."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """One run to be made."""

    scenario: Scenario
    options: Options
    entry: Entry
    scale: float
    layout: Layout = field(default_factory=Layout)

    @property
    def target(self) -> str:
        """The URL of a real KATO; empty for the embedded one."""
        target = self.scenario.target
        return "" if target.embedded else str(reveal(target.origin))

    @property
    def beside(self) -> Path:
        """The scenario file's folder, in which commands of its are run."""
        return Path(self.scenario.path).resolve().parent

    @property
    def own_workers(self) -> int:
        """The generators on this machine: none unless asked for, where others are expected."""
        least = 0 if self.options.expect_workers else 1
        return max(self.options.workers, self.scenario.workers if self.scenario.workers > 1 else least)

    def forwarding(self, url: str) -> list[str]:
        """What tells the witness to forward to `url`, with the target's files for TLS; nothing where it is empty."""
        tls = asdict(self.scenario.target.tls) if self.scenario.target.tls else {}
        files = [word for name, path in tls.items() if path for word in (f"--{name}", str(path))]
        return ["--target", url, *files] if url else []

    def profile(self, folder: Path) -> str:
        """The embedded KATO's profile: a name, or the file that a custom one is written to."""
        target, twin = self.scenario.target, self.scenario.target.twin
        if twin is None and not target.env:
            return target.profile
        given: dict[str, Any] = {"profile": target.profile}
        if twin is not None:
            workers = twin.workers if twin.workers == "parallel" else int(twin.workers)
            given = {"service": f"{twin.service}s", "workers": workers}
        path = folder / "twin.json"
        path.write_text(json.dumps({**given, "env": dict(reveal(target.env))}))
        return str(path)

    def orders(self, folder: Path) -> list[dict[str, Any]]:
        """What each generator is told to prepare."""
        use = self.scenario.integration
        count = self.own_workers + self.options.expect_workers
        policy = scaled(self.entry.policy, self.scale) if self.entry.policy else None
        return [
            {
                "do": "prepare",
                "use": use.use,
                "runtime": use.runtime or self.entry.runtime,
                "python": use.python,
                "inspect": list(use.inspect),
                "context": {
                    "headers": dict(reveal(self.scenario.target.headers)),
                    "policy": policy,
                    "scale": self.scale,
                    "seed": self.scenario.seed,
                },
                "spool": str(folder / "spool" / f"generator-{worker}.raw"),
                "process": f"generator-{worker}",
                "worker": worker,
            }
            for worker in range(count)
        ]


def prepare(scenario: Scenario, options: Options) -> Prepared:
    """Apply the command line.

    Raises UsageError for what doesn't exist and for what the run may not do, ScenarioError for a law that there isn't.
    """
    _check_laws(scenario)
    use, target = scenario.integration, scenario.target
    if options.integration:
        use = replace(use, use=options.integration)
    if options.target:
        if target.env and options.target != "embedded":
            what = f"a KATO that runs already can't be given {', '.join(target.env)}"
            raise UsageError(what, "start it so and leave target.env out, or give target.command instead of --target")
        target = replace(target, url=options.target, command="")
    seed = scenario.seed if options.seed is None else options.seed
    if use.python:
        check_interpreter(use.python)
    entry = resolve(use.use)
    built_in = bool(entry.policy)
    scale = use.scale if use.scale is not None else options.scale if built_in else 1.0
    applied = replace(scenario, integration=use, target=target, seed=seed)
    check_permissions(
        applied,
        targets=options.allow_targets,
        destructive=options.allow_destructive,
        writes=options.allow_writes,
    )
    layout = replace(layout_of(applied, scale), queue=scenario.topology.broker.kind != "none")
    _check_aims(applied, layout)
    if options.expect_workers:
        _check_away(applied, options, layout)
    return Prepared(applied, options, entry, scale, layout)


def _check_laws(scenario: Scenario) -> None:
    if named_laws(scenario):
        from harness.laws import LAWS  # late: they take as long to import as all else that is needed before load

        if unknown := unknown_laws(scenario, LAWS):
            raise ScenarioError(tuple(unknown))


def _check_aims(scenario: Scenario, layout: Layout) -> None:
    """Faults hit what there is: instances, also where the mesh's files say how many, and a registry."""
    for fault in scenario.faults:
        if fault.params.get("mode") == "restarted_empty" and not scenario.target.embedded:
            what = f"fault {fault.name}: a store of a KATO that we didn't start can't be made to lose its data"
            raise UsageError(what, "restart it empty by a command of yours: kind: external, with apply and undo")
        if fault.kind == "registry" and layout.discovery.kind == "none":
            what = f"fault {fault.name} is about a registry, and the client asks none"
            raise UsageError(what, "add topology: {discovery: consul} or {discovery: dns}")
        _check_messaging(scenario, fault.name, KINDS[fault.kind].plane)
        instance = fault.only.get("instance", 0)
        if instance >= layout.replicas:
            what = f"fault {fault.name} hits instance {instance}, and the run has {layout.replicas}, numbered from 0"
            raise UsageError(what, "correct its `only`, or raise topology.replicas")


def _check_away(scenario: Scenario, options: Options, layout: Layout) -> None:
    """What lies on this machine's loopback alone can't be reached by workers on others."""
    told = {
        "virtual time": options.virtual,
        "a mesh, a registry or replicas": not layout.plain,
        "a service under test": scenario.subject.asked,
        "a broker": layout.queue,
        "a collector": layout.collector != "none",
    }
    if here := [what for what, holds in told.items() if holds]:
        what = f"workers on other machines don't go with {' and '.join(here)}, which this machine keeps to itself"
        raise UsageError(what, "run it without --expect-workers; --workers N uses more cores of this machine")


def _check_messaging(scenario: Scenario, name: str, plane: str) -> None:
    if plane == "broker" and scenario.topology.broker.kind == "none":
        raise UsageError(f"fault {name} is about a broker, and there is none", "add topology: {broker: rabbitmq}")
    if plane == "subject" and not scenario.subject.command:
        raise UsageError(f"fault {name} kills a service of ours, and there is none", "add a subject with a command")


def carried(prepared: Prepared, load: Load, ready: Mapping[str, Any]) -> Load:
    """The load without the calls for which the client has no method, whose users would wait for ever; raises
    ScenarioError where nothing is left, or a recorded schedule asks for them."""
    mix = {op: weight for op, weight in load.mix.items() if op in ready["methods"]}
    replayed = {op for _, op in read_schedule(load.replay) if op} if load.replay else set()
    missing = sorted(replayed - set(ready["methods"]) if mix else load.mix)
    if missing:
        methods = " and ".join(f"{op}({', '.join(CALLED_WITH[op])})" for op in missing)
        what = f"the load makes calls for which {prepared.entry.where} has no method: {methods}"
        raise ScenarioError([at(prepared.scenario, "load").problem(what, "add it to the client, or leave it out")])
    return replace(load, mix=mix)


def timeline_of(prepared: Prepared, promise: Promise, ready: Mapping[str, Any], change: Change | None) -> Timeline:
    """Load, phases and faults of the run, changed by `change`, as far as the client can carry them."""
    timeline = resolve_times(prepared.scenario, promise.policy, scale=prepared.scale)
    timeline = timeline if change is None else change(timeline)
    return replace(timeline, load=carried(prepared, timeline.load, ready))


def promise_of(prepared: Prepared, ready: Mapping[str, Any]) -> Promise:
    """What the client promises: scenario over client's own declaration over what was read from its objects.

    Raises UsageError where its own declaration can't be read.
    """
    declared = overlay(prepared.scenario.policy, checked(ready["declared"], prepared.entry.where))
    return merge(declared, ready["read"], DEFAULTS, prepared.scale)
