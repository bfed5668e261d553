"""Whose lag is it? (design, "Decisions": lag while the integration holds 80 % of busy samples is the integration's)."""

from __future__ import annotations

import numpy as np

from harness.evidence.table import Mask
from harness.laws.case import Case, in_order
from harness.laws.lag import dispatch_delay_ns

LATE_NS = 25_000_000
SAMPLE_NS = 1_000_000_000
HELD = 0.8
"""Share of busy samples inside the integration from which on the lag is its own."""

BUSY = 0.5
"""A generator that isn't busy for at least half of its late seconds was kept from running by the machine."""


def late_seconds(case: Case) -> Mask:
    """The samples (a second each) in which a call started late or the loop lagged."""
    samples, calls = case.history.samples, case.calls
    late = samples["lag_ns"] > LATE_NS
    delay = dispatch_delay_ns(calls)
    slow = (delay > LATE_NS) | calls["outcome"].among("overflow")
    for edge in (calls["start_ns"] - delay, calls["start_ns"]):
        moments = in_order(edge[slow])
        upto = np.searchsorted(moments, samples["time_ns"])
        since = np.searchsorted(moments, samples["time_ns"] - SAMPLE_NS)
        late |= upto > since
    return late & (samples["busy"] > 0)  # type: ignore[no-any-return]


def held_share(case: Case) -> tuple[float, float]:
    """(share of busy samples inside the integration, share of samples that were busy) over the late seconds."""
    samples = case.history.samples.where(late_seconds(case))
    busy = samples["busy"]
    if not len(busy):
        return 0.0, 0.0
    return float((busy * samples["in_integration"]).sum() / busy.sum()), float(busy.mean())


def integration_holds(case: Case) -> bool:
    """Whether the lag that was seen is the integration's own."""
    held, busy = held_share(case)
    return held >= HELD and busy >= BUSY
