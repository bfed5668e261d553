"""What tests of time profiles share: one serial worker of 10 ms, and how long its requests took."""

from __future__ import annotations

from witness_rig import MS, Rig

from harness.twin.profiles import custom_profile

ONE = custom_profile({"service": "10ms", "workers": 1})


def service_ms(rig: Rig) -> list[float]:
    return [(row["reply_ns"] - row["arrive_ns"]) / MS for row in rig.arrivals()]
