"""The meta-laws: whether the run itself can carry verdicts. They gate all others and can't be accepted."""

from __future__ import annotations

import numpy as np

from harness.evidence.table import Mask
from harness.laws.blame import integration_holds
from harness.laws.case import Case
from harness.laws.generator import Health, for_want_of, health
from harness.laws.lag import dispatch_delay_ns
from harness.laws.little import disagreement
from harness.laws.registry import Ruling, broken, inapplicable, inconclusive, law, passed, plural
from harness.stats import quantile, quantile_interval

MOST_DELAY_NS = 25_000_000
"""laws.md, X3: dispatch delay p99 in the judged window."""

MOST_OVERFLOW = 0.001
"""design.md: more than 0.1 % of calls over the bound in flight make a run invalid."""

MOST_BEHIND = 0.05
"""Share of the judged time in stalls: what starts in the rest of it judges the client with the laws' usual bounds."""
MOST_BEHIND_PHASE = 1 / 3
"""And of each phase, so that each fault was met by load that was offered when it was meant to be."""
LONGEST_STALL_NS = 1_000_000_000
"""The calls of a longer stall come as a burst that nobody planned."""
MOST_STEP_NS = 100_000_000
"""The wall clock's step against the monotonic one: by its settings, or because the machine slept."""


@law(
    "X1",
    "FaultEffective",
    family="gates",
    rule="every planned fault was applied, and the harness's own canary on the same listener saw its effect",
    trap="Toxiproxy accepts misspelt attributes and does nothing; a fault that did nothing proves nothing",
    cure="read the fault's kind and parameters again; `kato-harness doctor` shows whether the planes answer",
    example='a toxic {"latencyy": 500} is accepted with 200 and delays nothing',
    zero_tolerance=True,
)
def fault_effective(case: Case) -> Ruling:
    faults = case.history.faults
    if not len(faults):
        return inapplicable("no fault was planned")
    names = np.array(faults["name"].tolist())
    idle = (faults["applied_ns"] == 0) | (faults["effective_ns"] == 0)
    if idle.any():
        said = ", ".join(names[idle])
        verb = "was applied" if (faults["applied_ns"][idle] == 0).any() else "showed its effect to the canary"
        return Ruling("fail", f"not every fault {verb}: {said}", measured=f"{int((~idle).sum())} of {len(idle)}")
    late_ns = int((faults["effective_ns"] - faults["applied_ns"]).max())
    measured = f"{len(idle)} of {len(idle)}"
    return passed(
        f"{plural(len(idle), 'fault')} proved effective, at the latest {late_ns / 1e6:.0f} ms after it was applied",
        measured=measured,
    )


@law(
    "X2",
    "CleanExit",
    family="gates",
    rule="the run came to its end, nothing of its faults is left, every issued call is accounted for, and the calls in "
    "flight that were counted are those that the rows say (Little's law)",
    trap="a toxic that outlives its run breaks the next one, and rows that were lost hide what happened in them",
    cure="`kato-harness doctor --clear` removes what is left over; then run again",
    example="a run killed in mid-fault leaves a proxy that refuses everybody",
    zero_tolerance=True,
)
def clean_exit(case: Case) -> Ruling:
    left = list(case.facts.get("leftovers") or ())
    if left:
        return Ruling("fail", f"left behind: {', '.join(map(str, left))}", measured=f"{len(left)} left", bound="0")
    if not case.facts.get("finished", True):
        return Ruling("fail", "the run did not come to its end, so its evidence is incomplete", "run it again")
    issued, counted = case.facts.get("issued"), len(case.calls)
    if issued is not None and issued != counted:
        said = f"{issued:,} calls were issued and {counted:,} are in the evidence"
        return Ruling("fail", said, "run again; a process died before it wrote its rows", str(counted), str(issued))
    uneven = disagreement(case)
    if uneven:
        return Ruling("fail", uneven, "rows are lost or wrongly timed; run again, and report it if it stays so")
    if "leftovers" not in case.facts:
        return inconclusive("nobody looked for leftovers")
    return passed(f"nothing is left, and all {plural(counted, 'call')} are accounted for")


@law(
    "X3",
    "HarnessNotTheBottleneck",
    family="gates",
    rule="calls of the judged phases start within 25 ms of being due, or late in stalls of at most 1 s that take at "
    "most 5 % of the judged time and a third of each phase, which the laws allow for; calls without a socket "
    "≤ 0.1 %; nobody set the clock; unless the integration itself holds the processor (then P5 judges it)",
    trap="a saturated generator starts calls late and makes every server look slow",
    cure="lower the rate, give the generator more workers, or take other work off this machine",
    example="a generator that gets half a core starts every tenth call 300 ms after it was due",
)
def harness_not_the_bottleneck(case: Case) -> Ruling:
    judged, state = judged_calls(case), health(case)
    if state.refused > MOST_OVERFLOW:
        rows = np.flatnonzero(for_want_of(case.calls["detail"], state.lacking))
        return broken(case, rows, state.told(), of=len(case.calls), cure=state.cure, bound=f"≤ {MOST_OVERFLOW:.1%}")
    if not judged.any():
        return inconclusive("no call was made in a judged phase")
    stepped_ns = int(case.facts.get("wall_step_ns") or 0)
    if abs(stepped_ns) > MOST_STEP_NS:
        said = f"the wall clock moved by {stepped_ns / 1e9:+.1f} s against the monotonic one during the run"
        return Ruling("fail", said, "run again; keep the machine awake and its clock unset", bound="0.1 s")
    slow = dispatch_delay_ns(case.calls)
    over = judged & case.calls["outcome"].among("overflow")
    p99 = quantile_interval(slow[judged & ~over], 0.99)
    measured = _measured(quantile(slow[judged & ~over], 0.99), over.sum() / judged.sum(), state)
    bound = "p99 25 ms or stalls ≤ 5 % of the time"
    if not saturated(state):
        said = _on_time(state, p99.above(MOST_DELAY_NS))
        if over.sum() > MOST_OVERFLOW * judged.sum():
            said += "; that too many were in flight is the client's: P5 judges that"
        return passed(said, measured=measured, bound=bound)
    if integration_holds(case):
        said = "calls started late, while the integration's own code held the processor: P5 judges that"
        return passed(said, measured=measured, bound=bound)
    rows = np.flatnonzero(judged & ((slow > MOST_DELAY_NS) | over))
    rows = rows[np.argsort(-slow[rows], kind="stable")]
    late = f"{plural(len(rows), 'call')} of {int(judged.sum()):,} started late or not at all"
    return broken(
        case, rows, state.told(late), of=int(judged.sum()), measured=measured, bound=bound,
        notes=lambda row: {"dispatch_delay_ns": int(slow[row])},
    )  # fmt: skip


def saturated(state: Health) -> bool:
    """Whether the generator was kept from its schedule so much that nobody knows what it offered."""
    return (
        state.refused > MOST_OVERFLOW
        or state.behind > MOST_BEHIND
        or state.worst > MOST_BEHIND_PHASE
        or state.longest_ns > LONGEST_STALL_NS
    )


def _measured(p99_ns: float, overflow: float, state: Health) -> str:
    return f"p99 {p99_ns / 1e6:.1f} ms, in stalls {state.behind:.1%} of the time, overflow {overflow:.2%}"


def _on_time(state: Health, late: bool) -> str:
    if not late:
        return "calls started when they were due"
    stalls = f"{plural(state.stalls, 'stall')} of at most {state.longest_ns / 1e6:.0f} ms"
    return f"calls started when they were due but for {stalls}, which the laws allow for"


def judged_calls(case: Case) -> Mask:
    """The calls of baseline, faults and recovery; all, in a run without phases."""
    phase = case.calls["phase"]
    if not case.history.phases:
        return np.ones(len(phase), bool)
    return phase.among("baseline", "recovery") | phase.starting("fault:")  # type: ignore[no-any-return]
