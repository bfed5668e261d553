"""The registry of laws: a law is a pure function (History, Promise) -> Verdict with its rule in words beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from harness.evidence.history import History
from harness.model import Status, Verdict
from harness.policy import Promise

Judge = Callable[[History, Promise], Verdict]

WITNESSES = 5
"""A verdict carries at most this many (laws.md, "Evidence")."""


@dataclass(frozen=True, slots=True)
class Law:
    """One law: its words for `explain`, and the function that judges.

    `needs`: fault kinds, any of which can exercise it (empty: needs none). `promise`: dotted policy keys, any of
    which makes it required (empty: always promised). `gate`: X1 to X3, which can't be accepted.
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
    rev: int = 1
    data: bool = False

    @property
    def gate(self) -> bool:
        """True for the meta-laws X1 to X3."""
        return self.id.startswith("X")


LAWS: dict[str, Law] = {}


def law(id: str, name: str, *, family: str, rule: str, trap: str, cure: str, example: str, **more: Any) -> Callable[[Judge], Judge]:
    """Register the decorated judge as law `id`; the judge's verdict is completed with id, name and revision."""

    def register(judge: Judge) -> Judge:
        if id in LAWS:
            raise ValueError(f"law {id} is registered twice")

        def complete(history: History, promise: Promise) -> Verdict:
            said = judge(history, promise)
            advice = said.cure or (cure if said.status in ("fail", "warn") else "")
            return replace(said, law=id, name=name, cure=advice, law_rev=LAWS[id].rev, scaled=promise.scale != 1.0)

        LAWS[id] = Law(id, name, family, rule, trap, cure, example, complete, **more)
        return judge

    return register


def say(status: Status, reason: str, *, witnesses: Any = (), **more: Any) -> Verdict:
    """A verdict in a judge's words; the registry fills in which law it is."""
    return Verdict("", "", status, reason, witnesses=tuple(witnesses)[:WITNESSES], **more)


def judge_all(history: History, promise: Promise, laws: Mapping[str, Law] = LAWS) -> tuple[Verdict, ...]:
    """The verdict of every law. A judge that crashes is `invalid` with its error named, never a pass."""
    return tuple(_safely(law, history, promise) for law in laws.values())


def _safely(law: Law, history: History, promise: Promise) -> Verdict:
    try:
        return law.judge(history, promise)
    except Exception as error:  # noqa: BLE001 - a crashing check is unknown, never a pass (Jepsen, check-safe)
        return Verdict(law.id, law.name, "invalid", f"the law itself failed: {type(error).__name__}: {error}", "report this as a bug")
