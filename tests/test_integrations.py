"""The built-in clients against a KATO whose answers a test dictates: what each keeps, and what the guide's don't."""

from __future__ import annotations

import asyncio
import gc
import inspect
import json
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pybreaker
import pytest
import requests
import tenacity
from loopback import Attempts, Server

from harness.integrations import REGISTRY, build, is_async
from harness.load import hooks
from harness.load.outcomes import classify, shape
from harness.policy import scaled

SCALE = 0.04
"""The guide's 10 s are 0.4 s here."""
SLACK_S = 0.25
"""laws.md, "Evidence": ε."""

PATIENT = {"read": 2.0, "total": 4.0}

EVENT = {"strings": ["view:1"], "vectors": [], "emotives": {}}


class Blocking:
    """An async integration with `def` methods, on a loop of its own."""

    def __init__(self, integration: Any) -> None:
        self._integration = integration
        self._runner = asyncio.Runner()
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._integration, name)
        if not is_async(found):
            return found
        return lambda *args: self._runner.run(found(*args))

    def close(self) -> None:
        self._runner.run(self._integration.close())
        self._runner.close()
        with warnings.catch_warnings():
            # what guide-httpx leaves open is collected here, not in somebody else's test
            warnings.simplefilter("ignore", ResourceWarning)
            del self._integration
            gc.collect()


Make = Callable[..., Any]


@pytest.fixture
def kato() -> Iterator[Server]:
    with Server() as server:
        yield server


@pytest.fixture
def attempts() -> Iterator[Attempts]:
    recorder = Attempts()
    yield recorder
    hooks.uninstall()


@pytest.fixture
def make(kato: Server, attempts: Attempts) -> Iterator[Make]:
    made: list[Any] = []

    def make(name: str, url: str = "", scale: float = SCALE, **changes: Any) -> Any:
        policy = scaled(REGISTRY[name].policy, scale)
        for key, value in changes.items():
            policy[key] = policy.get(key, {}) | value
        context = {"policy": policy, "headers": {"x-team": "tests"}, "seed": 1, "recorder": attempts}
        integration = build(REGISTRY[name], url or kato.url, context)
        hooks.install(attempts)
        made.append(Blocking(integration) if inspect.iscoroutinefunction(integration.observe) else integration)
        return made[-1]

    yield make
    for integration in made:
        integration.close()


def outcome_of(function: Callable[..., Any], *arguments: Any) -> tuple[str, str]:
    """Outcome and error word of one call; the result's shape where it gave one."""
    try:
        return "ok", shape(function(*arguments))
    except Exception as error:  # noqa: BLE001 - that is what is asked
        failure = classify(error)
        return failure.outcome, failure.error


DIRECT = [name for name in REGISTRY if not name.endswith(("consul", "dns", "shop", "chatbot", "front"))]
"""Those that speak to the URL given and answer as KATO does; who asks a registry or watches a name has tests of its
own, and so have services with answers of their own (test_service_patterns)."""
FIXED = [name for name in DIRECT if not name.startswith("guide")]
RETRYING = ["fixed-otel", "fixed-tenacity", "reference"]
BREAKING = ["fixed-pybreaker", "reference"]
leaky = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
"""guide-httpx leaves its clients to the garbage collector, whenever that comes."""
each = pytest.mark.parametrize("name", [pytest.param(n, marks=leaky) if n == "guide-httpx" else n for n in DIRECT])
each_fixed = pytest.mark.parametrize("name", FIXED)
each_retrying = pytest.mark.parametrize("name", RETRYING)
each_breaking = pytest.mark.parametrize("name", BREAKING)


@each
def test_a_healthy_kato_is_served(name: str, make: Make, kato: Server, attempts: Attempts) -> None:
    """Each client opens, observes and predicts; what it observed is what KATO got, with the target's headers."""
    client = make(name)
    session = client.open_session("kh-1") if hasattr(client, "open_session") else "kh-1"
    answer = client.observe(session, EVENT)
    assert answer["status"] == "okay"
    assert client.predict(session)["predictions"] == []
    assert kato.commits[0][1] == EVENT
    assert {seen.headers["x-team"] for seen in kato.seen} == {"tests"}
    assert {(row.result, row.status) for row in attempts.rows} == {("", 200)}
    assert len(attempts.rows) == len(kato.seen)


@each_fixed
def test_one_session_takes_all_of_a_users_observations(name: str, make: Make, kato: Server) -> None:
    """A corrected client works in the session that it opened, and learns there."""
    client = make(name)
    session = client.open_session("kh-1")
    client.observe(session, EVENT)
    client.observe(session, EVENT)
    assert client.learn(session)["status"] == "learned" if hasattr(client, "learn") else True
    assert {commit[0] for commit in kato.commits} == {session}
    assert len(kato.sessions) == 1


@each_fixed
def test_connections_are_kept(name: str, make: Make, kato: Server) -> None:
    """Calls one after another use one connection."""
    client = make(name)
    for _ in range(5):
        client.predict("s")
    assert kato.connections == 1


@each_fixed
@pytest.mark.parametrize("fate", ["hang", "drip:0.03"])
def test_a_call_ends_within_its_total(name: str, fate: str, make: Make, kato: Server) -> None:
    """Neither silence nor an answer that drips below the read time-out outlasts the deadline."""
    client = make(name, timeout={"connect": 0.1, "read": 0.1, "total": 0.3}, retry={"max_attempts": 1})
    kato.next(fate)
    start = time.monotonic()
    outcome, error = outcome_of(client.observe, "s", EVENT)
    assert time.monotonic() - start < 0.3 + SLACK_S
    assert (outcome, error) == ("timeout", "read_timeout")


@each_fixed
@pytest.mark.parametrize("fate", ["drop", "reset", "hang", "503", "500", "429:0", "truncate", "garbage", "422"])
def test_a_write_that_may_have_arrived_is_not_sent_again(name: str, fate: str, make: Make, kato: Server) -> None:
    """Whatever became of it on the way back, an observation goes out once."""
    client = make(name, timeout={"connect": 0.1, "read": 0.1, "total": 0.5})
    kato.next(fate)
    assert outcome_of(client.observe, "s", EVENT)[0] in ("error", "timeout")
    assert len(kato.seen) == 1


@each_fixed
@pytest.mark.parametrize("fate", ["garbage", "empty", "truncate"])
def test_a_broken_answer_is_never_a_result(name: str, fate: str, make: Make, kato: Server) -> None:
    """A 200 that is no answer of KATO's is an error, not a success."""
    client = make(name, retry={"max_attempts": 1})
    kato.next(fate)
    outcome, error = outcome_of(client.predict, "s")
    if name == "fixed-pybreaker" and fate == "truncate":
        assert outcome == "ok"  # the marked fallback: the server broke the connection
    else:
        assert (outcome, error) == ("error", "protocol_error" if fate == "truncate" else "decode")


@each_fixed
def test_a_clients_mistake_is_shown(name: str, make: Make, kato: Server) -> None:
    """422 and 404 are raised with their status, tried once and never masked."""
    client = make(name)
    kato.next("422", "404")
    assert outcome_of(client.predict, "s") == ("error", "4xx")
    assert outcome_of(client.predict, "s") == ("error", "4xx")
    assert len(kato.seen) == 2


@each_fixed
def test_a_refused_connection_is_a_plain_error(name: str, make: Make, kato: Server, attempts: Attempts) -> None:
    """With nobody listening a call fails as connect_error within its total, however often it was tried."""
    client = make(name, url=kato.closed_url)
    assert outcome_of(client.observe, "s", EVENT) == ("error", "connect_error")
    expected = 3 if name in RETRYING else 1
    assert [row.result for row in attempts.rows] == ["connect_error"] * min(expected, len(attempts.rows))
    assert 1 <= len(attempts.rows) <= expected


@each_retrying
@pytest.mark.parametrize("fate", ["503", "429", "drop", "reset"])
def test_a_read_is_tried_again(name: str, fate: str, make: Make, kato: Server) -> None:
    """A prediction that failed in passing succeeds on its second attempt."""
    client = make(name)
    kato.next(fate)
    assert outcome_of(client.predict, "s")[0] == "ok"
    assert len(kato.seen) == 2


@each_retrying
def test_attempts_are_bounded(name: str, make: Make, kato: Server) -> None:
    """Three attempts and no more, with budget to spare; the last error is raised as it was."""
    client = make(name, retry={"budget": {"ratio": 5.0, "min_per_second": 1000.0}})
    kato.next(*["503"] * 9)
    assert outcome_of(client.predict, "s") == ("error", "5xx")
    assert len(kato.seen) == 3


@each_retrying
def test_the_server_is_given_the_time_it_asks(name: str, make: Make, kato: Server) -> None:
    """Retry-After: 1 is waited out; one beyond the deadline ends the call at once."""
    client = make(name, timeout={"total": 1.8})
    kato.next("503:1")
    assert outcome_of(client.predict, "s")[0] == "ok"
    assert kato.seen[1].arrived_s - kato.seen[0].arrived_s >= 0.95
    kato.next("503:60")
    start = time.monotonic()
    assert outcome_of(client.predict, "s") == ("error", "5xx")
    assert time.monotonic() - start < SLACK_S
    assert len(kato.seen) == 3


@each_retrying
def test_retries_stay_within_their_budget(name: str, make: Make, kato: Server) -> None:
    """In a total failure re-tries are at most the ratio of calls, the trickle besides, and the one in hand."""
    client = make(name, breaker={"fail_max": 10_000}, retry={"budget": {"ratio": 0.1, "min_per_second": 0.0}})
    kato.next(*["503"] * 200)
    for _ in range(50):
        outcome_of(client.predict, "s")
    assert 50 < len(kato.seen) <= 50 + 5 + 1


@pytest.mark.parametrize("name", [name for name in RETRYING if REGISTRY[name].runtime == "gevent"])
def test_calls_at_once_have_attempts_of_their_own(name: str, make: Make, kato: Server) -> None:
    """Twenty concurrent failing calls take three attempts each, not shared ones."""
    budget = {"budget": {"ratio": 5.0, "min_per_second": 10_000.0}}
    client = make(name, breaker={"fail_max": 10_000}, retry=budget, scale=0.02)
    kato.next(*["503"] * 60)
    threads = [threading.Thread(target=outcome_of, args=(client.predict, f"s{n}")) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(kato.seen) <= 60
    by_session = [sum(seen.path.startswith(f"/sessions/s{n}/") for seen in kato.seen) for n in range(20)]
    assert max(by_session) == 3


@each_breaking
@pytest.mark.parametrize("fates", [["503"] * 5, ["drop", "drop", "drop", "drop", "503"]])
def test_the_breaker_opens_on_server_failures(name: str, fates: list[str], make: Make, kato: Server) -> None:
    """Five failures in a row, 5xx among them, open it; then nothing reaches KATO and the call ends at once."""
    client = make(name, retry={"max_attempts": 1})
    kato.next(*fates)
    for _ in range(5):
        assert outcome_of(client.observe, "s", EVENT)[0] == "error"
    start = time.monotonic()
    assert outcome_of(client.observe, "s", EVENT) == ("rejected", "breaker_open")
    assert time.monotonic() - start < 0.05
    assert len(kato.seen) == 5


@each_breaking
def test_the_breaker_is_not_opened_by_sound_answers(name: str, make: Make, kato: Server) -> None:
    """4xx don't count, and one success between failures starts the count anew."""
    client = make(name, retry={"max_attempts": 1})
    kato.next(*["422"] * 6, *["503"] * 4, "ok", *["503"] * 4)
    for _ in range(15):
        assert outcome_of(client.observe, "s", EVENT)[0] != "rejected"


@each_breaking
def test_one_trial_decides(name: str, make: Make, kato: Server) -> None:
    """After the reset time one call goes through while others are refused at once; its success closes the breaker."""
    client = make(name, breaker={"reset_timeout": 0.3}, retry={"max_attempts": 1}, timeout=PATIENT)
    kato.next(*["503"] * 5, "slow:0.2")
    for _ in range(5):
        outcome_of(client.observe, "s", EVENT)
    time.sleep(0.35)
    seen: list[tuple[str, str]] = []
    threads = [threading.Thread(target=lambda: seen.append(outcome_of(client.observe, "s", EVENT))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(kato.seen) == 6
    assert sorted(outcome for outcome, _ in seen) == ["ok"] + ["rejected"] * 19
    assert outcome_of(client.observe, "s", EVENT)[0] == "ok"


@each_breaking
def test_a_failed_trial_opens_again(name: str, make: Make, kato: Server) -> None:
    """After a trial that failed, the whole reset time passes before the next."""
    client = make(name, breaker={"reset_timeout": 0.2}, retry={"max_attempts": 1})
    kato.next(*["503"] * 6)
    for _ in range(5):
        outcome_of(client.observe, "s", EVENT)
    time.sleep(0.22)
    assert outcome_of(client.observe, "s", EVENT) == ("error", "5xx")
    assert outcome_of(client.observe, "s", EVENT)[0] == "rejected"
    time.sleep(0.22)
    assert outcome_of(client.observe, "s", EVENT)[0] == "ok"


@each_breaking
def test_calls_are_not_serialised(name: str, make: Make, kato: Server) -> None:
    """Ten calls of 0.2 s at once take little longer than one."""
    client = make(name, timeout=PATIENT)
    kato.next(*["slow:0.2"] * 10)
    threads = [threading.Thread(target=client.observe, args=("s", EVENT)) for _ in range(10)]
    start = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - start < 1.0


@each_breaking
def test_late_failures_change_nothing(name: str, make: Make, kato: Server) -> None:
    """Calls that were under way when the breaker opened don't push its reset time forward by failing later."""
    client = make(name, breaker={"reset_timeout": 0.6}, retry={"max_attempts": 1}, timeout={"read": 0.4})
    kato.next("hang", "hang", *["503"] * 5)
    late = [threading.Thread(target=outcome_of, args=(client.observe, "s", EVENT)) for _ in range(2)]
    for thread in late:
        thread.start()
    while len(kato.seen) < 2:
        time.sleep(0.005)
    for _ in range(5):
        outcome_of(client.observe, "s", EVENT)
    opened = time.monotonic()
    for thread in late:
        thread.join()
    kato.fates.clear()
    time.sleep(max(0.0, opened + 0.62 - time.monotonic()))
    assert outcome_of(client.observe, "s", EVENT)[0] == "ok"


def test_the_marked_fallback_has_the_healthy_shape(make: Make, kato: Server) -> None:
    """fixed-pybreaker's fallback for predictions can't be told from a real answer but by its mark."""
    client = make("fixed-pybreaker")
    healthy = client.predict("s")
    kato.next(*["503"] * 5)
    fallbacks = [client.predict("s") for _ in range(6)]
    assert {shape(result) for result in fallbacks} == {shape(healthy)}
    assert all(client.degraded(result) for result in fallbacks) and not client.degraded(healthy)
    assert len(kato.seen) == 6


def test_guide_pybreakers_defects_are_there(make: Make, kato: Server) -> None:
    """5xx never open it, a fallback shaped like a prediction answers an observation, and 422 is swallowed."""
    client = make("guide-pybreaker")
    kato.next(*["503"] * 8, "422")
    for _ in range(9):
        assert client.degraded(client.observe("s", EVENT))
    assert len(kato.seen) == 9
    assert client.observe("s", EVENT)["status"] == "okay"


def test_guide_pybreaker_serialises_its_callers(make: Make, kato: Server) -> None:
    """Its breaker's lock is held during the call: five calls of 0.1 s take 0.5 s."""
    client = make("guide-pybreaker")
    kato.next(*["slow:0.1"] * 5)
    threads = [threading.Thread(target=client.observe, args=("s", EVENT)) for _ in range(5)]
    start = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - start > 0.45


def test_guide_tenacitys_defects_are_there(make: Make, kato: Server) -> None:
    """A lost write is committed three times and ends in RetryError; 503 isn't retried."""
    client = make("guide-tenacity", scale=0.02)
    kato.next("drop", "drop", "drop", "503")
    with pytest.raises(tenacity.RetryError):
        client.observe("s", EVENT)
    assert len(kato.commits) == 3
    with pytest.raises(httpx.HTTPStatusError):
        client.observe("s", EVENT)


def test_guide_requests_waits_for_ever(make: Make, kato: Server) -> None:
    """Without time-outs a silent KATO holds the call until the connection goes away."""
    client = make("guide-requests")
    kato.next("hang")
    ended = threading.Event()
    thread = threading.Thread(target=lambda: (outcome_of(client.observe, "s", EVENT), ended.set()), daemon=True)
    thread.start()
    assert not ended.wait(0.6)
    kato.stop()
    assert ended.wait(2)


@leaky
def test_guide_httpx_makes_a_session_and_a_connection_a_request(make: Make, kato: Server) -> None:
    """ "Create or reuse session" always creates."""
    client = make("guide-httpx")
    client.observe("user-1", EVENT)
    client.observe("user-1", EVENT)
    assert len(kato.sessions) == 2 and kato.connections == 2
    assert {json.loads(seen.body)["node_id"] for seen in kato.seen if seen.path == "/sessions"} == {"user-1"}


def test_the_guides_breaker_as_printed_is_a_type_error() -> None:
    """`timeout_duration` is no parameter of pybreaker's."""
    with pytest.raises(TypeError, match="timeout_duration"):
        pybreaker.CircuitBreaker(fail_max=5, timeout_duration=60)  # type: ignore[call-arg]


def test_a_requests_session_has_no_timeout_of_its_own() -> None:
    """Why `fixed-requests` names one with every request."""
    assert not hasattr(requests.Session(), "timeout")
