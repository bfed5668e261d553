"""`explore`: every small schedule of faults on a client's flow, in virtual time, each judged by all laws."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.explore import space
from harness.explore.coverage import Place
from harness.explore.draft import Draft
from harness.explore.reductions import cost
from harness.explore.space import OPS, Numbers, Variant
from harness.explore.trace import Trace
from harness.integrations import resolve
from harness.laws import LAWS
from harness.policy import Policy
from harness.run.options import Options
from harness.run.shrink import Shrunk, smallest
from harness.run.trials import Trial, Trials
from harness.scenario.promises import longest_call_s, number_of

ASSUMED = Numbers(1.0, 1.0, 1.0)
"""What the first run, which only asks for the promises, is made with."""

Tell = Callable[[str], None]
Step = tuple[Place, Draft]
"""A place with its schedule; the place's state and laws are not known yet."""


@dataclass(slots=True)
class Explored:
    """What was found: places, laws that fail without any fault, and each failed law's schedules."""

    numbers: Numbers = ASSUMED
    control: tuple[str, ...] = ()
    places: list[Place] = field(default_factory=list)
    failing: dict[str, list[Draft]] = field(default_factory=dict)
    runs: int = 0
    took_s: float = 0.0
    in_time: bool = True
    shrunk: list[Shrunk] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Single:
    """One fault at one request that the client felt, and what came of it."""

    variant: Variant
    op: str
    draft: Draft
    trial: Trial


class Explorer:
    """One exploration; `keys` are the scenario's keys for client and policy."""

    def __init__(self, trials: Trials, keys: Mapping[str, Any], within_s: float, tell: Tell) -> None:
        self._trials = trials
        self._keys = keys
        self._tell = tell
        self._until = time.monotonic() + within_s
        self.found = Explored()

    def explore(self, depth: int) -> None:
        """Look through the space to `depth` 1 or 2."""
        self.found.numbers = self._asked()
        flow, crowd = (make(self._keys, self.found.numbers) for make in (space.flow, space.crowd))
        control, under_load = self._trials([flow, crowd])
        for draft, trial in ((flow, control), (crowd, under_load)):
            if trial.error:
                raise trial.error
            self._note(draft, trial, set())
        self.found.control = tuple(sorted({*control.failed, *under_load.failed}))
        # what hits every request tells most, so it comes first: time may be short
        self._every(crowd, control)
        singles = self._singles(flow, control)
        if depth > 1:
            self._pairs(flow, control, singles)

    def _asked(self) -> Numbers:
        """The lengths that this client's promises lead to."""
        trial = next(self._trials([space.flow(self._keys, ASSUMED)]))
        if trial.error:
            raise trial.error
        return _numbers(trial.policy, float(self._keys["integration"]["scale"]))

    def _singles(self, flow: Draft, control: Trial) -> list[Single]:
        """Each fault at the first request of each operation; those that the client felt."""
        steps, meant = [], []
        for variant in space.variants(self.found.numbers):
            for op in OPS:
                place = Place(variant.phase, variant.name, op, "first", "tried")
                at_ns = control.trace.first(op, _since(flow))
                if at_ns is None:
                    self.found.places.append(replace(place, state="never called"))
                    continue
                steps.append((place, space.once(flow, variant, op, at_ns, self.found.numbers)))
                meant.append((variant, op))
        found = zip(meant, steps, self._try(steps), strict=False)
        return [Single(*how, draft, trial) for how, (_, draft), trial in found if trial.felt]

    def _every(self, crowd: Draft, control: Trial) -> None:
        """Each fault at every request, of each operation where it can choose."""
        steps = []
        for variant in space.variants(self.found.numbers):
            for op in ("", *OPS) if variant.chooses else ("",):
                place = Place(variant.phase, variant.name, op, "every", "tried")
                if op and control.trace.first(op, 0) is None:
                    self.found.places.append(replace(place, state="never called"))
                else:
                    steps.append((place, space.always(crowd, variant, op, self.found.numbers)))
        list(self._try(sorted(steps, key=lambda step: step[0].op != "")))

    def _pairs(self, flow: Draft, control: Trial, singles: Sequence[Single]) -> None:
        """A second fault where the first one left a trace. Of first faults that led to the same, one is taken
        further."""
        steps: list[Step] = []
        seen: set[tuple[str, Trace]] = set()
        for single in singles:
            new = (single.op, single.trial.trace) not in seen
            seen.add((single.op, single.trial.trace))
            words = f"{single.variant.phase}: {single.variant.name} at {single.op}"
            for op, at_ns, retry in _continuations(single, control):
                for variant in space.variants(self.found.numbers):
                    place = Place(variant.phase, variant.name, op, "second", "tried", before=words)
                    if at_ns is None or not new:
                        self.found.places.append(replace(place, state="same"))
                    elif retry:
                        steps.append((place, space.again(single.draft, variant, op, at_ns, self.found.numbers)))
                    else:
                        steps.append((place, space.once(single.draft, variant, op, at_ns, self.found.numbers)))
        list(self._try(steps))

    def _try(self, steps: Sequence[Step]) -> Iterator[Trial]:
        """Try schedules while there is time; the others are left out."""
        results = self._trials([draft for _, draft in steps])
        for number, (place, draft) in enumerate(steps):
            if time.monotonic() > self._until:
                self.found.in_time = False
                self.found.places += [replace(left, state="left out") for left, _ in steps[number:]]
                return
            trial = next(results)
            felt = {fault.name for fault in draft.faults} <= trial.felt
            new = self._note(draft, trial, set(self.found.control))
            self.found.places.append(replace(place, state="tried" if felt else "not felt", laws=new))
            if number % 50 == 49:
                laws = ", ".join(self.found.failing) or "none"
                self._tell(f"{number + 1} of {len(steps)} schedules; failed so far: {laws}")
            yield trial

    def _note(self, draft: Draft, trial: Trial, known: Collection[str]) -> tuple[str, ...]:
        """Keep the schedule for each law that it fails; the laws that aren't `known` to fail anyway."""
        if trial.error and not isinstance(trial.error, UsageError):
            raise trial.error
        new = tuple(law for law in LAWS if law in trial.failed and law not in known and not LAWS[law].gate)
        for law in new:
            self.found.failing.setdefault(law, []).append(draft)
        return new

    def shrink(self, most_tries: int) -> None:
        """The smallest schedule of each failed law, from the simplest one found."""
        for law, drafts in self.found.failing.items():
            draft = min(drafts, key=cost)
            asked = replace(draft, keys={**draft.keys, "laws": {"require": [law]}})
            if law in next(self._trials([asked])).failed:
                self.found.shrunk.append(smallest(asked, law, self._trials, most_tries, lambda words: None))


def _continuations(single: Single, control: Trial) -> list[tuple[str, int | None, bool]]:
    """Where a second fault may differ from one alone, as (operation, when, at a re-try?): the call's second attempt,
    and, when a later call went otherwise than without a fault, the next request of each operation; None: nowhere."""
    trace = single.trial.trace
    carried_ns = trace.differs_after(control.trace)
    later = [(op, None if carried_ns is None else trace.first(op, carried_ns), False) for op in OPS]
    return [(single.op, trace.retried_ns(single.op, single.draft.faults[0].at_ns), True), *later]


def _since(flow: Draft) -> int:
    """From when on a flow's calls are hit: the ones before are its baseline."""
    return flow.load.for_ns * space.FLOW_BEFORE // space.FLOW_CALLS


def _numbers(policy: Policy, scale: float) -> Numbers:
    """The lengths of schedules that suit what the client promises."""
    longest = max((longest_call_s(policy.of(op)) or 0.0 for op in OPS), default=0.0)
    read, _ = number_of(policy, "policy.timeout.read", scale)
    reset, _ = number_of(policy, "policy.breaker.reset_timeout", scale)
    return Numbers(read, longest or number_of(policy, "policy.timeout.total", scale)[0], reset)


def explore(
    options: Options, keys: Mapping[str, Any], depth: int, within_s: float, most_tries: int, tell: Tell
) -> Explored:
    """Explore a client. Raises UsageError for one that virtual time can't carry."""
    began = time.monotonic()
    with Trials(options) as trials:
        explorer = Explorer(trials, keys, within_s, tell)
        explorer.explore(depth)
        explorer.shrink(most_tries)
        explorer.found.runs = trials.count
    explorer.found.took_s = time.monotonic() - began
    return explorer.found


def keys_of(integration: str, options: Options, policy: Path | None, seed: int) -> dict[str, Any]:
    """The keys of every schedule of a client; raises UsageError for a client that isn't there."""
    entry = resolve(integration)
    use, colon, factory = integration.partition(":")
    if use.endswith(".py"):
        use = str(Path(use).resolve())
    scale = options.scale if entry.policy else 1.0
    keys = {
        "question": "Which laws does the client break on the simplest faults?",
        "seed": seed,
        "integration": {"use": f"{use}{colon}{factory}", "scale": scale},
    }
    return keys | ({"policy": {"file": str(policy.resolve())}} if policy else {})
