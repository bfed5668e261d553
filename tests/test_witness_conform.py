"""The recorded cases over real sockets: the embedded KATO alone, and behind a forwarding witness."""

from __future__ import annotations

import pytest

from harness.conform import conform
from harness.twin.serve import serve_in_thread

pytestmark = pytest.mark.sockets


def test_the_embedded_kato_answers_every_case_as_recorded() -> None:
    """Status, headers' types and bodies, through the witness's own server."""
    with serve_in_thread() as kato:
        report = conform(kato.url)
        assert report.passed, report.render()
        assert kato.control({"do": "stats"})["errors"] == 0


def test_a_forwarding_witness_changes_no_answer() -> None:
    """The same cases, forwarded."""
    with serve_in_thread() as kato, serve_in_thread(target=kato.url) as witness:
        report = conform(witness.url)
        assert report.passed, report.render()
        assert witness.control({"do": "stats"})["errors"] == 0
