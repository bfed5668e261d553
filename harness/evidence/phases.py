"""Which phase a call belongs to: that of its intended start (scenario.md, "Rules")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.evidence.table import Words
from harness.model import Span


def phases_of_calls(intended_ns: NDArray[np.int64], phases: Sequence[Span]) -> Words:
    """A category column with the phase of each time; '' outside all phases. Phases don't overlap."""
    names = ("", *dict.fromkeys(span.name for span in phases))
    codes: NDArray[Any] = np.zeros(len(intended_ns), np.int32)
    for span in phases:
        codes[(intended_ns >= span.start_ns) & (intended_ns < span.end_ns)] = names.index(span.name)
    return Words(codes, names)
