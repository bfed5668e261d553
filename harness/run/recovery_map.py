"""`recovery`: after which triggers, at which loads, a client comes back; each cell is a run in virtual time."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.explore.draft import Draft, yaml
from harness.explore.space import MIX
from harness.faults import KINDS
from harness.laws.bounds import call_bounds_s
from harness.laws.case import Case
from harness.laws.judge import case_of
from harness.laws.recovery_map import Cell, after_halving, after_trigger, by_itself, settle_ns
from harness.model import Fault, Load, Stage
from harness.run.many import Job, Simulated, Simulator
from harness.run.options import Options
from harness.run.prepare import prepare
from harness.scenario import load_scenario

SECOND_NS = 1_000_000_000
BASELINE_NS = 15 * SECOND_NS
HALVED_NS = 30 * SECOND_NS
"""laws.md, M2: halve the load for 30 s, and restore it."""

OPENING = 0.2
"""Sessions are opened at this share of the load, during a warm-up at half of it."""


@dataclass(frozen=True, slots=True)
class Server:
    """The KATO of a map: serial workers with a constant service time (s)."""

    workers: int
    service_s: float

    @property
    def capacity(self) -> float:
        """Calls a second that it can carry at most."""
        return self.workers / self.service_s


@dataclass(frozen=True, slots=True)
class Lengths:
    """What a client's promises make of a run (ns; sessions a call/s of load)."""

    settle_ns: int
    longest_s: float


@dataclass(frozen=True, slots=True)
class Experiment:
    """One cell's run: its schedule, and when the trigger ends, the load is restored (0: it isn't halved) and ends."""

    trigger_s: float
    load: float
    draft: Draft
    end_ns: int
    restored_ns: int
    until_ns: int


def recovery_map(
    keys: dict[str, object], options: Options, server: Server, kind: str, triggers: Sequence[float],
    loads: Sequence[float], tell: Callable[[str], None],
) -> list[Cell]:  # fmt: skip
    """The cells by trigger, then load. Raises UsageError for what virtual time can't carry."""
    twin = {"target": {"twin": {"service": f"{server.service_s * 1000:g}ms", "workers": server.workers}}}
    base = Draft(Load(()), (), {**keys, **twin})
    with tempfile.TemporaryDirectory(prefix="kato-harness-") as name, Simulator() as simulate:
        folder = Path(name)
        asked = _experiment(base, server, Lengths(10 * SECOND_NS, 1.0), kind, 1.0, min(loads), None)
        (case,) = _played(simulate, [asked], folder, options)
        lengths = Lengths(settle_ns(case), max(call_bounds_s(case).values(), default=1.0))
        plan = [_experiment(base, server, lengths, kind, t, load, None) for t in triggers for load in loads]
        cells = []
        for each, case in zip(plan, _played(simulate, plan, folder, options), strict=True):
            begin_ns = _begin_ns(case)
            state, back_s = after_trigger(case, begin_ns + each.end_ns, begin_ns + each.until_ns)
            cells.append(Cell(each.trigger_s, each.load, state, back_s))
            tell(f"{each.trigger_s:g} s at {each.load:.0%}: {state}")
        return _longer(cells, base, server, lengths, kind, simulate, folder, options, tell)


def _longer(
    cells: list[Cell], base: Draft, server: Server, lengths: Lengths, kind: str, simulate: Simulator, folder: Path,
    options: Options, tell: Callable[[str], None],
) -> list[Cell]:  # fmt: skip
    """The cells with those that stay broken tried again, the load halved for a while after the settling time; and
    again for as long without that, so that halving is not given credit for what time does."""
    stuck = [cell for cell in cells if cell.state == "stays"]
    pairs = [(cell, halved) for cell in stuck for halved in (False, True)]
    plan = [_experiment(base, server, lengths, kind, cell.trigger_s, cell.load, halved) for cell, halved in pairs]
    found = {}
    for (cell, halved), each, case in zip(pairs, plan, _played(simulate, plan, folder, options), strict=True):
        begin_ns = _begin_ns(case)
        if not halved:
            found[cell] = by_itself(cell, case, begin_ns + each.end_ns, begin_ns + each.until_ns)
        elif found[cell].state == "stays":
            state = after_halving(case, begin_ns + each.restored_ns, begin_ns + each.until_ns)
            found[cell] = replace(cell, state=state)
            tell(f"{cell.trigger_s:g} s at {cell.load:.0%}, the load halved for a while: {state}")
    return [found.get(cell, cell) for cell in cells]


def _experiment(
    base: Draft, server: Server, lengths: Lengths, kind: str, trigger_s: float, load: float, halved: bool | None
) -> Experiment:
    """`halved`: whether the load is, for a while after the settling time (None: the run ends then)."""
    rate = load * server.capacity
    sessions = max(20, math.ceil(rate * lengths.longest_s * 1.2))
    warm_ns = math.ceil(sessions / (OPENING * rate)) * SECOND_NS
    begin_ns, for_ns = warm_ns + BASELINE_NS, round(trigger_s * SECOND_NS)
    end_ns = begin_ns + for_ns
    settled_ns = end_ns + lengths.settle_ns + 10 * SECOND_NS
    stages = [Stage(rate / 2, rate / 2, warm_ns), Stage(rate, rate, settled_ns - warm_ns)]
    restored_ns = until_ns = settled_ns
    if halved is not None:
        restored_ns = settled_ns + HALVED_NS
        until_ns = restored_ns + lengths.settle_ns + 10 * SECOND_NS
        meanwhile = rate / 2 if halved else rate
        stages += [Stage(meanwhile, meanwhile, HALVED_NS), Stage(rate, rate, until_ns - restored_ns)]
    offered = Load(tuple(stages), arrivals="poisson", sessions=sessions, mix=MIX, warmup_for_ns=warm_ns)
    fault = Fault("trigger", kind, begin_ns, for_ns, KINDS[kind].complete({}))
    return Experiment(trigger_s, load, replace(base, load=offered, faults=(fault,)), end_ns, restored_ns, until_ns)


def _played(simulate: Simulator, plan: Sequence[Experiment], folder: Path, options: Options) -> Iterator[Case]:
    """Each experiment's case; raises what ended one early."""
    for done in simulate(_jobs(plan, folder, options)):
        yield _case(done)


def _jobs(plan: Sequence[Experiment], folder: Path, options: Options) -> Iterator[Job]:
    for number, each in enumerate(plan):
        path = folder / f"cell-{number}.yaml"
        path.write_text(yaml(each.draft))
        yield Job(prepare(load_scenario(path), options))


def _case(done: Simulated) -> Case:
    if done.run is None:
        assert done.error is not None
        raise done.error
    return case_of(done.run)


def _begin_ns(case: Case) -> int:
    """When load began."""
    return min(span.start_ns for span in case.history.phases)
