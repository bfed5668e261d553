"""The built-in clients against a KATO whose answers a test dictates: what each keeps."""

from __future__ import annotations

import threading
import time

import integration_rig
import pytest
from integration_rig import EVENT, RETRYING, SLACK_S, Make, each, each_fixed, each_retrying, outcome_of
from loopback import Attempts, Server

from harness.integrations import REGISTRY

kato, attempts, make = integration_rig.kato, integration_rig.attempts, integration_rig.make


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
