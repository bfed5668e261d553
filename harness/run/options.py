"""What the command line adds to a scenario."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.scenario import Timeline

FAST_SCALE = 0.1
"""`--profile fast`: built-in clients run with a tenth of the guide's 10, 30 and 60 s (design, "Time in proportion")."""


Change = Callable[[Timeline], Timeline]
"""What is to be run instead of the scenario's own timeline."""


@dataclass(frozen=True, slots=True)
class Options:
    """Command line over scenario over integration; None or 0: not given. `profile` is fast or true.

    `expect_workers` come from other machines to Locust's master at `master_bind`, beside `workers` of our own.
    """

    integration: str | None = None
    target: str | None = None
    profile: str = "fast"
    seed: int | None = None
    workers: int = 0
    virtual: bool = False
    out: Path | None = None
    environment: str | None = None
    allow_targets: tuple[str, ...] = ()
    allow_writes: bool = False
    allow_destructive: bool = False
    control: bool = False
    expect_workers: int = 0
    master_bind: str = "127.0.0.1:5557"

    @property
    def scale(self) -> float:
        """The factor on durations of clients that are made from a policy."""
        return FAST_SCALE if self.profile == "fast" else 1.0
