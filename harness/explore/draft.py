"""A schedule that is being searched: load and faults in plain numbers, and back to a scenario that anybody can run."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from harness.faults import KINDS
from harness.model import Fault, Load, Stage
from harness.plan import load_from_json
from harness.units import format_duration, format_rate

FORMAT = "kato-harness/1"
DEFAULTS = Load(stages=())
"""What a load is where a scenario says nothing."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What is offered and what breaks, as offsets from the start of load; `keys` are the scenario's other keys."""

    load: Load
    faults: tuple[Fault, ...]
    keys: Mapping[str, Any]

    @property
    def calls(self) -> float:
        """About how many calls are offered."""
        if self.load.users:
            return self.load.users * self.load.for_ns / max(self.load.think_mean_ns, 50_000_000)
        return sum((stage.start_rate + stage.end_rate) / 2 * stage.for_ns / 1e9 for stage in self.load.stages)

    def told(self) -> str:
        """In a few words."""
        faults = ", ".join(_fault_told(fault) for fault in self.faults) or "no fault"
        return f"{faults}; {self.calls:.0f} calls in {format_duration(self.load.for_ns / 1e9)}"


def _fault_told(fault: Fault) -> str:
    only = f" only {', '.join(f'{key} {value}' for key, value in fault.only.items())}" if fault.only else ""
    return f"{fault.kind}{only} for {format_duration(fault.for_ns / 1e9)}"


def of_manifest(manifest: Mapping[str, Any]) -> Draft:
    """The schedule of a run, with its repeated faults listed one by one; its KATO becomes an embedded one."""
    scenario, run = manifest["scenario"], manifest["run"]
    keys = {
        "question": run.get("question", ""),
        "seed": run["seed"],
        "target": _target(scenario.get("target")),
        "integration": _integration(scenario.get("integration"), run),
        "policy": _policy(scenario.get("policy"), run),
    }
    faults = tuple(Fault(**fault) for fault in manifest["faults"])
    return Draft(load_from_json(manifest["load"]), _named_apart(faults), {k: v for k, v in keys.items() if v})


def _target(given: Any) -> dict[str, Any]:
    return {key: given[key] for key in ("profile", "twin") if key in given} if isinstance(given, Mapping) else {}


def _integration(given: Any, run: Mapping[str, Any]) -> dict[str, Any]:
    """The client that ran, whatever the scenario said, as an entry that stands on its own."""
    use, colon, factory = str(run["integration"]).partition(":")
    if use.endswith(".py"):
        use = str(Path(use).resolve())
    more = (
        {key: given[key] for key in ("python", "runtime", "inspect") if key in given}
        if isinstance(given, Mapping)
        else {}
    )
    return {"use": f"{use}{colon}{factory}", "scale": run["scale"], **more}


def _policy(given: Any, run: Mapping[str, Any]) -> dict[str, Any]:
    """The scenario's policy, its file's path made independent of where the scenario lay."""
    policy = dict(given or {})
    if "file" in policy:
        policy["file"] = str((Path(run.get("file") or ".").parent / policy["file"]).resolve())
    return policy


def _named_apart(faults: Sequence[Fault]) -> tuple[Fault, ...]:
    """A fault that repeats has its name once in a scenario; here each time has one of its own."""
    seen: dict[str, int] = {}
    renamed = []
    for fault in faults:
        seen[fault.name] = seen.get(fault.name, 0) + 1
        number = seen[fault.name]
        renamed.append(replace(fault, name=fault.name if number == 1 else f"{fault.name}_{number}"))
    return tuple(renamed)


def plain(draft: Draft) -> dict[str, Any]:
    """The scenario as plain values."""
    warmup = format_duration(draft.load.warmup_for_ns / 1e9)
    values = {
        "format": FORMAT,
        **draft.keys,
        "load": _load(draft.load),
        "phases": {"warmup": warmup, "baseline": "0s", "cooldown": "0s"},
        "faults": [_fault(fault) for fault in draft.faults],
    }
    return {key: value for key, value in values.items() if value not in ({}, [])}


def yaml(draft: Draft, comment: str = "") -> str:
    """The scenario as a file's text, `comment` above it."""
    writer = YAML()
    writer.default_flow_style = None
    writer.width = 120
    out = io.StringIO()
    writer.dump(plain(draft), out)
    return "".join(f"# {line}\n" for line in comment.splitlines()) + out.getvalue()


def _load(load: Load) -> dict[str, Any]:
    values: dict[str, Any] = {"mix": dict(load.mix)}
    if load.users:
        think = {"mean": format_duration(load.think_mean_ns / 1e9), "spread": load.think_spread}
        values |= {"users": load.users, "think": think, "duration": format_duration(load.for_ns / 1e9)}
    elif len(load.stages) == 1 and load.stages[0].start_rate == load.stages[0].end_rate:
        values |= {"rate": format_rate(load.stages[0].start_rate), "duration": format_duration(load.for_ns / 1e9)}
    else:
        values["rate"] = [_stage(stage) for stage in load.stages]
    if load.arrivals != DEFAULTS.arrivals:
        values["arrivals"] = load.arrivals
    values["sessions"] = _sessions(load)
    if load.feed:
        values["data"] = {"feed": load.feed, "order": load.feed_order}
    elif load.data != DEFAULTS.data:
        values["data"] = load.data
    if load.users_are:
        values["users_are"] = [{"share": user["share"], "headers": dict(user["headers"])} for user in load.users_are]
    return values


def _sessions(load: Load) -> dict[str, Any]:
    values: dict[str, Any] = {"concurrent": load.sessions}
    if load.strategy != DEFAULTS.strategy:
        values["strategy"] = load.strategy
    if load.events:
        values["events"] = load.events
    if load.ttl_s:
        values["ttl"] = format_duration(load.ttl_s)
    if load.config:
        values["config"] = dict(load.config)
    return values


def _stage(stage: Stage) -> dict[str, str]:
    length = format_duration(stage.for_ns / 1e9)
    if stage.start_rate == stage.end_rate:
        return {"hold": format_rate(stage.start_rate), "for": length}
    return {"ramp": f"{format_rate(stage.start_rate)}..{format_rate(stage.end_rate)}", "over": length}


def _fault(fault: Fault) -> dict[str, Any]:
    kind = KINDS[fault.kind]
    times = {"at": format_duration(fault.at_ns / 1e9), "for": format_duration(fault.for_ns / 1e9)}
    values: dict[str, Any] = {"name": fault.name, "kind": fault.kind, **times}
    if kind.destructive:
        values["destructive"] = True
    if fault.only:
        values["only"] = dict(fault.only)
    for param in kind.params:
        value = fault.params.get(param.name, param.default)
        if value != param.default:
            values[param.name] = format_duration(value) if param.type == "duration" else value
    return values


def cut(draft: Draft, start_ns: int, end_ns: int) -> Draft:
    """The schedule without the time from `start_ns` to `end_ns`: what comes later comes that much earlier."""
    load = replace(draft.load, stages=_cut_stages(draft.load.stages, start_ns, end_ns))
    warmup_ns = _moved(draft.load.warmup_for_ns, start_ns, end_ns)
    faults = []
    for fault in draft.faults:
        at_ns, until_ns = (_moved(edge, start_ns, end_ns) for edge in (fault.at_ns, fault.until_ns))
        if until_ns > at_ns:
            faults.append(replace(fault, at_ns=at_ns, for_ns=until_ns - at_ns))
    return replace(draft, load=replace(load, warmup_for_ns=warmup_ns), faults=tuple(faults))


def _moved(time_ns: int, start_ns: int, end_ns: int) -> int:
    return time_ns - max(0, min(time_ns, end_ns) - start_ns)


def _cut_stages(stages: Sequence[Stage], start_ns: int, end_ns: int) -> tuple[Stage, ...]:
    kept: list[Stage] = []
    begins_ns = 0
    for stage in stages:
        ends_ns = begins_ns + stage.for_ns
        for from_ns, to_ns in ((begins_ns, min(ends_ns, start_ns)), (max(begins_ns, end_ns), ends_ns)):
            if to_ns > from_ns:
                kept.append(_part(stage, from_ns - begins_ns, to_ns - begins_ns))
        begins_ns = ends_ns
    joined: list[Stage] = []
    for stage in kept:
        last = joined[-1] if joined else None
        if last is not None and {last.start_rate, last.end_rate} == {stage.start_rate, stage.end_rate} == {
            last.end_rate
        }:
            joined[-1] = replace(last, for_ns=last.for_ns + stage.for_ns)
        else:
            joined.append(stage)
    return tuple(joined)


def _part(stage: Stage, from_ns: int, to_ns: int) -> Stage:
    def rate(at_ns: int) -> float:
        return stage.start_rate + (stage.end_rate - stage.start_rate) * at_ns / stage.for_ns

    return Stage(rate(from_ns), rate(to_ns), to_ns - from_ns)
