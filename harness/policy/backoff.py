"""How long a promised back-off may wait before each re-try."""

from __future__ import annotations

from harness.policy.types import Backoff


def interval_s(backoff: Backoff, retry: int) -> tuple[float, float]:
    """The shortest and the longest wait (s) before re-try `retry` = 1, 2, …"""
    if backoff.first is not None and retry == 1:
        return backoff.first, backoff.first
    wait = backoff.initial * backoff.multiplier ** (retry - 1 - (backoff.first is not None))
    if backoff.jitter == "added":
        longest = float("inf") if backoff.max is None else backoff.max
        return max(min(wait, longest - backoff.spread), 0.0), min(wait + backoff.spread, longest)
    wait = wait if backoff.max is None else min(wait, backoff.max)
    if backoff.jitter == "full":
        return 0.0, wait
    if backoff.jitter == "equal":
        return wait / 2, wait
    if backoff.jitter == "decorrelated":
        return backoff.initial, backoff.max or wait * 3
    return wait, wait
