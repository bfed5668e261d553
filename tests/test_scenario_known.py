"""`accept` writes into the scenario file what the reader takes from it."""

from __future__ import annotations

import datetime
from pathlib import Path

from harness.scenario import load_scenario
from harness.scenario.known import add_known

TEXT = """format: kato-harness/1
question: Does it hold?  # the one that matters
load: {rate: 20/s, duration: 30s}
faults:
  # refused for a while
  - {name: outage, kind: refuse, at: 10s, for: 8s}
"""


def test_an_accepted_failure_is_read_back_and_comments_stay(tmp_path: Path) -> None:
    """The entry is there once, with its date, also when it is accepted twice."""
    path = tmp_path / "s.yaml"
    path.write_text(TEXT)
    for until in ("2027-01-01", "2027-02-01"):
        add_known(path, {"law": "D2", "reason": "retry after time-out", "owner": "ana", "until": until})
    (known,) = load_scenario(path).known
    assert (known.law, known.until, known.owner) == ("D2", datetime.date(2027, 2, 1), "ana")
    assert "# the one that matters" in path.read_text()
    assert "# refused for a while" in path.read_text()
