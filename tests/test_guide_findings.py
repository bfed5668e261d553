"""The integration guide's defects are named by law: `make findings` runs them all, here is what needs no run."""

from __future__ import annotations

import pytest

from harness.laws import LAWS
from tests.clients.findings import DEFECTS, STATIC, audited, judged, rows

CARRIED = {1, 2, 3, 4, 5, 7, 8, 9, 10, 12, 25, 27, 28, 29, 30}
"""The findings that a client can carry."""


def test_every_finding_that_a_client_can_carry_has_its_law() -> None:
    """Each once at least; laws are laws."""
    assert {defect.number for defect in DEFECTS} | set(STATIC) == CARRIED
    assert {law for defect in DEFECTS for law in defect.laws} <= set(LAWS)


def test_what_shows_without_running_is_told_by_the_audit() -> None:
    """Findings 1, 12 and 30."""
    assert all(reason and where.startswith("client.py:") for reason, where in audited().values())


def test_a_client_of_the_guide_is_failed_with_a_witness() -> None:
    """Finding 29: `message_processed: True`, and nothing was committed."""
    chatbot = [defect for defect in DEFECTS if defect.number == 29]
    (verdicts,) = judged(chatbot).values()
    assert verdicts["F2"].status == "fail" and verdicts["F2"].witnesses


@pytest.mark.slow
def test_every_finding_is_named() -> None:
    """All of them, as the page shows them."""
    assert all(row[4] for row in rows())
