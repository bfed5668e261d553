"""`init`: a client's source is enough to write an adapter that fits it."""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.adapt import adapter_text, guesses_of, read_client, scenario_text
from harness.errors import UsageError
from harness.scenario import load_scenario

URL = "http://127.0.0.1:1"
SEEN: dict[str, Any] = {"strings": ["a", "b"], "vectors": [], "emotives": {}}
ASKS = {
    "open": 'self.http.post("/sessions", json={"node_id": node})',
    "observe": 'self.http.post(f"/sessions/{sid}/observe", json=body)',
    "predict": 'self.http.get(f"/sessions/{sid}/predictions")',
}
numbers = itertools.count()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Somebody's repository as the current folder; what is imported from it is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def written(source: str, name: str, file: str = "") -> str:
    """The adapter of `source`, written into a file of its own."""
    path = Path(file or f"client_{next(numbers)}.py")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source)
    return adapter_text(read_client(f"{path}:{name}" if name else str(path)))


def made(source: str, name: str, file: str = "") -> Any:
    """The adapter of `source`, at work."""
    space: dict[str, Any] = {"__file__": str(Path("adapter.py").resolve())}
    exec(compile(written(source, name, file), "adapter.py", "exec"), space)
    return space["factory"](URL)


def calls(source: str, name: str = "Client") -> dict[str, str]:
    """The line that each method of the adapter ends with."""
    found, method = {}, ""
    for line in written(source, name).split("\n\n\ndef factory")[0].splitlines():
        method = line.split("def ")[1].split("(")[0] if "    def " in line or "async def " in line else method
        if "client." in line or "return" in line:
            found[method] = line.strip()
    return found


def test_pieces_of_an_observation_are_passed_by_name() -> None:
    """A client that takes strings, vectors and emotives apart gets them apart; a session in a mapping is unwrapped."""
    adapter = made(
        """
class KatoClient:
    def __init__(self, base_url, timeout=5):
        self.seen = []
    def create_session(self, node_id, config=None):
        return {"session_id": "s-" + node_id}
    def observe(self, session_id, strings, vectors=(), emotives=None):
        self.seen.append((session_id, strings))
        return {"status": "okay"}
    def get_predictions(self, session_id):
        return []
""",
        "KatoClient",
    )
    session = adapter.open_session("n-1")
    assert session == "s-n-1"
    assert adapter.observe(session, SEEN) == {"status": "okay"}
    assert adapter.client.seen == [("s-n-1", ["a", "b"])]
    assert adapter.predict(session) == []


def test_an_async_client_that_owns_its_sessions_is_told_the_url() -> None:
    """Without a URL parameter the attribute is set; without a create method there is no open_session."""
    adapter = made(
        """
class Kato:
    def __init__(self, namespace="default"):
        self.base_url = f"http://kato.{namespace}:8000"
    async def observe(self, user, observation):
        return (self.base_url, user, observation)
    async def recall(self, user):
        return []
""",
        "Kato",
    )
    assert not hasattr(adapter, "open_session")

    async def observed() -> Any:
        return await adapter.observe("user-1", SEEN)

    assert asyncio.run(observed()) == (URL, "user-1", SEEN)


def test_methods_are_told_by_the_endpoints_that_they_ask() -> None:
    """Names say nothing here; paths do, through private helpers and constants too."""
    found = calls(
        f"""
SESSIONS = "/sessions"
class Client:
    def __init__(self, base_url): ...
    def _ask(self, verb, path, body=None): ...
    def hello(self, node): return self._ask("POST", SESSIONS, {{"node_id": node}})["session_id"]
    def tell(self, sid, body): return {ASKS["observe"]}
    def tell_batch(self, sid, body): return {ASKS["observe"]}
    def wonder(self, sid): return self._wonder(sid)
    def _wonder(self, sid): return {ASKS["predict"]}
    def forget(self, sid): return self._ask("POST", f"/sessions/{{sid}}/clear-stm")
"""
    )
    assert found["observe"] == "return self.client.tell(sid=session_id, body=observation)"
    assert found["predict"] == "return self.client.wonder(sid=session_id)"


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("def observe(self, user: str, text: str)", 'user=session_id, text=" ".join(observation["strings"])'),
        ("def observe(self, sid, symbols: list[str])", 'sid=session_id, symbols=observation["strings"]'),
        ("def observe(self, sid, *symbols)", 'session_id, *observation["strings"]'),
        ("def observe(self, sid, **fields)", "sid=session_id, **observation"),
        ("def observe(self, sid, /, data: dict, strict=True)", "session_id, data=observation"),
        ("def observe(self, *, session: str, payload)", "session=session_id, payload=observation"),
        ("def observe(self, sid, batch: list[dict])", "sid=session_id, batch=[observation]"),
        ("def observe(self, sid, obs: Obs)", 'sid=session_id, obs=self.module.Obs(strings=observation["strings"])'),
        ("def observe(self, sid, obs: 'list[Obs]')", 'obs=[self.module.Obs(strings=observation["strings"])]'),
        ("def observe(self, user_message, user)", 'user_message=" ".join(observation["strings"]), user=session_id'),
    ],
)
def test_an_observation_takes_the_shape_that_the_method_wants(method: str, arguments: str) -> None:
    """Annotations, kinds of parameters and names decide between a mapping, a list, a text and a record."""
    source = f"""
from dataclasses import dataclass
@dataclass
class Obs:
    strings: list[str]
class Client:
    def __init__(self, base_url): ...
    {method}: ...
"""
    assert arguments in calls(source)["observe"]


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ('{"strings": thing}', 'observation["strings"]'),
        ('{"strings": [thing[:50]]}', '" ".join(observation["strings"])'),
        ('{"strings": thing.split()}', '" ".join(observation["strings"])'),
        ('{"strings": thing["strings"]}', "observation"),
        ('{"strings": [f"view:{thing}"]}', '" ".join(observation["strings"])'),
    ],
)
def test_what_becomes_of_a_parameter_tells_its_shape(body: str, value: str) -> None:
    """A nameless parameter is what the body makes of it under "strings"."""
    source = f"""
class Client:
    def __init__(self, base_url): ...
    def observe(self, user, thing): self.post("/observe", json={body})
"""
    assert calls(source)["observe"] == f"return self.client.observe(user=session_id, thing={value})"


@pytest.mark.parametrize(
    ("constructor", "line"),
    [
        ("def __init__(self, kato_url, api_key): ...", 'Client(kato_url=base_url, api_key="kato-harness")'),
        (
            "def __init__(self, host, port=8000): ...",
            "Client(host=urlsplit(base_url).hostname, port=urlsplit(base_url).port)",
        ),
        ("def __init__(self, host): self.base = f'http://{host}'", "Client(host=urlsplit(base_url).netloc)"),
        ("def __init__(self, where): ...", "Client(where=base_url)"),
        ("def __init__(self, http: httpx.Client): ...", "Client(http=httpx.Client(base_url=base_url, timeout=5))"),
        ("def __init__(self, config): self.u = config['url']", 'Client(config={"url": base_url})'),
        ("def __init__(self, cfg): self.u = cfg.base_url", "Client(cfg=types.SimpleNamespace(base_url=base_url))"),
        ("def __init__(self, settings: Settings): ...", "Client(settings=self.module.Settings(kato_url=base_url))"),
        ("def __init__(self): self.u = os.environ['KATO_URL']", 'os.environ["KATO_URL"] = base_url'),
        ("def __init__(self): self.u = os.getenv('KATO_HOST')", 'os.environ["KATO_HOST"] = base_url'),
        ("def __init__(self): self.u = KATO", "module.KATO = base_url"),
    ],
)
def test_the_address_reaches_the_client_however_it_takes_it(constructor: str, line: str) -> None:
    """A parameter, host and port, an HTTP client, settings, the environment, a constant."""
    source = f"""
import os, httpx
{"KATO = 'http://kato:8000'" if "KATO" in constructor and "environ" not in constructor else ""}
class Settings:
    def __init__(self, kato_url="http://kato:8000", timeout=2): ...
class Client:
    {constructor}
    def observe(self, sid, observation): ...
"""
    assert line in written(source, "Client")


def test_a_client_that_nothing_tells_the_address_is_refused_with_the_cure() -> None:
    """It would talk to whatever it has built in."""
    with pytest.raises(UsageError, match="takes KATO's address"):
        written("class Client:\n    def observe(self, sid, observation): ...\n", "Client")


def test_an_object_that_keeps_one_session_is_made_for_each_user() -> None:
    """Its observe takes no session; its constructor or its opening gets the user."""
    source = """
class Chat:
    made = []
    def __init__(self, user_id, base_url): self.made.append(user_id)
    def start_session(self): self.open = True
    def observe(self, observation): return self.open
    def close(self): self.made.clear()
"""
    adapter = made(source, "Chat")
    assert adapter.observe("ada", SEEN) and adapter.observe("ben", SEEN) and adapter.observe("ada", SEEN)
    assert adapter.module.Chat.made == ["nobody", "ada", "ben"]
    assert not hasattr(adapter, "open_session")


def test_a_client_is_entered_or_started_before_its_first_call() -> None:
    """An async context manager in the loop of its calls, a sync one when it is made; else `connect`."""
    body = """
class Client:
    log = []
    def __init__(self, base_url): ...
    {enter}
    {kind} observe(self, sid, observation): return list(self.log)
"""
    entered = made(
        body.format(kind="async def", enter="async def __aenter__(self): self.log.append('in'); return self"), "Client"
    )

    async def twice() -> Any:
        await entered.observe("a", SEEN)
        return await entered.observe("a", SEEN)

    assert asyncio.run(twice()) == ["in"]
    connect = "def connect(self): self.log.append('on')"
    started = made(body.format(kind="def", enter=connect), "Client")
    assert started.observe("a", SEEN) == ["on"]
    itself = body.replace("base_url): ...", "base_url): self._begin()")
    begun = made(itself.format(kind="def", enter=f"def _begin(self): self.connect()\n    {connect}"), "Client")
    assert begun.observe("a", SEEN) == ["on"]


def test_a_session_that_is_an_object_is_given_back_as_one() -> None:
    """Methods annotated with the class that opening gives get that object."""
    source = """
class Session:
    def __init__(self, key): self.key = key
class Client:
    def __init__(self, base_url): ...
    def open_session(self, node_id) -> Session: return Session(node_id)
    def observe(self, session: Session, observation): return session.key
"""
    adapter = made(source, "Client")
    assert adapter.observe(adapter.open_session("n"), SEEN) == "n"


@pytest.mark.parametrize("name", ["make", "shared", "Client", ""])
def test_a_function_an_object_a_class_and_a_file_of_functions_are_clients(name: str) -> None:
    """`FILE:NAME` for what makes or is a client, `FILE` for functions."""
    source = f"""
import os
URL = os.environ["KATO_URL"]
class Client:
    def __init__(self, base_url): self.base_url = base_url
    def observe(self, sid, observation): return self.base_url
def make(base_url: str) -> Client: return Client(base_url)
shared = Client(URL)
{"def observe(sid, observation): return URL" if not name else ""}
"""
    assert made(source, name).observe("s", SEEN) == URL


def test_packages_are_imported_from_above_them(folder: Path) -> None:
    """A `src` layout, bases and records in other files, relative imports, a package that hands its client on."""
    (folder / "src" / "shop").mkdir(parents=True)
    (folder / "src/shop/__init__.py").write_text("from shop.kato import Client\n")
    (folder / "src/shop/base.py").write_text(
        "class Base:\n    def __init__(self, url): self.url = url\n"
        "    def send(self, who, text: str): return self.url, who, text\n"
    )
    method = "    def observe(self, user, text: str): return self.send(user, text)\n"
    source = f"from .base import Base\nclass Client(Base):\n{method}"
    assert made(source, "Client", "src/shop/kato.py").observe("u", SEEN) == (URL, "u", "a b")
    assert 'module = importlib.import_module("shop")' in adapter_text(read_client("src/shop/__init__.py:Client"))


def test_what_is_guessed_is_said() -> None:
    """A parameter that nothing tells the value of is filled, and named in the adapter."""
    method = "    def observe(self, sid, observation, flag: bool): ...\n"
    Path("guessed.py").write_text(f"class Client:\n    def __init__(self, base_url, region): ...\n{method}")
    client = read_client("guessed.py:Client")
    assert guesses_of(client) == ("Client(region)", "observe(flag)")
    assert "look at it: observe(flag)" in adapter_text(client)


def test_the_scenario_it_writes_is_valid() -> None:
    """What `init` writes passes the scenario reader."""
    Path("client.py").write_text("class K:\n    def __init__(self, url): ...\n    def observe(self, sid, data): ...\n")
    scenario = load_scenario("x.yaml", text=scenario_text(read_client("client.py:K"), Path("adapter.py")))
    assert [fault.kind for fault in scenario.faults] == ["commit_then_drop", "status", "refuse"]


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("client.py", "names no client"),
        ("missing.py:X", "can't be read"),
        ("client.py:Other", "has no Other"),
        ("client.py:Empty", "no method that observes"),
        ("broken.py:X", "broken.py:1"),
    ],
)
def test_a_wrong_client_is_named_with_what_there_is(place: str, words: str) -> None:
    """Missing file, missing class and a class that observes nothing each say so."""
    Path("client.py").write_text("class Empty:\n    def ping(self): pass\n")
    Path("broken.py").write_text("class (\n")
    with pytest.raises(UsageError, match=words):
        adapter_text(read_client(place))
