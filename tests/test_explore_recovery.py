"""A client that sustains its own overload, and its twin with a retry budget: the map tells them apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.laws.recovery_map import Cell
from harness.run.explore import keys_of
from harness.run.options import Options
from harness.run.recovery_map import Server, recovery_map

CLIENTS = Path(__file__).with_name("recovery_clients.py")


def mapped(factory: str, triggers: list[float], loads: list[float]) -> dict[tuple[float, float], Cell]:
    options = Options()
    keys = keys_of(f"{CLIENTS}:{factory}", options, None, 1)
    keys["integration"]["scale"] = 0.1
    cells = recovery_map(keys, options, Server(1, 0.05), "pause", triggers, loads, lambda words: None)
    return {(cell.trigger_s, cell.load): cell for cell in cells}


@pytest.mark.slow
def test_only_the_client_without_a_budget_is_metastable() -> None:
    """Re-tries double the load: 60 % is more than KATO carries then, half of it is not; 30 % never is."""
    eager = mapped("eager", [1.0, 5.0], [0.3, 0.6])
    assert {key: cell.state for key, cell in eager.items()} == {
        (1.0, 0.3): "returns", (1.0, 0.6): "metastable", (5.0, 0.3): "returns", (5.0, 0.6): "metastable",
    }  # fmt: skip
    budgeted = mapped("budgeted", [1.0, 5.0], [0.3, 0.6])
    assert {cell.state for cell in budgeted.values()} == {"returns"}


@pytest.mark.slow
def test_a_client_that_keeps_away_for_long_is_late_and_not_metastable() -> None:
    """It comes back while the load is halved, and just so while it is not."""
    (cell,) = mapped("sulking", [2.0], [0.3]).values()
    assert cell.state == "late"
    assert 30 < cell.back_s < 45
