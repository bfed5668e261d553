"""Clients with one defect in how long they wait: T1, T2, T5, T7."""

from __future__ import annotations

from typing import Any

import httpx
import requests
from requests.adapters import HTTPAdapter

from tests.clients.base import READ_S, RETRY, Breaking, Circuit, Client, Retrying, breaks, timeouts


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
    """Promises that each call is over in a second, and waits six for an answer."""

    runs_in, law = ("hole",), "T1"
    policy = {"timeout": {"total": READ_S}, "sessions": "one_per_user"}
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
    """Takes PoolTimeout, which is a RequestError, for a failure of KATO's and asks again; it says how often it does so,
    and not after what."""

    runs_in, law = ("narrow",), "T7"
    policy = {**timeouts(pool=POOL_S), "retry": {name: said for name, said in RETRY.items() if name != "on"}}
    timeout = httpx.Timeout(READ_S, pool=POOL_S)
    connections = 4

    def worth(self, op: str, error: Exception) -> bool:
        return isinstance(error, httpx.PoolTimeout) or super().worth(op, error)


class CountsFullPool(Breaking):
    """A breaker that takes its own full pool for a dead KATO."""

    runs_in, law = ("narrow",), "T7"
    policy = {**breaks(), **timeouts(pool=POOL_S)}
    timeout = httpx.Timeout(READ_S, pool=POOL_S)
    connections = 4

    class Counting(Circuit):
        def counts(self, error: BaseException) -> bool | None:
            return isinstance(error, httpx.PoolTimeout) or super().counts(error)

    circuit_class = Counting


class WaitsLongForPool(Client):
    """Promises to wait 0.3 s for a connection: requests' pool, told to block, waits until one comes back."""

    runs_in, law = ("narrow",), "T7"
    policy = timeouts(pool=POOL_S)

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.http: Any = requests.Session()
        self.http.mount("http://", HTTPAdapter(pool_maxsize=14, pool_block=True))

    def send(self, method: str, path: str, body: Any = None) -> Any:
        response = self.http.request(method, self.base_url + path, json=body, timeout=READ_S)
        response.raise_for_status()
        return response.json()


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
