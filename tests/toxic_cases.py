"""The TCP faults of one table: every kind and direction, cleared in mid-exchange, and two at once."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

from harness.model import Fault

S = 1_000_000_000
SMALL, LARGE = 40, 2000


@dataclass(frozen=True, eq=False)
class Case:
    """One fault, met on a connection that was open before it or on a fresh one, and how long it lasts.

    `clear_s`: the fault ends so long after the request was sent; otherwise after the exchange. `more`: a second fault,
    from `more_s` on. `up` and `down` are the bytes of the request's and the reply's body, `close` asks the server to
    close, `slack_s` is what chance may add.
    """

    kind: str
    params: dict[str, Any] = field(default_factory=dict)
    pooled: bool = False
    clear_s: float = math.inf
    more: Fault | None = None
    more_s: float = math.inf
    up: int = SMALL
    down: int = SMALL
    close: bool = False
    slack_s: float = 0.0

    @property
    def name(self) -> str:
        params = ",".join(f"{key}={value}" for key, value in self.params.items())
        more = "" if (self.up, self.down) == (SMALL, SMALL) else f" {self.up} up {self.down} down"
        ends = "" if self.clear_s == math.inf else f" cleared after {self.clear_s:g}s"
        closes = " server closes" if self.close else ""
        other = f" and {self.more.kind} after {self.more_s:g}s" if self.more else ""
        return f"{self.kind}({params}) {'open' if self.pooled else 'fresh'}{more}{ends}{other}{closes}"

    @property
    def fault(self) -> Fault:
        return Fault("fault", self.kind, 0, S, self.params)


def _kinds() -> list[Case]:
    """Every kind and direction, with the sizes that tell its parameters apart."""
    cases = [
        Case("latency", {"latency": 0.15}),
        Case("latency", {"latency": 0.15, "direction": "upstream"}),
        Case("latency", {"latency": 0.1, "direction": "both"}),
        Case("latency", {"latency": 0.15, "jitter": 0.05}, slack_s=0.1),
        Case("latency", {"latency": 0.9}),
        Case("latency", {"latency": 0.9, "direction": "upstream"}),
        Case("latency", {"latency": 0.15}, close=True),
        Case("bandwidth", {"rate_kbps": 10}, down=LARGE),
        Case("bandwidth", {"rate_kbps": 10, "direction": "upstream"}, up=LARGE),
        Case("bandwidth", {"rate_kbps": 100}, down=3 * LARGE),
        Case("bandwidth", {"rate_kbps": 1}, down=LARGE),
        Case("bandwidth", {"rate_kbps": 10, "direction": "both"}, up=LARGE, down=LARGE),
        Case("slow_close", {"delay": 0.2}, close=True),
        Case("slow_close", {"delay": 0.2, "direction": "upstream"}),
        Case("slow_close", {"delay": 0.2, "direction": "both"}, close=True),
        Case("slicer", {"average_size": 100, "delay": 0.01}, down=LARGE),
        Case("slicer", {"average_size": 100, "delay": 0.01, "direction": "upstream"}, up=LARGE),
        Case("slicer", {"average_size": 100, "size_variation": 40, "delay": 0.01}, down=LARGE, slack_s=0.15),
        Case("slicer", {"average_size": 1, "delay": 0.001, "direction": "both"}, slack_s=0.3),
        Case("limit_data", {"bytes": 30}),
        Case("limit_data", {"bytes": 700}, down=LARGE),
        Case("limit_data", {"bytes": 0}),
        Case("limit_data", {"bytes": 3000}, down=LARGE),
        Case("limit_data", {"bytes": 30, "direction": "upstream"}),
        Case("limit_data", {"bytes": 700, "direction": "upstream"}, up=LARGE),
        Case("limit_data", {"bytes": 100_000, "direction": "both"}),
        Case("refuse"),
        Case("kill"),
        Case("pause"),
    ]
    for direction in ("downstream", "upstream", "both"):
        cases += [
            Case("timeout", {"direction": direction}),
            Case("timeout", {"timeout": 0.2, "direction": direction}),
            Case("timeout", {"timeout": 0.2, "direction": direction}, close=True),
            Case("reset_peer", {"direction": direction}),
            Case("reset_peer", {"timeout": 0.2, "direction": direction}),
        ]
    return cases


def _ended_in_mid_exchange() -> list[Case]:
    """The fault is cleared while it holds something back."""
    return [
        Case("latency", {"latency": 0.5}, clear_s=0.15),
        Case("latency", {"latency": 0.5, "direction": "upstream"}, clear_s=0.15),
        Case("bandwidth", {"rate_kbps": 5}, down=LARGE, clear_s=0.15),
        Case("bandwidth", {"rate_kbps": 5, "direction": "upstream"}, up=LARGE, clear_s=0.15),
        Case("slow_close", {"delay": 0.4}, close=True, clear_s=0.15),
        Case("slicer", {"average_size": 50, "delay": 0.01}, down=LARGE, clear_s=0.15),
        Case("limit_data", {"bytes": 700}, down=LARGE, clear_s=0.15),
        Case("timeout", {}, clear_s=0.15),
        Case("timeout", {"direction": "upstream"}, clear_s=0.15),
        Case("timeout", {"timeout": 0.4}, clear_s=0.15),
        Case("reset_peer", {"timeout": 0.4}, clear_s=0.15),
        Case("reset_peer", {"timeout": 0.4, "direction": "upstream"}, clear_s=0.15),
        Case("refuse", {}, clear_s=0.15),
        Case("kill", {}, clear_s=0.15),
        Case("pause", {}, clear_s=0.15),
    ]


def _two_at_once() -> list[Case]:
    """A second toxic in the same direction: from the beginning, or while the first one holds something back."""

    def two(kind: str, params: dict[str, Any], other: str, more_s: float, **more: Any) -> Case:
        sizes = {"down": LARGE} if kind in ("bandwidth", "slicer") or other == "bandwidth" else {}
        return Case(kind, params, more=Fault("more", other, 0, S, more), more_s=more_s, **sizes)

    return [
        two("latency", {"latency": 0.2}, "bandwidth", 0, rate_kbps=10),
        two("bandwidth", {"rate_kbps": 10}, "latency", 0, latency=0.2),
        two("latency", {"latency": 0.2}, "latency", 0, latency=0.15),
        two("slicer", {"average_size": 100, "delay": 0.01}, "limit_data", 0, bytes=700),
        two("latency", {"latency": 0.5}, "slow_close", 0.15, delay=0.1),
        two("bandwidth", {"rate_kbps": 5}, "latency", 0.15, latency=0.1),
        two("slicer", {"average_size": 50, "delay": 0.01}, "latency", 0.15, latency=0.1),
        two("timeout", {"timeout": 0.3}, "latency", 0.15, latency=0.1),
        two("reset_peer", {"timeout": 0.3}, "latency", 0.15, latency=0.1),
        two("latency", {"latency": 0.5}, "refuse", 0.15),
        two("latency", {"latency": 0.5}, "timeout", 0.15),
    ]


CASES = tuple(
    replace(case, pooled=pooled)
    for case in _kinds() + _ended_in_mid_exchange() + _two_at_once()
    for pooled in (False, True)
)
