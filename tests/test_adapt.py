"""`init`: a client's source is enough to write an adapter that fits it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.adapt import adapter_text, read_client, scenario_text
from harness.errors import UsageError
from harness.scenario import load_scenario

SYNC = """
class KatoClient:
    def __init__(self, base_url, timeout=5):
        self.base_url = base_url
        self.seen = []
    def create_session(self, node_id, config=None):
        return {"session_id": "s-" + node_id}
    def observe(self, session_id, strings, vectors=(), emotives=None):
        self.seen.append((session_id, strings))
        return {"status": "okay"}
    def get_predictions(self, session_id):
        return []
"""

ASYNC = """
class Kato:
    def __init__(self, namespace="default"):
        self.base_url = f"http://kato.{namespace}:8000"
    async def observe(self, user, observation):
        return (self.base_url, user, observation)
    async def recall(self, user):
        return []
    async def aclose(self):
        pass
"""


def _adapter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, name: str) -> Any:
    monkeypatch.chdir(tmp_path)
    Path("client.py").write_text(source)
    path = tmp_path / "adapter.py"
    path.write_text(adapter_text(read_client(f"client.py:{name}")))
    space: dict[str, Any] = {"__file__": str(path)}
    exec(compile(path.read_text(), str(path), "exec"), space)
    return space["factory"]("http://127.0.0.1:1")


def test_pieces_of_an_observation_are_passed_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that takes strings, vectors and emotives apart gets them apart; a session in a mapping is unwrapped."""
    adapter = _adapter(tmp_path, monkeypatch, SYNC, "KatoClient")
    session = adapter.open_session("n-1")
    assert session == "s-n-1"
    assert adapter.observe(session, {"strings": ["a"], "vectors": [], "emotives": {}}) == {"status": "okay"}
    assert adapter.client.seen == [("s-n-1", ["a"])]
    assert adapter.predict(session) == []


async def _observed(adapter: Any) -> Any:
    return await adapter.observe("user-1", {"strings": ["a"]})


def test_an_async_client_that_owns_its_sessions_is_told_the_url(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a URL parameter the attribute is set; without a create method there is no open_session."""
    import asyncio

    adapter = _adapter(tmp_path, monkeypatch, ASYNC, "Kato")
    assert not hasattr(adapter, "open_session")
    assert asyncio.run(_observed(adapter)) == ("http://127.0.0.1:1", "user-1", {"strings": ["a"]})


def test_the_scenario_it_writes_is_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `init` writes passes the scenario reader."""
    monkeypatch.chdir(tmp_path)
    Path("client.py").write_text(SYNC)
    scenario = load_scenario("x.yaml", text=scenario_text(read_client("client.py:KatoClient"), Path("adapter.py")))
    assert [fault.kind for fault in scenario.faults] == ["commit_then_drop", "status", "refuse"]


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("client.py", "names no class"),
        ("missing.py:X", "can't be read"),
        ("client.py:Other", "has no class Other"),
        ("client.py:Empty", "no method that observes"),
    ],
)
def test_a_wrong_client_is_named_with_what_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, words: str
) -> None:
    """Missing file, missing class and a class that observes nothing each say so."""
    monkeypatch.chdir(tmp_path)
    Path("client.py").write_text(SYNC + "\nclass Empty:\n    def ping(self): pass\n")
    with pytest.raises(UsageError, match=words):
        read_client(place)
