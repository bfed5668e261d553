"""Where a call's time went: its parts add up, and whose the most is follows from them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from report_runs import demo_run

from harness.report.whereabouts import Whereabouts, logged_errors, said, whereabouts


def test_the_parts_add_up_to_the_mean_response_time() -> None:
    """Queueing, dispatch, KATO and elsewhere are all there is of a call that ended."""
    history = demo_run(stretch=0.4).history
    found = whereabouts(history)
    assert found is not None
    ended = (history.calls["start_ns"] > 0) & (history.calls["end_ns"] > 0)
    mean_s = float((history.calls["end_ns"] - history.calls["intended_ns"])[ended].mean()) / 1e9
    assert found.queueing_s + found.dispatch_s + found.kato_s + found.elsewhere_s == pytest.approx(mean_s, rel=0.01)
    assert "at KATO (" in said(found)


def test_waiting_for_a_previous_call_is_whose_that_call_was() -> None:
    """2 s behind calls that KATO has for 300 ms each are KATO's; a generator's own delay is its own."""
    slow = Whereabouts(queueing_s=2.0, dispatch_s=0.1, kato_s=0.3, elsewhere_s=0.01, in_hand=20)
    assert slow.most == "KATO"
    assert replace(slow, kato_s=0.01, elsewhere_s=0.3).most == "client and network"
    assert replace(slow, queueing_s=0.0, dispatch_s=0.5).most == "the generator"


def test_without_a_witness_nothing_is_said() -> None:
    """A KATO at a URL without one gives no arrivals."""
    run = demo_run(stretch=0.4)
    none = run.history.arrivals.where(run.history.arrivals["arrive_ns"] < 0)
    assert said(whereabouts(replace(run.history, arrivals=none))) == ""


def test_lines_of_logs_that_name_an_error_are_counted(tmp_path: Path) -> None:
    """By file; a log without one is not named."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "server.log").write_text("INFO up\nERROR store gone\nTraceback (most recent call last):\n")
    (tmp_path / "logs" / "generator-0.log").write_text("no error here\n")
    assert logged_errors(tmp_path) == "2 lines of server.log"
    (tmp_path / "logs" / "server.log").unlink()
    assert logged_errors(tmp_path) == "none in 1 log"
