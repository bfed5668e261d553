"""The embedded KATO answers as the real one was recorded."""

from __future__ import annotations

import pytest
from kato_direct import Clock, new_kato, sender

from harness.conform import Case, load_cases, replay


@pytest.mark.parametrize("case", load_cases(), ids=lambda case: case.name)
def test_every_recorded_case_is_answered_as_recorded(case: Case) -> None:
    """Status, content type and every value that the requests decide are those of KATO 3.10.1."""
    clock = Clock()
    rows = list(replay([case], sender(new_kato(clock)), clock.sleep))
    assert len(rows) == len(case.steps)
    assert [(row.endpoint, row.differences) for row in rows if not row.passed] == []
