"""Finding and making integrations: every mistake is named with its cure, and nothing of the client runs too early."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from textwrap import dedent

import pytest

from harness.errors import InvalidRun, UsageError
from harness.integrations import REGISTRY, build, is_async, resolve
from harness.policy import from_mapping

CLIENT = """
class Client:
    def __init__(self, base_url, scale=1.0):
        self.base_url, self.scale = base_url, scale
    def observe(self, session_id, observation):
        return {}
    def predict(self, session_id):
        return {}
    def close(self):
        pass

def make_client(base_url, *, seed):
    client = Client(base_url)
    client.seed = seed
    return client
"""


@pytest.fixture(autouse=True)
def clean_modules() -> Iterator[None]:
    before, path = set(sys.modules), list(sys.path)
    yield
    for name in set(sys.modules) - before:
        if not name.startswith(("harness", "encodings")):
            del sys.modules[name]
    sys.path[:] = path


def written(folder: Path, text: str, name: str = "client_under_test.py") -> Path:
    path = folder / name
    path.write_text(dedent(text))
    return path


def refused(use: str) -> str:
    with pytest.raises(UsageError) as caught:
        build(resolve(use), "http://kato", {})
    return str(caught.value)


def test_the_fixed_names_are_registered() -> None:
    """Scripts rely on these ten names (design, "Fixed names")."""
    patterns = ("httpx", "pybreaker", "tenacity", "requests")
    fixed = {f"{kind}-{name}" for kind in ("guide", "fixed") for name in patterns}
    assert fixed | {"reference", "fast"} <= set(REGISTRY)


@pytest.mark.parametrize("name", REGISTRY)
def test_each_entry_declares_a_policy_that_parses(name: str) -> None:
    """A built-in's declaration is a policy of the harness's own keys."""
    policy = from_mapping(REGISTRY[name].policy)
    assert policy.sessions == "one_per_user"
    assert REGISTRY[name].doc


def test_a_file_is_resolved_without_running_it(tmp_path: Path) -> None:
    """The parent only reads a client's file; its imports may be missing there."""
    path = written(tmp_path, "import nothing_like_this\n" + CLIENT)
    entry = resolve(f"{path}:Client")
    assert (entry.runtime, entry.factory) == ("threads", "Client")
    assert "needs nothing_like_this" in refused(f"{path}:Client")


def test_an_async_client_is_seen_in_its_source(tmp_path: Path) -> None:
    """A file whose clients observe in an async def runs on asyncio."""
    assert (
        resolve(f"{written(tmp_path, CLIENT.replace('def observe', 'async def observe'))}:Client").runtime == "asyncio"
    )


def test_a_factory_gets_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    """Of the context, the signature's names are passed."""
    path = written(tmp_path, CLIENT)
    context = {"headers": {}, "policy": None, "scale": 0.5, "seed": 7}
    assert build(resolve(f"{path}:Client"), "http://kato", context).scale == 0.5
    assert build(resolve(f"{path}:make_client"), "http://kato", context).seed == 7


def test_a_module_is_resolved_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`module:factory` imports the module where it is built."""
    written(tmp_path, CLIENT, "kato_client_module.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert build(resolve("kato_client_module:Client"), "http://kato", {}).base_url == "http://kato"


def test_an_entry_point_is_resolved_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other packages bring integrations by the entry-point group."""
    point = EntryPoint("acme", "acme.kato:make", "kato_harness.integrations")
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [point])
    entry = resolve("acme")
    assert (entry.module, entry.factory) == ("acme.kato", "make")


@pytest.mark.parametrize(
    ("use", "words"),
    [
        ("referense", "reference"),
        ("no_such_module_here:make", "no module 'no_such_module_here'"),
        ("folder/none.py:make", "none.py can't be read"),
    ],
)
def test_what_does_not_exist_is_named(use: str, words: str) -> None:
    """An unknown name, module or file is said so, with the nearest."""
    assert words in refused(use)


def test_a_file_near_the_missing_one_is_named(tmp_path: Path) -> None:
    """A misspelt file name is answered with the one that is there."""
    written(tmp_path, CLIENT, "kato_client.py")
    assert "nearest: kato_client.py" in refused(f"{tmp_path}/kato_cleint.py:Client")


ARGUMENTS = "class C:\n def __init__(self, u): ...\n"
WRONG = [
    (CLIENT, "Cleint", "nearest: Client"),
    ("def broken(:\n", "broken", "client_under_test.py:1:"),
    ("make = 3", "make", "is of type int, no factory"),
    ("def make(base_url): raise TypeError('no_such')", "make", "TypeError: no_such (client_under_test.py:1)"),
    ("x = {}['gone']\ndef make(base_url): ...", "make", "raised KeyError: 'gone' (client_under_test.py:1)"),
    ("def make(): ...", "make", "takes 0 positional arguments but 1 was given"),
    ("async def make(base_url): ...", "make", "make the factory a plain `def`"),
    (ARGUMENTS + " def observe_event(self, s, o): ...", "C", "rename observe_event"),
    (ARGUMENTS + " def observe(self, strings): ...", "C", "can't be called as observe(session_id, observation)"),
    (ARGUMENTS + " async def observe(self, s, o): ...\n def predict(self, s): ...", "C", "only observe of"),
]


@pytest.mark.parametrize(("text", "factory", "words"), WRONG, ids=lambda case: str(case)[-30:])
def test_what_is_wrong_with_a_client_is_named(tmp_path: Path, text: str, factory: str, words: str) -> None:
    """A factory or method that can't serve is refused with its file, line or signature."""
    assert words in refused(f"{written(tmp_path, text)}:{factory}")


def test_a_file_without_factory_lists_what_it_has(tmp_path: Path) -> None:
    """`client.py` alone is answered with the names to append."""
    assert "it has Client, make_client" in refused(str(written(tmp_path, CLIENT)))


def test_an_async_method_under_a_plain_decorator_is_async() -> None:
    """A sync breaker around `async def` still gives something to await."""
    pybreaker = pytest.importorskip("pybreaker")

    @pybreaker.CircuitBreaker()
    async def observe() -> int:
        return 3

    assert is_async(observe)
    assert asyncio.run(observe()) == 3


@pytest.mark.parametrize("raised", ["OSError(24, 'Too many open files')", "ImportError('no') from OSError(23, '')"])
def test_a_process_without_descriptors_is_no_mistake_of_the_clients(tmp_path: Path, raised: str) -> None:
    """EMFILE or ENFILE, also as the cause of what an import raises: the generator can offer no load."""
    path = tmp_path / "client.py"
    path.write_text(f"def make(base_url): ...\nraise {raised}\n")
    with pytest.raises(InvalidRun, match="no descriptor left"):
        build(resolve(f"{path}:make"), "http://kato", {})
