"""Promises read from live objects, wherever a client keeps them, without calling the client."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pybreaker
import pytest
import stamina
import tenacity
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from policy_holders import Holder, read

from harness.errors import UsageError
from harness.integrations import REGISTRY, build
from harness.integrations.entry import Entry
from harness.policy import from_mapping, merge
from harness.policy.read import read_policy


def test_operations_with_retries_of_their_own_are_told_apart() -> None:
    """Different decorators on different calls come under `calls`; one on a single call names it."""

    class Client:
        @tenacity.retry(stop=tenacity.stop_after_attempt(2))
        def create_session(self) -> None: ...

        @tenacity.retry(stop=tenacity.stop_after_attempt(5))
        def get_predictions(self) -> None: ...

    class Adapter:
        def __init__(self) -> None:
            self.client = Client()

        def open_session(self, node_id: str) -> None: ...
        def observe(self, session_id: str, observation: Any) -> None: ...
        def predict(self, session_id: str) -> None: ...

    calls = read_policy(Adapter())["calls"]
    assert {op: own["retry"]["max_attempts"] for op, own in calls.items()} == {"open_session": 2, "predict": 5}


def test_what_objects_disagree_on_is_left_out() -> None:
    """Two clients with different read time-outs promise only what both do."""
    with httpx.Client(timeout=1) as one, httpx.Client(timeout=httpx.Timeout(1, read=9)) as other:
        assert read(one, other)["timeout"] == {"connect": 1.0, "write": 1.0, "pool": 1.0}


def test_inspect_takes_names_as_the_client_loaded_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`module:name` gives the object of the module that runs, also where it was loaded under another name."""
    path = tmp_path / "kato_settings.py"
    path.write_text("")
    module = ModuleType("loaded_otherwise")
    module.__file__ = str(path)
    module.breaker = pybreaker.CircuitBreaker(fail_max=9)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "loaded_otherwise", module)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert read("loaded_otherwise:breaker")["breaker"]["fail_max"] == 9
    assert read("kato_settings:breaker")["breaker"]["fail_max"] == 9
    with pytest.raises(UsageError, match="has no 'broken'"):
        read("kato_settings:broken")
    with pytest.raises(UsageError, match="no module 'kato_setings'"):
        read("kato_setings:breaker")


def test_a_client_that_refers_to_itself_is_walked_once() -> None:
    """Cycles end."""
    holder = Holder()
    vars(holder).update(me=holder, all=[holder])
    assert read_policy(holder) == {}


@contextmanager
def built(entry: Entry) -> Iterator[Any]:
    """A built-in client that leaves nothing behind: no thread that asks a registry, no instrumented library."""
    client = build(entry, "http://127.0.0.1:9", {"policy": entry.policy, "registry": "http://127.0.0.1:9"})
    yield client
    closing = getattr(client, "close", lambda: None)()
    if asyncio.iscoroutine(closing):
        asyncio.run(closing)
    if HTTPXClientInstrumentor().is_instrumented_by_opentelemetry:
        HTTPXClientInstrumentor().uninstrument()


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.parametrize("name", REGISTRY)
def test_what_is_read_from_built_ins_merges_into_a_promise(name: str) -> None:
    """Read keys fit the policy; of a corrected client nothing is read otherwise than declared."""
    entry = REGISTRY[name]
    with built(entry) as client:
        read_keys = read_policy(client)
    from_mapping(read_keys)
    promise = merge(entry.policy, read_keys, {})
    both = promise.declared.keys() & promise.read.keys()
    if not name.startswith("guide"):
        assert {key for key in both if promise.declared[key] != promise.read[key]} == set()


def test_findings_of_the_guides_clients() -> None:
    """Declared against read shows what the prose and the code disagree on."""
    pybreaker_entry, tenacity_entry = REGISTRY["guide-pybreaker"], REGISTRY["guide-tenacity"]
    breaker = read_policy(build(pybreaker_entry, "http://127.0.0.1:9", {"policy": pybreaker_entry.policy}))["breaker"]
    retry = read_policy(build(tenacity_entry, "http://127.0.0.1:9", {"policy": tenacity_entry.policy}))["retry"]
    assert "5xx" in pybreaker_entry.policy["breaker"]["counts"] and "5xx" not in breaker["counts"]
    assert (tenacity_entry.policy["retry"]["backoff"]["multiplier"], retry["backoff"]["multiplier"]) == (2.0, 1.0)


def at_the_top_of_a_module(**named: Any) -> Any:
    """A client whose methods use what stands at the top of its module."""
    module = ModuleType("somebodys")
    vars(module).update(named)
    source = """
class Client:
    def observe(self, session_id, observation):
        with breaker.calling():
            return http.post("/observe", json=observation)

    def predict(self, session_id):
        return again(self.send)
"""
    exec(source, vars(module))
    return module.Client()


def test_what_stands_at_the_top_of_the_clients_module_is_read() -> None:
    """What methods mention is theirs; a retry belongs to the operation that mentions it."""
    with httpx.Client(timeout=3.0) as http:
        breaker = pybreaker.CircuitBreaker(fail_max=7, reset_timeout=20)
        again = tenacity.Retrying(stop=tenacity.stop_after_attempt(4), reraise=True)
        policy = read_policy(at_the_top_of_a_module(http=http, breaker=breaker, again=again))
    assert policy["timeout"]["read"] == 3.0
    assert policy["breaker"]["fail_max"] == 7
    assert (policy["retry"]["max_attempts"], policy["retry"]["calls"]) == (4, ["predict"])


def test_a_retry_that_a_method_makes_is_noted_without_numbers() -> None:
    """Its settings are nowhere until it runs; a helper's may serve every operation."""

    class Client(Holder):
        async def predict(self, session_id: str) -> None:  # type: ignore[override]
            async for attempt in stamina.retry_context(on=OSError, attempts=3):
                with attempt:
                    break

    class Helped(Holder):
        def send(self) -> Any:
            return tenacity.Retrying(stop=tenacity.stop_after_attempt(3))(self.predict, "s")

    assert read_policy(Client()) == {"retrying": ["predict"]}
    assert read_policy(Helped())["retrying"] == ["observe", "predict"]
    assert "retrying" not in read_policy(Holder(retry=tenacity.Retrying()))


def test_what_no_method_mentions_is_not_read() -> None:
    """A module may hold other people's breakers too."""
    other = pybreaker.CircuitBreaker(fail_max=7)
    with httpx.Client() as http:
        breaker, again = pybreaker.CircuitBreaker(fail_max=5), tenacity.Retrying(reraise=True)
        policy = read_policy(at_the_top_of_a_module(http=http, breaker=breaker, again=again, other=other))
    assert policy["breaker"]["fail_max"] == 5


def test_what_is_read_for_one_operation_never_beats_what_is_declared_for_all() -> None:
    """Three attempts are promised; that its layers make nine is a finding, and no promise."""
    read_for_one = {"calls": {"predict": {"retry": {"max_attempts": 9, "on": ["reset"]}}}}
    promise = merge({"retry": {"max_attempts": 3}}, read_for_one, {})
    assert promise.policy.of("predict").retry.max_attempts == 3  # type: ignore[union-attr]
    assert promise.policy.of("predict").retry.on == ("reset",)  # type: ignore[union-attr]
