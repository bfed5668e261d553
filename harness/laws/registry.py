"""The registry of laws: a law is a pure function Case -> Ruling with its rule in words beside it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.laws.case import Case, names_in
from harness.model import Severity, Status, Verdict
from harness.policy import Promise

WITNESSES = 5
"""A verdict carries at most this many (laws.md, "Evidence")."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a law says of a run. `places`: the fault, phase and op that all its violations share; `share`: how often it
    was broken of how often it could have been. An accepted failure is held to both."""

    status: Status
    reason: str
    cure: str = ""
    measured: str = ""
    bound: str = ""
    phase: str = ""
    severity: Severity | None = None
    witnesses: tuple[Mapping[str, Any], ...] = ()
    places: Mapping[str, frozenset[str]] = field(default_factory=dict)
    share: float | None = None


Judge = Callable[[Case], Ruling]


@dataclass(frozen=True, slots=True)
class Law:
    """One law: its words for `explain`, and the function that judges.

    `needs`: fault kinds, any of which can exercise it (empty: it needs none). `promise`: policy keys, any of which
    makes it apply (empty: it always does). `zero_tolerance`: one witness is enough, also in an invalid run.
    `wants`: what exercises it, in words. `calls`: the least evidence. `static`: it needs no traffic. `part`: what must
    stand between client and KATO for it to apply (mesh, registry; empty: nothing).
    """

    id: str
    name: str
    family: str
    rule: str
    trap: str
    cure: str
    example: str
    judge: Judge
    needs: frozenset[str] = frozenset()
    promise: tuple[str, ...] = ()
    wants: str = ""
    calls: int = 1
    severity: Severity = "gate"
    rev: int = 1
    data: bool = False
    zero_tolerance: bool = False
    static: bool = False
    part: str = ""

    @property
    def gate(self) -> bool:
        """True for the meta-laws X1 to X3, which can't be accepted."""
        return self.id.startswith("X")

    def promised(self, promise: Promise) -> bool:
        """Whether the policy speaks of the mechanism that the law is about."""
        return not self.promise or any(_has(promise, key) for key in self.promise)

    def verdict(self, ruling: Ruling, scale: float, required: bool = True, accepted: str | None = None) -> Verdict:
        """The ruling as a verdict, completed with what the law is."""
        cure = ruling.cure or (self.cure if ruling.status in ("fail", "warn") else "")
        return Verdict(
            self.id, self.name, ruling.status, ruling.reason, cure, ruling.measured, ruling.bound, required,
            ruling.severity or self.severity, accepted, scale != 1.0 and not self.static, self.rev, ruling.phase,
            ruling.witnesses,
        )  # fmt: skip


def _has(promise: Promise, key: str) -> bool:
    policies = (promise.policy, *promise.policy.calls.values())
    return any(_value(policy, key) not in (None, ()) for policy in policies)


def _value(policy: Any, key: str) -> Any:
    for name in key.split("."):
        policy = getattr(policy, name, None)
    return policy


LAWS: dict[str, Law] = {}
"""Every law by its id, in the order of laws.md."""


def law(id: str, name: str, **words: Any) -> Callable[[Judge], Judge]:
    """Register the decorated judge as law `id`; `words` are the other fields of Law."""

    def register(judge: Judge) -> Judge:
        if id in LAWS:
            raise ValueError(f"law {id} is registered twice")
        LAWS[id] = Law(id, name, judge=judge, **words)
        return judge

    return register


FAMILIES = "KTRBFPMDQSIOHVX"
"""First letters of the ids in the order of laws.md, the gates last."""


def in_catalogue_order() -> None:
    """Put LAWS into the order of laws.md, whatever the order of imports."""
    ordered = sorted(LAWS.items(), key=lambda item: (FAMILIES.index(item[0][0]), int(item[0][1:])))
    LAWS.clear()
    LAWS.update(ordered)


def rule_on(law: Law, case: Case) -> Ruling:
    """The law's ruling. A judge that crashes is `invalid` with its error named, never a pass (Jepsen, check-safe)."""
    try:
        return law.judge(case)
    except Exception as error:  # noqa: BLE001
        return Ruling("invalid", f"the law itself failed: {type(error).__name__}: {error}", "report this as a bug")


CHANCE = 5
"""Occasions below which it was chance that there were any, unless a fault makes them: a pass on one of them would not
come again in the next run."""


def by_chance(case: Case, count: int, makers: Collection[str]) -> bool:
    """Whether there were none, or so few that they came by chance: of the run's faults none is of kinds `makers`."""
    return count == 0 or (count < CHANCE and bool(case.kinds) and case.kinds.isdisjoint(makers))


def exercise(id: str) -> str:
    """What would exercise a law, as the end of a sentence."""
    return LAWS[id].wants


def passed(reason: str, **more: Any) -> Ruling:
    """The law was exercised and held."""
    return Ruling("pass", reason, **more)


def unexercised(reason: str) -> Ruling:
    """Nothing happened that the law could judge; say what would exercise it."""
    return Ruling("not_exercised", reason)


def inconclusive(reason: str, **more: Any) -> Ruling:
    """Too little or too vague evidence."""
    return Ruling("inconclusive", reason, **more)


def inapplicable(reason: str) -> Ruling:
    """The mechanism is absent and not declared."""
    return Ruling("not_applicable", reason)


def broken(
    case: Case,
    rows: NDArray[np.integer[Any]],
    reason: str,
    *,
    of: int = 0,
    broke: int | None = None,
    notes: Callable[[int], Mapping[str, Any]] | None = None,
    status: Status = "fail",
    **more: Any,
) -> Ruling:
    """The law was broken by the calls at `rows` (worst first), of `of` that could have broken it.

    `broke`: how often, where not each time has a call. `notes(row)` adds to a witness what the law saw in that call.
    """
    broke = len(rows) if broke is None else broke
    return Ruling(
        status,
        reason,
        witnesses=tuple(_witness(case, int(row)) | dict(notes(int(row)) if notes else {}) for row in rows[:WITNESSES]),
        places=_places(case, rows),
        phase=listed(_named(case, "phase", rows)),
        share=broke / of if of and broke else None,
        **more,
    )


def _witness(case: Case, row: int) -> dict[str, Any]:
    names = ("call", "op", "session", "start_ns", "end_ns", "outcome", "error", "worker")
    return {name: _plain(case.calls[name][row]) for name in names}


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _places(case: Case, rows: NDArray[np.integer[Any]]) -> dict[str, frozenset[str]]:
    """What holds for all rows alike: their phase and operation where they share one, the faults that all overlapped."""
    if not len(rows):
        return {}
    start, end = case.calls["start_ns"][rows], case.calls["end_ns"][rows]
    under: dict[str, Any] = {}
    for window in case.windows:
        under[window.name] = under.get(window.name, False) | (start < window.end_ns) & (end >= window.start_ns)
    return {
        "fault": frozenset(name for name, overlap in under.items() if np.all(overlap)),
        "phase": _shared(case, "phase", rows),
        "op": _shared(case, "op", rows),
    }


def _shared(case: Case, column: str, rows: NDArray[np.integer[Any]]) -> frozenset[str]:
    names = _named(case, column, rows)
    return frozenset(names) if len(names) == 1 else frozenset()


def _named(case: Case, column: str, rows: NDArray[np.integer[Any]]) -> set[str]:
    return set(names_in(case.calls[column], rows)) - {""}


def plural(count: int, noun: str) -> str:
    """`1 call`, `3 calls`, `2 tries`."""
    ending = "ies" if noun.endswith("ry") else noun[-1] + "s"
    return f"{count:,} {noun if count == 1 else noun[:-1] + ending}"


def listed(words: Iterable[str]) -> str:
    """The words with commas, sorted."""
    return ", ".join(sorted(words))
