"""The proof of lost and doubled observes (bench/observes.py), in small: the harness's count is KATO's own memory."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

BENCH = Path(__file__).resolve().parents[1] / "bench"


@pytest.fixture(scope="module")
def observes() -> ModuleType:
    """bench/observes.py as a module, its client beside it."""
    sys.path.insert(0, str(BENCH))
    try:
        spec = importlib.util.spec_from_file_location("observes", BENCH / "observes.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(BENCH))
    return module


def test_every_lost_and_doubled_observe_is_found_and_none_else(
    observes: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KATO_TRUTH", "")
    found = observes.measure(4000, 200.0, 2, False)
    assert found["commits"] == found["held"] > 3000
    for kind in ("lost", "doubled"):
        assert found[kind]["true"] > 10
        assert (found[kind]["precision"], found[kind]["recall"]) == (1.0, 1.0)
