"""Where the time goes when a rate is too much: the part of a response that grew, by its own numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.capacity.probe import ProbeResult

PARTS = {
    "the server": "more workers or replicas, or cheaper calls",
    "waiting for the session's previous call": "more sessions: calls of one session wait for each other",
    "the generator": "more workers for the load (--workers), or a leaner integration",
}


def parts(probe: ProbeResult) -> dict[str, float]:
    """Mean seconds of a call in each part, in the order of PARTS."""
    elsewhere = probe.queueing_s + probe.dispatch_s
    return dict(zip(PARTS, (probe.mean_s - elsewhere, probe.queueing_s, probe.dispatch_s), strict=True))


def bottleneck(probes: Sequence[ProbeResult]) -> str:
    """What grew most from the lowest rate to the lowest one that failed, in words; empty when nothing failed.

    Calls that wait for their session's previous call wait for the server where that call got slower too: the server is
    named when its own part grew by half or more.
    """
    failed = [probe for probe in probes if not probe.held and math.isfinite(probe.mean_s)]
    if not failed:
        return ""
    low, high = min(probes, key=lambda probe: probe.rate), min(failed, key=lambda probe: probe.rate)
    if low is high or not math.isfinite(low.mean_s):
        return ""
    before, after = parts(low), parts(high)
    server = "the server"
    grown = {name: after[name] - before[name] for name in PARTS}
    name = server if after[server] >= 1.5 * before[server] else max(grown, key=lambda part: grown[part])
    if grown[name] <= 0:
        return ""
    said = f"{before[name] * 1e3:.3g} ms of a call at {low.rate:.4g}/s, {after[name] * 1e3:.3g} ms at {high.rate:.4g}/s"
    return f"{name}: {said}; {PARTS[name]}"
