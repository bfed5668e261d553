"""The meta-laws: whether the run itself can carry verdicts. They gate all others and can't be accepted."""

from __future__ import annotations

import numpy as np

from harness.evidence.table import Mask
from harness.laws.blame import integration_holds
from harness.laws.case import Case
from harness.laws.lag import dispatch_delay_ns
from harness.laws.registry import Ruling, broken, inapplicable, inconclusive, law, passed, plural
from harness.stats import quantile, quantile_interval

MOST_DELAY_NS = 25_000_000
"""laws.md, X3: dispatch delay p99 in the judged window."""

MOST_OVERFLOW = 0.001
"""design.md: more than 0.1 % of calls over the bound in flight make a run invalid."""


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
    rule="the run came to its end, nothing of its faults is left, and every issued call is accounted for",
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
    if "leftovers" not in case.facts:
        return inconclusive("nobody looked for leftovers")
    return passed(f"nothing is left, and all {plural(counted, 'call')} are accounted for")


@law(
    "X3",
    "HarnessNotTheBottleneck",
    family="gates",
    rule="dispatch delay p99 ≤ 25 ms and overflow ≤ 0.1 % in the judged phases, unless the integration itself holds "
    "the processor (then P5 judges it)",
    trap="a saturated generator starts calls late and makes every server look slow",
    cure="lower the rate, give the generator more workers, or take other work off this machine",
    example="a machine that swaps starts a call 300 ms after it was due",
)
def harness_not_the_bottleneck(case: Case) -> Ruling:
    judged = judged_calls(case)
    if not judged.any():
        return inconclusive("no call was made in a judged phase")
    slow = dispatch_delay_ns(case.calls)
    delay = slow[judged & ~case.calls["outcome"].among("overflow")]
    over = int((judged & case.calls["outcome"].among("overflow")).sum())
    measured = f"p99 {quantile(delay, 0.99) / 1e6:.1f} ms, overflow {over / judged.sum():.2%}"
    bound = "p99 25 ms, overflow 0.1 %"
    late = quantile_interval(delay, 0.99).above(MOST_DELAY_NS)
    if not late and over <= MOST_OVERFLOW * judged.sum():
        return passed("calls started when they were due", measured=measured, bound=bound)
    if integration_holds(case):
        said = "calls started late, while the integration's own code held the processor: P5 judges that"
        return passed(said, measured=measured, bound=bound)
    rows = np.flatnonzero(judged & ((slow > MOST_DELAY_NS) | case.calls["outcome"].among("overflow")))
    rows = rows[np.argsort(-slow[rows], kind="stable")]
    return broken(
        case, rows, f"{plural(len(rows), 'call')} of {int(judged.sum()):,} started late: the generator was saturated",
        of=int(judged.sum()), measured=measured, bound=bound, notes=lambda row: {"dispatch_delay_ns": int(slow[row])},
    )  # fmt: skip


def judged_calls(case: Case) -> Mask:
    """The calls of baseline, faults and recovery; all, in a run without phases."""
    phase = case.calls["phase"]
    if not case.history.phases:
        return np.ones(len(phase), bool)
    return phase.among("baseline", "recovery") | phase.starting("fault:")  # type: ignore[no-any-return]
