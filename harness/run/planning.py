"""`capacity --plan-for`: the fleet that a load needs, in one table, from a profile of measured service times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.capacity.planning import ADMITTED, CALLS, Aim, Answer, State, plan_for
from harness.capacity.queueing import Demand, Times
from harness.errors import UsageError
from harness.slo import parse
from harness.slo.grammar import Slo
from harness.twin.profiles import Profile, load_profile
from harness.units import TextError

HEAD = (
    "balancing",
    "replicas",
    "busy",
    "{q}",
    "goodput /s",
    "{q} with {lose} lost",
    "goodput /s",
    "{q} one by one",
    "lost updates",
    "connections",
)
NAMES = {"session_hash": "by session", "round_robin": "in turn", "least_pending": "least pending"}
PATTERNS = 20
"""A node's patterns that its calls are planned with."""
KINDS = ("observe", "predict", "learn")
MIX: Mapping[str, float] = {"observe": 2.0, "predict": 1.0}
"""The mix of the shipped scenarios."""


def planned(rate: float, slos: Sequence[str], lose: int, profile: str, workers: int, sessions: int,
            mix: Mapping[str, float], patterns: int = PATTERNS) -> tuple[str, tuple[Answer, ...]]:  # fmt: skip
    """The table in text, and its answers. Raises UsageError for a profile or an objective that can't be planned by."""
    slo = objective(slos)
    kato = load_profile(profile)
    times = times_of(kato, patterns)
    missing = sorted(set(mix) - set(times.kinds))
    if missing:
        raise UsageError(
            f"profile {profile} has no service time for {', '.join(missing)}", "calibrate it, or leave it out"
        )
    aim = Aim(slo.quantile, slo.value, lose)
    answers = plan_for(Demand(rate, sessions, mix), times, aim, workers, calls=CALLS)
    head = f"{rate:g} calls/s on {sessions} sessions, replicas of {plural(workers, 'worker')}, profile {profile}"
    return f"{head}, {slo_words(slo)}\n{_table(answers, aim, lose)}", answers


def plural(count: int, noun: str) -> str:
    """`1 worker`, `4 workers`."""
    return f"{count} {noun}" + ("" if count == 1 else "s")


def slo_words(slo: Slo) -> str:
    """The objective as it is planned for."""
    return f"p({slo.quantile * 100:g}) < {slo.value * 1e3:g} ms"


def times_of(profile: Profile, patterns: int = PATTERNS) -> Times:
    """What a worker of the profile does, for nodes with so many patterns."""
    if profile.service is None:
        raise UsageError(f"profile {profile.name} takes no time at all", "give --profile kato-1w or a calibrated file")
    curves = profile.service.curves
    chosen = {kind: curves.get(kind) or curves["other"] for kind in KINDS}
    first = curves.get("observe_first")
    stalls = profile.stalls
    return Times(
        kinds={kind: (curve.median_s(patterns), curve.sigma) for kind, curve in chosen.items()},
        first=(first.median_s(0), first.sigma) if first else None,
        stall_every_s=stalls.every_ns / stalls.count / 1e9 if stalls else 0.0,
        stall_s=stalls.length_ns / 1e9 if stalls else 0.0,
        connections=profile.connection_limit - 1 if profile.connection_limit else 0,
        keep_alive_s=profile.keep_alive_s,
    )


def objective(slos: Sequence[str]) -> Slo:
    """The one objective that is planned by; raises UsageError for several, or one that is no quantile."""
    texts = list(slos) or ["p(95) < 50ms"]
    try:
        found = [parse(text) for text in texts]
    except TextError as error:
        raise UsageError(f"--slo: {error.what}", error.cure) from None
    if len(found) != 1 or found[0].metric != "p" or found[0].operator not in ("<", "<="):
        raise UsageError(f"a plan has one objective, not {', '.join(texts)}", "give one quantile: --slo 'p(95) < 50ms'")
    return found[0]


def _table(answers: Sequence[Answer], aim: Aim, lose: int) -> str:
    head = tuple(cell.format(q=f"p{aim.q * 100:g} ms", lose=lose) for cell in HEAD)
    rows = [head, *(_row(answer) for answer in answers)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(head))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join([*lines, NOTE]) + "\n"


NOTE = (
    "one by one: with all replicas, where a session's call waits for the one before it; lost updates per 1,000 writes\n"
    "(law D5: observes of one session at the same time on two workers); connections of the fullest worker, which\n"
    f"admits {ADMITTED}, idle ones counted; intervals are 95 % over the simulated stretches"
)


def _row(answer: Answer) -> tuple[str, ...]:
    if answer.fleet is None or answer.whole is None or answer.reduced is None or answer.in_turn is None:
        return (NAMES[answer.balance], "no number serves", *[""] * (len(HEAD) - 2))
    whole, less = answer.whole, answer.reduced
    lost, connections = max(whole.lost, less.lost), max(whole.connections, less.connections)
    return (
        NAMES[answer.balance], str(answer.fleet.replicas), f"{whole.busy:.0%}", _ms(whole), _rate(whole),
        _ms(less), _rate(less), _ms(answer.in_turn), f"{lost:.3g}", str(connections),
    )  # fmt: skip


def _rate(state: State) -> str:
    return f"{state.goodput:.4g} ({state.goodput_interval.low:.4g} to {state.goodput_interval.high:.4g})"


def _ms(state: State) -> str:
    low, high = state.interval.low * 1e3, state.interval.high * 1e3
    return f"{state.quantile_s * 1e3:.3g} ({low:.3g} to {high:.3g})"
