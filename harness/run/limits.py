"""`capacity` over a scenario: the search without faults, and again under each of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from harness.capacity import Capacity, search
from harness.capacity.search import LONGEST
from harness.errors import UsageError
from harness.run.options import Options
from harness.run.probing import RunProbe, objectives_of
from harness.scenario import Scenario, cells, load_scenario
from harness.scenario.timeline import DEFAULT_RATE
from harness.scenario.types import Target
from harness.twin.profiles import load_profile


def search_scenario(
    file: Path,
    options: Options,
    *,
    slos: Sequence[str] = (),
    length_s: float,
    start: float | None,
    faults: bool,
    most: int,
    longest_s: float | None = None,
    kato: str = "",
    say: Callable[[str], None],
) -> dict[str, Capacity]:
    """The capacity by name of the fault ('': none), searched up to `guards.max_rate`. Run folders lie in `options.out`.

    `kato` names the embedded KATO's profile, else it is the scenario's. Raises UsageError for a scenario with a matrix,
    or without the faults that were asked for.
    """
    scenario = _one_cell(file, options)
    if kato:
        scenario = replace(scenario, target=_profiled(scenario.target, options, kato))
    objectives = objectives_of(scenario, slos)
    names = ["", *(fault.name for fault in scenario.faults)] if faults else [""]
    if faults and len(names) == 1:
        raise UsageError(f"{scenario.name} has no fault to search under", "add faults, or leave --under-faults out")
    root = options.out or Path("reports/runs") / f"{time.strftime('%Y%m%d-%H%M%S')}-capacity-{scenario.name}"
    begin = start or highest_rate(scenario)
    longest = max(longest_s / length_s, 1.0) if longest_s else LONGEST
    found = {}
    for name in names:
        say(f"searching {f'under {name}' if name else 'without faults'}, from {begin:g}/s: {', '.join(objectives)}")
        inside = replace(options, out=None)
        probe = RunProbe(scenario, inside, objectives, length_s, root / (name or "no-fault"), name, say)
        found[name] = search(probe, begin, ceiling=scenario.guards.max_rate, most=most, longest=longest)
    return found


def _one_cell(file: Path, options: Options) -> Scenario:
    found = list(cells(load_scenario(file, env=options.environment)))
    if len(found) != 1:
        raise UsageError(f"{file} has a matrix of {len(found)} cells, a search has one", "take the matrix out")
    return found[0]


def _profiled(target: Target, options: Options, kato: str) -> Target:
    """The target with the embedded KATO's service times named `kato`; raises UsageError for another KATO's."""
    if not target.embedded or options.target not in (None, "embedded"):
        what = f"--profile {kato} is of the embedded KATO, the target is {options.target or target.url}"
        raise UsageError(what, "leave --profile out: a KATO that runs has its own times; or take --target embedded")
    load_profile(kato)
    return replace(target, profile=kato, twin=None)


def highest_rate(scenario: Scenario) -> float:
    """The rate that the scenario offers at most (calls/s); of a closed model what its users would at no delay."""
    load = scenario.load
    if load.users:
        return load.users / load.think.mean if load.think.mean else DEFAULT_RATE
    if isinstance(load.rate, tuple):
        return max(max(stage.start_rate, stage.end_rate) for stage in load.rate)
    return load.rate or DEFAULT_RATE
