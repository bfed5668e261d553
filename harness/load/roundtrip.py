"""How far another host's monotonic clock is ahead of ours, from round trips (standard library only).

A message that left at t₁, was seen at t₂ on the other clock and whose answer came at t₃ says that t₂ was some moment
between: the offset is t₂ − (t₁+t₃)/2 within ±(t₃−t₁)/2, and the shortest trip says most (F. Cristian, "Probabilistic
clock synchronization", Distributed Computing 3, 1989; so does NTP's clock filter, RFC 5905, section 10).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Reading:
    """The other clock at `at_ns` (its own time) was ahead of ours by `offset_ns`, give or take `half_rtt_ns`."""

    at_ns: int
    offset_ns: int
    half_rtt_ns: int

    def row(self) -> dict[str, int]:
        """As a JSON row."""
        return asdict(self)


def reading(sent_ns: int, seen_ns: int, came_ns: int) -> Reading:
    """Of one round trip: sent and come back on our clock, seen on the other one."""
    return Reading(seen_ns, seen_ns - (sent_ns + came_ns) // 2, (came_ns - sent_ns + 1) // 2)


def best(readings: Iterable[Reading]) -> Reading:
    """That of the shortest trip."""
    return min(readings, key=lambda each: each.half_rtt_ns)
