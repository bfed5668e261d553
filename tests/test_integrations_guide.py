"""The guide's clients against a KATO whose answers a test dictates: each of their defects is there."""

from __future__ import annotations

import json
import threading
import time

import httpx
import integration_rig
import pybreaker
import pytest
import requests
import tenacity
from integration_rig import EVENT, Make, leaky, outcome_of
from loopback import Server

kato, attempts, make = integration_rig.kato, integration_rig.attempts, integration_rig.make


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
