"""The proof of lost and doubled observes (bench/observes.py), in small: the harness's count is KATO's own memory."""

from __future__ import annotations

import importlib.util
import sys
import threading
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from harness.load.frame import CURRENT

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


def test_threads_share_the_clients_journal(
    observes: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A text file written by several threads loses lines and gains bytes of foreign memory (seen in a real run)."""
    monkeypatch.setenv("KATO_TRUTH", str(tmp_path / "truth"))
    fast = SimpleNamespace(observe=lambda *given: {}, close=lambda: None)
    client = sys.modules["retrying"].Retrying("http://kato", fast)
    known, each = sys.getswitchinterval(), 3000

    def work(first: int) -> None:
        for call in range(first, first + each):
            frame: Any = SimpleNamespace(call=call)
            CURRENT.set(frame)
            client.observe("s", {})

    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=work, args=(each * number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(known)
    client.close()
    told, held = sys.modules["retrying"].truth(str(tmp_path / "truth"))
    assert (sorted(told), held) == (list(range(8 * each)), [])
