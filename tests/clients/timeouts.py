"""Clients with one defect in how long they wait: T1, T2, T5, T7."""

from __future__ import annotations

from typing import Any

import httpx
import requests

from tests.clients.base import READ_S, Breaking, Circuit, Client, Retrying, breaks, retries, timeouts


class NoTimeoutRequests(Client):
    """requests without `timeout=` (finding 12)."""

    runs_in, law = ("hole",), "T1"
    policy = {"sessions": "one_per_user"}
    also = {"K1": "there is no time-out to declare or to read"}

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.http: Any = requests.Session()

    def send(self, method: str, path: str, body: Any = None) -> Any:
        response = self.http.request(method, self.base_url + path, json=body)
        response.raise_for_status()
        return response.json()


class TimeoutSwitchedOff(Client):
    """Promises a second, and was made with timeout=None."""

    runs_in, law = ("hole",), "T1"
    timeout = None


class LongerThanPromised(Client):
    """Promises a second for reading, and waits six."""

    runs_in, law = ("hole",), "T1"
    also = {"K2": "the client's own time-outs say six seconds, too"}
    timeout = httpx.Timeout(READ_S, read=6.0)


class ReadTimeoutForTotal(Client):
    """Promises a total, and has a time-out for each chunk alone (httpx#1450)."""

    runs_in, law = ("drip",), "T2"
    policy = timeouts(total=2.0)


class RequestsTimeoutForTotal(Client):
    """Promises a total, and has requests' time-out, which is for each read."""

    runs_in, law = ("drip",), "T2"
    policy = timeouts(total=2.0)

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.http: Any = requests.Session()

    def send(self, method: str, path: str, body: Any = None) -> Any:
        response = self.http.request(method, self.base_url + path, json=body, timeout=READ_S)
        response.raise_for_status()
        return response.json()


POOL_S = 0.3
"""Shorter than a call: httpcore starts a wait anew whenever any connection comes back."""


class RetriesFullPool(Retrying):
    """Takes PoolTimeout, which is a RequestError, for a failure of KATO's and asks again."""

    runs_in, law = ("narrow",), "T7"
    also = {"R2": "the declared policy does not name pool time-outs, either"}
    policy = {**retries(), **timeouts(pool=POOL_S)}
    timeout = httpx.Timeout(READ_S, pool=POOL_S)
    connections = 4

    def worth(self, op: str, error: Exception) -> bool:
        return isinstance(error, httpx.PoolTimeout) or super().worth(op, error)


class CountsFullPool(Breaking):
    """A breaker that takes its own full pool for a dead KATO."""

    runs_in, law = ("narrow",), "T7"
    also = {"B2": "it opens though nothing failed"}
    policy = {**breaks(), **timeouts(pool=POOL_S)}
    timeout = httpx.Timeout(READ_S, pool=POOL_S)
    connections = 4

    class Counting(Circuit):
        def counts(self, error: BaseException) -> bool | None:
            return isinstance(error, httpx.PoolTimeout) or super().counts(error)

    circuit_class = Counting


class WaitsLongForPool(Client):
    """Promises to wait 0.3 s for a connection, and waits 0.8."""

    runs_in, law = ("narrow",), "T7"
    also = {"K2": "the client's own time-outs say so, too"}
    policy = timeouts(pool=POOL_S)
    timeout = httpx.Timeout(READ_S, pool=0.8)
    connections = 4


class LooksAroundItsWrites(Client):
    """Promises 0.7 s, and reads before and after each observe, with half a second for each: the third request begins
    when the total is over."""

    runs_in, law = ("slow",), "T5"
    policy = {**timeouts(total=0.7), "sessions": "per_call"}

    def observe(self, session_id: str, observation: Any) -> Any:
        self.predict(session_id)
        found = super().observe(session_id, observation)
        self.predict(session_id)
        return found


class RequestsInARow(Client):
    """Promises a second for an observe, and makes three requests of up to a second each for it (finding 27)."""

    runs_in, law = ("slow",), "T5"
    policy = {**timeouts(total=READ_S), "sessions": "per_call"}

    def observe(self, session_id: str, observation: Any) -> Any:
        found = super().observe(session_id, observation)
        self.predict(session_id)
        self.predict(session_id)
        return found
