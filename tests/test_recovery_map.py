"""The map of recovery: what a cell is, and how it is shown."""

from __future__ import annotations

import json

import numpy as np
import pytest

from harness.evidence.history import History, table
from harness.laws.case import Case
from harness.laws.recovery_map import Cell, after_halving, after_trigger, by_itself
from harness.model import Span
from harness.policy import Policy, Promise
from harness.report.recovery_map import page, plain, text

SECOND = 1_000_000_000
RATE = 10


def case(bad: tuple[tuple[int, int], ...], length_s: int = 60) -> Case:
    """Ten calls a second; those within `bad` [from, to) seconds fail. A fault acts from 10 to 15 s."""
    starts = np.arange(length_s * RATE) * (SECOND // RATE)
    failed = np.array([any(a * SECOND <= at < b * SECOND for a, b in bad) for at in starts])
    rows = {
        "call": np.arange(len(starts)) + 1,
        "op": ["observe"] * len(starts),
        "intended_ns": starts,
        "start_ns": starts,
        "end_ns": starts + 20_000_000,
        "outcome": np.where(failed, "timeout", "ok").tolist(),
        "phase": np.where(starts < 10 * SECOND, "baseline", "recovery").tolist(),
    }
    spans = (Span("baseline", 0, 10 * SECOND), Span("recovery", 10 * SECOND, length_s * SECOND))
    return Case(History(calls=table("calls", rows), phases=spans), Promise(Policy()))


def test_a_client_that_comes_back_returns_and_says_when() -> None:
    assert after_trigger(case(((10, 20),)), 15 * SECOND, 60 * SECOND) == ("returns", pytest.approx(5.0, abs=1.0))


def test_a_client_that_is_broken_at_the_end_stays_so() -> None:
    assert after_trigger(case(((10, 60),)), 15 * SECOND, 60 * SECOND)[0] == "stays"


def test_a_client_that_came_back_and_broke_again_did_not_return() -> None:
    assert after_trigger(case(((10, 20), (40, 60))), 15 * SECOND, 60 * SECOND)[0] == "stays"


def test_a_load_that_was_not_fine_before_is_no_load_for_the_map() -> None:
    assert after_trigger(case(((2, 5), (10, 60))), 15 * SECOND, 60 * SECOND)[0] == "overloaded"


def test_after_the_load_was_halved_the_end_decides() -> None:
    assert after_halving(case(((10, 45),)), 40 * SECOND, 60 * SECOND) == "metastable"
    assert after_halving(case(((10, 60),)), 40 * SECOND, 60 * SECOND) == "damaged"


def test_a_client_that_comes_back_late_by_itself_needed_no_halving() -> None:
    """Time did it: nothing sustains itself there."""
    stuck = Cell(1.0, 0.6, "stays")
    assert by_itself(stuck, case(((10, 45),)), 15 * SECOND, 60 * SECOND) == Cell(
        1.0, 0.6, "late", pytest.approx(30.0, abs=1.0)
    )
    assert by_itself(stuck, case(((10, 60),)), 15 * SECOND, 60 * SECOND) is stuck


CELLS = [
    Cell(1.0, 0.5, "returns", 3.0),
    Cell(1.0, 0.95, "metastable"),
    Cell(60.0, 0.5, "damaged"),
    Cell(60.0, 0.95, "overloaded"),
]


def test_the_map_has_a_row_a_trigger_and_explains_its_words() -> None:
    lines = text(CELLS).splitlines()
    assert lines[0].split() == ["trigger", "50%", "95%"]
    assert lines[1].split() == ["1", "s", "returns", "in", "3", "s", "metastable"]
    assert any(line.startswith("metastable: ") for line in lines)


def test_the_map_is_json_and_a_page_without_anything_from_elsewhere() -> None:
    assert json.loads(json.dumps(plain(CELLS)))[1] == {
        "trigger_s": 1.0,
        "load": 0.95,
        "state": "metastable",
        "back_s": None,
    }
    shown = page("Recovery of <client>", CELLS)
    assert "&lt;client&gt;" in shown and "http" not in shown and shown.count("<td") == 4
