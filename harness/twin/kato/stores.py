"""The stores behind KATO and what goes wrong with them (contract, section 7).

Each of Redis, ClickHouse and Qdrant is `up` or in one of the states of FAULTS. `restarted_empty` is an event: the store
is up again and holds nothing. ClickHouse and Qdrant block the worker while they are asked; Redis keeps only the request
waiting, which ends unhandled if its client goes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from harness.errors import UsageError
from harness.twin.kato.messages import CrashError

NAMES = ("redis", "clickhouse", "qdrant")
FAULTS = ("refused", "hung", "slow", "error", "restarted_empty")
TIMEOUTS_S: Mapping[str, float] = {"clickhouse": 30.0, "qdrant": 10.0}
"""When KATO gives up on a store that doesn't answer; on Redis it never does."""

STORM_S = 1.2
"""How long KATO recurses over a query of one symbol that fails at once, before it gives up."""


class FrozenError(CrashError):
    """The worker hangs for as long as the stores are as they are; nothing of the request has happened."""


class Stores:
    """The state of the stores. `spent` is how long the request in hand has kept the worker busy with them (s)."""

    def __init__(self, emptied: Mapping[str, Callable[[], None]]) -> None:
        self._emptied = emptied
        self._states = dict.fromkeys(NAMES, "up")
        self._seconds = dict.fromkeys(NAMES, 0.0)
        self.all_up = True
        self.spent = 0.0

    def set(self, name: str, state: str, seconds: float = 0.0) -> None:
        """Put a store into a state; `seconds` is what each request to a slow one takes longer.

        Raises UsageError for a store or a state that doesn't exist.
        """
        if name not in NAMES:
            raise UsageError(f"KATO has no store {name!r}", f"name one of {', '.join(NAMES)}")
        if state not in ("up", *FAULTS):
            raise UsageError(f"a store can't be {state!r}", f"name up or one of {', '.join(FAULTS)}")
        if state == "restarted_empty":
            self._emptied[name]()
            state = "up"
        self._states[name] = state
        self._seconds[name] = seconds if state == "slow" else 0.0
        self.all_up = all(each == "up" for each in self._states.values())

    def state(self, name: str) -> str:
        """`up`, or what is wrong with the store."""
        return self._states[name]

    def ask(self, name: str, requests: int = 1) -> bool:
        """Whether ClickHouse or Qdrant answers these requests; counts the time it takes, or that KATO waits in vain."""
        state = self._states[name]
        if state == "up":
            return True
        limit = TIMEOUTS_S[name]
        if state == "slow" and self._seconds[name] < limit:
            self.spent += requests * self._seconds[name]
            return True
        if state in ("slow", "hung"):
            self.spent += limit
        return False

    def redis_wait(self, trips: int) -> float:
        """How long a request that goes to Redis so often waits for it (s); math.inf while Redis hangs."""
        return math.inf if trips and self._states["redis"] == "hung" else trips * self._seconds["redis"]

    @property
    def redis_fails(self) -> bool:
        """Redis refuses or answers with errors."""
        return self._states["redis"] in ("refused", "error")
