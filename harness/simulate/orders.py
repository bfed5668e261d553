"""What a simulated process is told, out of its orders' plain JSON."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.model import Fault
from harness.twin.profiles import Profile, load_profile


def paths_of(order: Mapping[str, Any]) -> tuple[Path, Path]:
    """The witness's spool and the file of the fault rows, beside the generator's spool."""
    folder = Path(order["spool"]).parent
    return folder / "witness.raw", folder / "faults.jsonl"


def profile_of(order: Mapping[str, Any]) -> Profile:
    """The embedded KATO's service times."""
    return load_profile(str(order["profile"]))


def faults_of(start: Mapping[str, Any]) -> list[Fault]:
    """The planned faults."""
    return [Fault(**fault) for fault in start["faults"]]
