"""Promises read from live objects, whatever library made them, without calling the client."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import aiobreaker
import aiohttp
import circuitbreaker
import httpx
import pybreaker
import pytest
import requests
import stamina
import tenacity
import urllib3
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from requests.adapters import HTTPAdapter

from harness.errors import UsageError
from harness.integrations import REGISTRY, build
from harness.integrations.entry import Entry
from harness.policy import from_mapping, merge
from harness.policy.read import breakers_of, read_policy


class Holder:
    """A client that holds what the test gives it."""

    def __init__(self, **held: Any) -> None:
        vars(self).update(held)

    def observe(self, session_id: str, observation: dict[str, Any]) -> None: ...

    def predict(self, session_id: str) -> None: ...


def client_with(decorate: Any) -> Any:
    """A client class whose two calls are decorated."""

    class Client:
        @decorate
        def observe(self, session_id: str, observation: dict[str, Any]) -> None: ...

        @decorate
        def predict(self, session_id: str) -> None: ...

    return Client()


def read(*inspect: Any) -> dict[str, Any]:
    return read_policy(Holder(), inspect)


def test_httpx_defaults_are_read() -> None:
    """An httpx.Client that was told nothing waits five seconds for each step."""
    with httpx.Client() as client:
        assert read(client)["timeout"] == {"connect": 5.0, "read": 5.0, "write": 5.0, "pool": 5.0}
        assert read(client)["limits"] == {"max_connections": 100}


def test_httpx_steps_limits_and_transport_retries_are_read() -> None:
    """Each step for itself, None left out; the transport's retries are attempts on connecting."""
    transport = httpx.HTTPTransport(retries=2, limits=httpx.Limits(max_connections=7))
    with httpx.Client(transport=transport, timeout=httpx.Timeout(1, read=None)) as client:
        policy = read(client)
    assert policy["timeout"] == {"connect": 1.0, "write": 1.0, "pool": 1.0}
    assert policy["limits"] == {"max_connections": 7}
    assert (policy["retry"]["max_attempts"], policy["retry"]["on"]) == (3, ["connect_error", "connect_timeout"])


def test_a_requests_session_promises_no_timeout() -> None:
    """requests waits for ever, and its adapters retry nothing unless told."""
    with requests.Session() as session:
        assert read(session) == {}


def test_a_requests_adapter_with_retries_and_timeout_is_read() -> None:
    """urllib3's Retry on an adapter, and the adapter that carries a time-out, as many have it."""

    class TimeoutAdapter(HTTPAdapter):
        def __init__(self, timeout: tuple[float, float], **more: Any) -> None:
            self.timeout = timeout
            super().__init__(**more)

    retry = urllib3.Retry(2, status_forcelist=[503], backoff_factor=0.25, backoff_max=4)
    with requests.Session() as session:
        session.mount("http://", TimeoutAdapter((1, 2), max_retries=retry))
        policy = read(session)
    assert policy["timeout"] == {"connect": 1.0, "read": 2.0}
    reads, writes = (policy["calls"][op]["retry"] for op in ("predict", "observe"))
    assert (reads["max_attempts"], reads["retry_after"]) == (3, "honour")
    assert {"connect_error", "connect_timeout", "read_timeout", "429", "503"} <= set(reads["on"])
    assert reads["backoff"] == {"initial": 0.5, "multiplier": 2.0, "jitter": "full", "max": 4.0}
    assert writes["on"] == ["connect_error", "connect_timeout"]


def test_what_urllib3_draws_at_random_is_part_of_its_wait() -> None:
    """backoff_jitter comes on top of factor · 2^(n−1)."""
    retry = urllib3.Retry(2, connect=0, backoff_factor=0.2, backoff_jitter=0.1, allowed_methods=["GET"])
    with requests.Session() as session:
        session.mount("http://", HTTPAdapter(max_retries=retry))
        policy = read(session)
    assert policy["retry"]["backoff"]["initial"] == 0.5
    assert policy["retry"]["calls"] == ["predict"]


def test_a_pool_manager_retries_three_times_unless_told() -> None:
    """urllib3's default is three re-tries, but not of POST."""
    with urllib3.PoolManager(timeout=urllib3.Timeout(connect=1, read=2)) as pool:
        policy = read(pool)
    assert policy["timeout"] == {"connect": 1.0, "read": 2.0}
    assert {op: own["retry"]["max_attempts"] for op, own in policy["calls"].items()} == {"observe": 4, "predict": 4}
    assert policy["calls"]["observe"]["retry"]["on"] == ["connect_error", "connect_timeout"]
    with urllib3.PoolManager(retries=False, timeout=3) as pool:
        assert read(pool) == {"timeout": {"connect": 3.0, "read": 3.0}}


def test_aiohttp_timeouts_are_read() -> None:
    """aiohttp has a total, five minutes by default."""

    async def policies() -> tuple[dict[str, Any], dict[str, Any]]:
        timeout = aiohttp.ClientTimeout(total=4, sock_connect=1, sock_read=2)
        async with aiohttp.ClientSession() as plain, aiohttp.ClientSession(timeout=timeout) as told:
            return read(plain), read(told)

    plain, told = asyncio.run(policies())
    assert plain["timeout"]["total"] == 300.0
    assert told == {"timeout": {"connect": 1.0, "read": 2.0, "total": 4.0}, "limits": {"max_connections": 100}}


def retry_of(**settings: Any) -> dict[str, Any]:
    return read_policy(client_with(tenacity.retry(**settings)))["retry"]  # type: ignore[no-any-return]


def test_tenacitys_decorator_is_read_through_the_method() -> None:
    """Stop, wait, retry and reraise, for the operations that carry the decorator."""
    retry = retry_of(
        stop=tenacity.stop_after_attempt(4) | tenacity.stop_after_delay(30),
        wait=tenacity.wait_exponential(multiplier=1, max=10),
        retry=tenacity.retry_if_exception_type((httpx.ConnectError, httpx.TimeoutException)),
        reraise=True,
    )
    assert retry == {
        "max_attempts": 4,
        "on": ["timeout", "connect_error", "pool_timeout"],
        "reraise": True,
        "backoff": {"initial": 1.0, "multiplier": 2.0, "jitter": "none", "max": 10.0},
        "calls": ["observe", "predict"],
    }


WAITS: list[tuple[Any, dict[str, Any]]] = [
    (tenacity.wait_fixed(2), {"initial": 2.0, "multiplier": 1.0, "jitter": "none"}),
    (tenacity.wait_fixed(timedelta(seconds=2)), {"initial": 2.0, "multiplier": 1.0, "jitter": "none"}),
    (
        tenacity.wait_exponential(multiplier=1, min=2, max=10),
        {"initial": 2.0, "multiplier": 1.0, "jitter": "none", "max": 10.0},
    ),
    (
        tenacity.wait_random_exponential(multiplier=0.5, max=8),
        {"initial": 0.5, "multiplier": 2.0, "jitter": "full", "max": 8.0},
    ),
    (
        tenacity.wait_exponential_jitter(initial=1, max=9, jitter=0.5),
        {"initial": 1.5, "multiplier": 2.0, "jitter": "full", "max": 9.0},
    ),
    (tenacity.wait_random(0, 3), {"initial": 3.0, "multiplier": 1.0, "jitter": "full"}),
    (tenacity.wait_fixed(1) + tenacity.wait_random(0, 2), {"initial": 3.0, "multiplier": 1.0, "jitter": "full"}),
    (tenacity.wait_none(), {"initial": 0.0, "multiplier": 1.0, "jitter": "none"}),
    (
        tenacity.wait_chain(tenacity.wait_fixed(1), tenacity.wait_fixed(3)),
        {"initial": 1.0, "multiplier": 3.0, "jitter": "none"},
    ),
]


@pytest.mark.parametrize(("wait", "backoff"), WAITS, ids=lambda case: type(case).__name__)
def test_every_wait_of_tenacity_becomes_a_backoff(wait: Any, backoff: dict[str, Any]) -> None:
    """The waits that can come in three attempts: 2 s and 2 s of the guide's exponential are no growth."""
    assert retry_of(stop=tenacity.stop_after_attempt(3), wait=wait)["backoff"] == backoff


def test_a_predicate_is_not_guessed() -> None:
    """What a retry on a predicate repeats only running it would tell; the client is not called."""

    def predicate(error: BaseException) -> bool:
        raise AssertionError("called")

    assert "on" not in retry_of(retry=tenacity.retry_if_exception(predicate))


def test_retry_on_everything_but_some_is_the_rest() -> None:
    """retry_if_not_exception_type leaves out what it names."""
    words = retry_of(retry=tenacity.retry_if_not_exception_type(httpx.HTTPStatusError))["on"]
    assert {"connect_error", "timeout", "client_bug"} <= set(words)


def test_staminas_decorator_is_read() -> None:
    """stamina keeps its settings in the wrapper's closure."""
    policy = read_policy(
        client_with(stamina.retry(on=httpx.ReadTimeout, attempts=5, wait_initial=0.2, wait_max=3, wait_jitter=0.3))
    )
    assert policy["retry"] == {
        "max_attempts": 5,
        "on": ["read_timeout"],
        "reraise": True,
        "backoff": {"initial": 0.5, "multiplier": 2.0, "jitter": "full", "max": 3.0},
        "calls": ["observe", "predict"],
    }


def test_the_guides_breaker_is_read_with_what_it_excludes() -> None:
    """HTTPStatusError excluded: statuses are not counted, all else is."""
    breaker = pybreaker.CircuitBreaker(fail_max=5, reset_timeout=60, exclude=[httpx.HTTPStatusError])
    found = read_policy(client_with(breaker))["breaker"]
    assert (found["fail_max"], found["reset_timeout"], found["success_threshold"]) == (5, 60.0, 1)
    assert "timeout" in found["counts"] and not {"4xx", "5xx"} & set(found["counts"])


def test_aiobreaker_and_circuitbreaker_are_read() -> None:
    """Their own names for the same settings; circuitbreaker counts what it expects."""
    asynchronous = aiobreaker.CircuitBreaker(fail_max=3, timeout_duration=timedelta(seconds=20))
    assert {"fail_max": 3, "reset_timeout": 20.0}.items() <= read_policy(client_with(asynchronous))["breaker"].items()
    third = circuitbreaker.CircuitBreaker(
        failure_threshold=4, recovery_timeout=30, expected_exception=httpx.ConnectError
    )
    assert read_policy(client_with(third))["breaker"] == {
        "fail_max": 4,
        "reset_timeout": 30.0,
        "counts": ["connect_error"],
    }


def test_a_hand_written_breaker_is_known_by_its_names() -> None:
    """A class called a breaker with a threshold and a time is one."""

    class KatoBreaker:
        def __init__(self) -> None:
            self.max_failures = 6
            self.open_seconds = 12

    breaker = KatoBreaker()
    assert read(breaker)["breaker"] == {"fail_max": 6, "reset_timeout": 12.0}
    assert breakers_of(Holder(guard=breaker)) == (breaker,)


def test_composition_is_read_from_the_order_of_decorators() -> None:
    """retry(breaker()) and breaker(retry()) promise different things."""
    breaker = pybreaker.CircuitBreaker()
    retry = tenacity.retry(stop=tenacity.stop_after_attempt(3))
    assert read_policy(client_with(lambda f: retry(breaker(f))))["composition"] == "retry(breaker)"
    assert read_policy(client_with(lambda f: breaker(retry(f))))["composition"] == "breaker(retry)"


def test_layers_of_retries_multiply() -> None:
    """Three attempts of tenacity over a transport that connects twice are six."""
    with httpx.Client(transport=httpx.HTTPTransport(retries=1)) as client:
        decorated = client_with(tenacity.retry(stop=tenacity.stop_after_attempt(3)))
        decorated.client = client
        assert read_policy(decorated)["retry"]["max_attempts"] == 6


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


def test_a_pool_that_does_not_block_is_no_limit() -> None:
    """urllib3 opens more connections than its pool keeps, unless it is told to block."""
    with urllib3.PoolManager(maxsize=3, retries=False) as loose:
        assert "limits" not in read(loose)
    with urllib3.PoolManager(maxsize=3, block=True, retries=False) as strict:
        assert read(strict)["limits"] == {"max_connections": 3}
    with requests.Session() as session:
        session.mount("http://", HTTPAdapter(pool_maxsize=4, pool_block=True))
        session.mount("https://", HTTPAdapter(pool_maxsize=4, pool_block=True))
        assert read(session)["limits"] == {"max_connections": 4}
