"""A Scenario and a Policy to a Timeline: when phases and faults begin and end, and what load is offered."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from harness.data import read_schedule
from harness.errors import ScenarioError
from harness.faults import KINDS
from harness.model import Fault, Load, Span, Stage
from harness.policy import Policy
from harness.scenario import promises
from harness.scenario.expr import Expr, Name, value_of
from harness.scenario.expr import parse as parse_expression
from harness.scenario.faultkeys import FaultSpec
from harness.scenario.leaves import Sink
from harness.scenario.references import at
from harness.scenario.types import Length, Scenario
from harness.units import format_duration, format_rate

SECOND_NS = 1_000_000_000
DEFAULT_RATE = 20.0
"""What an httpx-like client carries without waiting for its pool (design.md, "Whose lag is it?")."""
LEAST_SESSIONS = 20
MOST_STAGES = 120
DEFAULT_RECOVERY = Length(parse_expression("policy.breaker.reset_timeout + 10s"))


@dataclass(frozen=True, slots=True)
class Timeline:
    """When everything happens, as offsets (ns) from the start of load. `faults` are in order of time, repeats
    expanded. `assumed` are numbers (s or counts) taken from the guide for want of a promise."""

    phases: tuple[Span, ...]
    faults: tuple[Fault, ...]
    load: Load
    end_ns: int
    assumed: Mapping[str, float] = field(default_factory=dict)


def resolve(scenario: Scenario, policy: Policy, *, scale: float = 1.0) -> Timeline:
    """The timeline for a client that promises `policy` (already scaled; `scale` is for what it doesn't promise).

    Raises ScenarioError with every problem of the resolved times: a fault before the start, a run over a ceiling.
    """
    sink = Sink()
    times = _Times(scenario, policy, scale, sink)
    faults = tuple(
        sorted((fault for spec in scenario.faults for fault in times.expanded(spec)), key=lambda fault: fault.at_ns)
    )
    end_ns = times.end_ns()
    if not sink:
        phases = _phases(scenario, times, faults, end_ns)
        load = _load(scenario, times, policy, scale, faults, end_ns)
        _ceilings(scenario, load, sink)
    if sink:
        raise ScenarioError(list(dict.fromkeys(sink)))
    return Timeline(phases, faults, load, end_ns, times.assumed)


class _Times:
    """Evaluates names and expressions, each name once; seconds throughout."""

    def __init__(self, scenario: Scenario, policy: Policy, scale: float, sink: Sink) -> None:
        self._scenario = scenario
        self._policy = policy
        self._scale = scale
        self._sink = sink
        self._faults = {fault.name: fault for fault in scenario.faults}
        self._known: dict[str, float] = {}
        self._recorded: tuple[int, ...] | None = None
        self.assumed: dict[str, float] = {}

    def value(self, expression: Expr) -> float:
        return value_of(expression.tree, self._name)

    def _name(self, name: Name) -> float:
        if name.path not in self._known:
            self._known[name.path] = self._evaluate(name.path)
        return self._known[name.path]

    def _evaluate(self, path: str) -> float:
        head, _, edge = path.partition(".")
        if head == "policy":
            value, assumed = promises.number_of(self._policy, path, self._scale)
            if assumed:
                self.assumed[path] = value
            return value
        if head in self._faults:
            spec = self._faults[head]
            return self.value(spec.at) if edge == "start" else self.fault_end(spec)
        return self._phase_edge(head, edge)

    def _phase_edge(self, phase: str, edge: str) -> float:
        phases = self._scenario.phases
        warm = self.length(phases.warmup)
        if phase == "warmup":
            return 0.0 if edge == "start" else warm
        if phase == "baseline":
            return warm if edge == "start" else warm + self.length(phases.baseline)
        recovery_end = self.end_ns() / SECOND_NS - self.length(phases.cooldown)
        if phase == "recovery":
            return self.faults_end() if edge == "start" else recovery_end
        return recovery_end if edge == "start" else self.end_ns() / SECOND_NS

    def length(self, length: Length) -> float:
        return self._bounded(length.for_, length.max_for, least=0.0)

    def _bounded(self, expression: Expr, most: float | None, least: float) -> float:
        value = self.value(expression)
        if value < least or (value == 0 and least > 0):
            said = format_duration(value) if value >= 0 else f"{value:g}s"
            self._sink.note(expression.where, f"{expression.text} comes to {said}", "it must be longer than nothing")
            return max(least, 0.0)
        return min(value, most) if most is not None else value

    def fault_for(self, spec: FaultSpec) -> float:
        return self._bounded(spec.for_, spec.max_for, least=1e-3)

    def fault_end(self, spec: FaultSpec) -> float:
        every = self.value(spec.every) if spec.every is not None else 0.0
        return self.value(spec.at) + (spec.repeat - 1) * every + self.fault_for(spec)

    def faults_end(self) -> float:
        return max(
            (self.fault_end(spec) for spec in self._scenario.faults), default=self._phase_edge("baseline", "end")
        )

    def expanded(self, spec: FaultSpec) -> tuple[Fault, ...]:
        """The windows of one entry, its parameters resolved."""
        start, lasts = self.value(spec.at), self.fault_for(spec)
        every = self.value(spec.every) if spec.every is not None else 0.0
        if start < 0:
            self._sink.note(
                spec.at.where, f"{spec.name} would start {-start:g}s before the load", "start it at 0s or later"
            )
        if spec.repeat > 1 and every < lasts:
            what = f"{spec.name} lasts {lasts:g}s but comes every {every:g}s"
            self._sink.note(spec.where, what, "make `every` longer than `for`")
        params = self._params(spec)
        return tuple(
            Fault(spec.name, spec.kind, _ns(start + index * every), _ns(lasts), params, dict(spec.only))
            for index in range(spec.repeat)
        )

    def _params(self, spec: FaultSpec) -> dict[str, Any]:
        kind = KINDS[spec.kind]
        values = {word: self.value(value) if isinstance(value, Expr) else value for word, value in spec.params.items()}
        for param in kind.params:
            value = values.get(param.name)
            if param.least is not None and isinstance(value, (int, float)) and value < param.least:
                self._sink.note(
                    spec.where, f"{param.name} of {spec.name} comes to {value:g}", f"it is at least {param.least:g}"
                )
        params = kind.complete(values)
        for wrong in kind.check(params):
            self._sink.note(spec.where, f"{spec.name}: {wrong}", f"see `kato-harness list faults` for {spec.kind}")
        return params

    def recorded(self) -> tuple[int, ...]:
        """The offsets (ns) of the recorded schedule; one at 0 where it can't be read."""
        if self._recorded is None:
            try:
                self._recorded = tuple(offset_ns for offset_ns, _ in read_schedule(self._scenario.load.replay))
            except (ValueError, OSError) as error:
                cure = "`kato-harness report RUN --format schedule` writes one of a run"
                self._sink.note(at(self._scenario, "load.replay"), f"the schedule can't be read: {error}", cure)
                self._recorded = (0,)
        return self._recorded

    def load_s(self) -> float | None:
        """The length of load that duration or stages give (s)."""
        load = self._scenario.load
        if load.replay:
            return math.ceil(self.recorded()[-1] / SECOND_NS + 1e-9)
        if isinstance(load.rate, tuple):
            return sum(self._bounded(stage.for_, None, least=1e-3) for stage in load.rate)
        return load.duration

    def end_ns(self) -> int:
        """The end of the run: what load gives, but never before the phases are through."""
        phases = self._scenario.phases
        given, cool = self.load_s(), self.length(phases.cooldown)
        over = self.faults_end()
        if not self._scenario.faults:
            return _ns(given if given is not None else over + cool)
        if given is not None and phases.recovery is None:
            if given <= over + cool:
                where = at(self._scenario, "load.duration" if self._scenario.load.duration is not None else "load.rate")
                what = f"the last fault ends at {over:g}s, the load at {given:g}s: no recovery would be seen"
                self._sink.note(where, what, "make the load longer, or leave its length to phases.recovery")
            return _ns(given)
        recovery = self.length(phases.recovery or DEFAULT_RECOVERY)
        return _ns(max(given or 0.0, over + recovery + cool))


def _ns(seconds: float) -> int:
    return round(seconds * SECOND_NS)


def _phases(scenario: Scenario, times: _Times, faults: tuple[Fault, ...], end_ns: int) -> tuple[Span, ...]:
    """Warm-up, baseline until the first fault, then faults and the recoveries between and after them, cool-down."""
    cool_ns = max(end_ns - _ns(times.length(scenario.phases.cooldown)), 0)
    first_ns = min((fault.at_ns for fault in faults), default=cool_ns)
    last_ns = max((fault.until_ns for fault in faults), default=cool_ns)
    cool_ns = max(cool_ns, last_ns)
    warm_ns = min(_ns(times.length(scenario.phases.warmup)), first_ns)
    spans = [Span("warmup", 0, warm_ns), Span("baseline", warm_ns, first_ns)]
    edges = sorted({edge for fault in faults for edge in (fault.at_ns, fault.until_ns)} | {last_ns})
    order = [spec.name for spec in scenario.faults]
    for start_ns, stop_ns in pairwise(edges):
        active = {fault.name for fault in faults if fault.at_ns < stop_ns and fault.until_ns > start_ns}
        name = f"fault:{'+'.join(name for name in order if name in active)}" if active else "recovery"
        if spans[-1].name == name:
            spans[-1] = Span(name, spans[-1].start_ns, stop_ns)
        else:
            spans.append(Span(name, start_ns, stop_ns))
    spans += [Span("recovery", last_ns, cool_ns), Span("cooldown", cool_ns, end_ns)]
    return tuple(span for span in spans if span.end_ns > span.start_ns)


def _load(
    scenario: Scenario, times: _Times, policy: Policy, scale: float, faults: tuple[Fault, ...], end_ns: int
) -> Load:
    spec, sessions = scenario.load, scenario.load.sessions
    stages = _stages(scenario, times, end_ns)
    return Load(
        stages=stages,
        arrivals=spec.arrivals,
        users=spec.users,
        think_mean_ns=_ns(spec.think.mean),
        think_spread=spec.think.spread,
        sessions=_sessions(scenario, policy, stages, faults),
        strategy=sessions.strategy,
        events=sessions.events,
        ttl_s=math.ceil(sessions.ttl),
        config=dict(sessions.config),
        mix={op: weight for op, weight in spec.mix.items() if weight > 0},
        data=spec.data.generator,
        feed=spec.data.feed,
        feed_order=spec.data.order,
        users_are=tuple({"share": user.share, "headers": dict(user.headers)} for user in spec.users_are),
        node_prefix=scenario.target.footprint.node_prefix,
        warmup_for_ns=_ns(times.length(scenario.phases.warmup)),
        replay=spec.replay,
    )


def _stages(scenario: Scenario, times: _Times, end_ns: int) -> tuple[Stage, ...]:
    """The stages of load; the last rate that isn't a spike's is held until the end. A closed model has no rate."""
    rate = scenario.load.rate
    if scenario.load.replay:
        return _recorded_stages(times.recorded(), end_ns)
    if scenario.load.users:
        return (Stage(0.0, 0.0, end_ns),)
    if not isinstance(rate, tuple):
        one = DEFAULT_RATE if rate is None else rate
        return (Stage(one, one, end_ns),)
    stages = [Stage(stage.start_rate, stage.end_rate, _ns(times.value(stage.for_))) for stage in rate]
    left_ns = end_ns - sum(stage.for_ns for stage in stages)
    held = next((stage.end_rate for stage in reversed(rate) if not stage.spike), rate[-1].end_rate)
    return (*stages, Stage(held, held, left_ns)) if left_ns > 0 else tuple(stages)


def _recorded_stages(offsets_ns: tuple[int, ...], end_ns: int) -> tuple[Stage, ...]:
    """The rates of a recorded schedule, second by second; of a long one over a MOST_STAGES-th of it each."""
    width_ns = max(SECOND_NS, -(-end_ns // MOST_STAGES))
    counts = Counter(offset_ns // width_ns for offset_ns in offsets_ns if offset_ns < end_ns)
    widths = [min(width_ns, end_ns - start_ns) for start_ns in range(0, end_ns, width_ns)]
    rates = [counts[number] / width * SECOND_NS for number, width in enumerate(widths)]
    return tuple(Stage(rate, rate, width) for rate, width in zip(rates, widths, strict=True))


def _sessions(scenario: Scenario, policy: Policy, stages: tuple[Stage, ...], faults: tuple[Fault, ...]) -> int:
    """ceil(rate × longest fault or time-out × 1.2), at least 20 (design.md, "Sessions"); closed model: one a user."""
    asked = scenario.load.sessions.concurrent
    if scenario.load.users and not asked:
        return scenario.load.users
    longest_s = max([promises.longest_timeout_s(policy), *(fault.for_ns / SECOND_NS for fault in faults)])
    wanted = asked or max(math.ceil(_peak(stages) * longest_s * 1.2 - 1e-9), LEAST_SESSIONS)
    return wanted if scenario.target.embedded else min(wanted, scenario.target.footprint.max_nodes)


def _peak(stages: tuple[Stage, ...]) -> float:
    return max(max(stage.start_rate, stage.end_rate) for stage in stages)


def _ceilings(scenario: Scenario, load: Load, sink: Sink) -> None:
    guards, peak = scenario.guards, _peak(load.stages)
    calls = sum((stage.start_rate + stage.end_rate) / 2 * stage.for_ns / SECOND_NS for stage in load.stages)
    where = at(scenario, "load.rate")
    if peak > guards.max_rate:
        sink.note(
            where,
            f"{format_rate(peak)} is above guards.max_rate {format_rate(guards.max_rate)}",
            "lower the rate or raise the ceiling",
        )
    if calls > guards.max_calls:
        sink.note(
            where,
            f"{calls:.0f} calls are above guards.max_calls {guards.max_calls}",
            "shorten the run or raise the ceiling",
        )
    if load.for_ns > _ns(guards.max_duration):
        most = format_duration(guards.max_duration)
        what = f"the run lasts {load.for_ns / SECOND_NS:g}s, above guards.max_duration {most}"
        sink.note(where, what, "shorten it, bound an expression by max_for, or raise the ceiling")
    if not scenario.load.users and calls <= 0:
        sink.note(where, "no call would be offered", "give at least one stage a rate above 0")
