"""M2 as a map: what became of a client after a trigger, at one load (laws.md, M2; Bronson et al., HotOS'21)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isnan
from typing import Literal

from harness.laws.band import Band, band_of
from harness.laws.breaker_open import Quiet
from harness.laws.case import Case
from harness.laws.recovery import IN_A_ROW, SECOND_NS, allowed_ns, return_of

State = Literal["returns", "stays", "late", "metastable", "damaged", "overloaded"]
"""`stays`: broken after the trigger is gone, at the load that was fine before. `late`: back by itself all the same when
the run goes on. Else the load is halved and restored: `metastable` when that brings it back (an effect that sustained
itself), `damaged` when it doesn't. `overloaded`: not fine before the trigger."""

SETTLED = 3
"""laws.md: this many recovery times after the fault everything must be in band."""

MOST_ERRORS = 0.05
"""A baseline with more failed calls is no load that was fine."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the map. `load` is a share of KATO's capacity; `back_s`: from the trigger's end until it was in band
    (nan: never)."""

    trigger_s: float
    load: float
    state: State
    back_s: float = float("nan")


def settle_ns(case: Case) -> int:
    """How long after a trigger this client may take to be in band for good."""
    return SETTLED * allowed_ns(case)


def after_trigger(case: Case, end_ns: int, until_ns: int) -> tuple[State, float]:
    """Whether the client is in band again by `until_ns`, and how many seconds that took from `end_ns` on."""
    band = band_of(case)
    if band is None or band.errors > MOST_ERRORS:
        return "overloaded", float("nan")
    back_s = _back_s(case, band, end_ns, until_ns)
    return ("stays", back_s) if isnan(back_s) else ("returns", back_s)


def by_itself(cell: Cell, case: Case, end_ns: int, until_ns: int) -> Cell:
    """The cell that stayed broken, in a run that goes on without halving: `late` where the client came back."""
    state, back_s = after_trigger(case, end_ns, until_ns)
    return replace(cell, state="late", back_s=back_s) if state == "returns" else cell


def after_halving(case: Case, restored_ns: int, until_ns: int) -> State:
    """Whether the client is in band at the end, at the load that was restored at `restored_ns`."""
    band = band_of(case)
    assert band is not None
    return "damaged" if isnan(_back_s(case, band, restored_ns, until_ns)) else "metastable"


def _back_s(case: Case, band: Band, start_ns: int, until_ns: int) -> float:
    """Seconds until the calls were in band, if they are mostly so at the end; nan if not."""
    found = return_of(case, band, Quiet(start_ns, until_ns))
    if found is None or found.back_ns < 0:
        return float("nan")
    last = [second for second in found.out if second >= found.seconds - 2 * IN_A_ROW]
    return float("nan") if len(last) >= IN_A_ROW else found.back_ns / SECOND_NS
