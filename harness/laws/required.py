"""Which laws count in a run, and which a scenario can prove (scenario.md, "What moves the exit code")."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from harness.laws.registry import LAWS, Law
from harness.model import Fault, Load
from harness.policy import Policy, Promise


def is_required(law: Law, settings: Mapping[str, Any], promise: Promise, kinds: Iterable[str], failed: bool) -> bool:
    """Whether the law moves the exit code. `settings`: the manifest's `laws`; `kinds`: those of the planned faults.

    With `require: auto`: the gates, all data laws, and what the policy promises and these faults can exercise; a law
    that failed was exercised.
    """
    if law.gate:
        return True
    if law.id in settings.get("watch", ()) or law.id in settings.get("skip", {}):
        return False
    required = settings.get("require", "auto")
    if required != "auto":
        return law.id in required
    return law.data or failed or (law.promised(promise) and exercisable(law, kinds))


def exercisable(law: Law, kinds: Iterable[str]) -> bool:
    """Whether one of these fault kinds can exercise the law."""
    return not law.needs or bool(law.needs & set(kinds))


def provable(
    law_id: str, policy: Policy, faults: Sequence[Fault], load: Load, parts: Collection[str] = ()
) -> tuple[bool, str]:
    """Whether a run with these faults and this load can prove the law, and what it takes, in words. `parts`: what
    stands between client and KATO (mesh, registry)."""
    law = LAWS[law_id]
    if law.part and law.part not in parts:
        return False, f"needs a {law.part} before KATO (topology)"
    if not law.promised(Promise(policy)):
        return False, f"the policy promises no {' or '.join(law.promise)}"
    if not exercisable(law, (fault.kind for fault in faults)):
        return False, f"needs {law.wants}"
    if law.calls > (calls := expected_calls(law, faults, load)):
        return (
            False,
            f"needs {law.calls} calls {'under such a fault' if law.needs else 'in the run'}; about {calls:.0f} come",
        )
    return True, law.wants or "nothing but calls"


def expected_calls(law: Law, faults: Sequence[Fault], load: Load) -> float:
    """About how many calls can exercise the law: those under its faults, or all where it needs none (open model)."""
    total_s = load.for_ns / 1e9
    total = sum((stage.start_rate + stage.end_rate) / 2 * stage.for_ns / 1e9 for stage in load.stages)
    if load.users:
        total = load.users * total_s / max(load.think_mean_ns / 1e9, 0.05)
    if not law.needs or not total_s:
        return total
    under_s = sum(fault.for_ns for fault in faults if fault.kind in law.needs) / 1e9
    return total * min(under_s / total_s, 1.0)
