"""Sound clients that leave the work to what their libraries offer: no law may fail any of them."""

from __future__ import annotations

import http.client
import json
import time
from typing import Any, ClassVar
from urllib.parse import urlsplit

import circuitbreaker
import httpx
import requests
import tenacity
import urllib3
from requests.adapters import HTTPAdapter

from tests.clients.base import BREAKER, NEVER_SENT, READ_S, RESET_S, WRITES, Circuit, Client, retries, timeouts

REQUESTS_STEPS = {"connect": READ_S, "read": READ_S}
_READS_ALSO = ["connect_error", "timeout", "reset", "protocol_error", "413", "429", "502", "503", "504"]


class Urllib3Retry(Client):
    """requests with urllib3's Retry: what is idempotent after everything, what isn't only if it was never sent."""

    runs_in = ("refuse", "burst", "crowd", "hole", "lost_reply", "retry_after", "not_found")
    policy = {
        "timeout": REQUESTS_STEPS,
        "retry": {
            "max_attempts": 3,
            "on": _READS_ALSO,
            "calls": ["open_session", "observe", "predict", "learn"],
            "backoff": {"initial": 0.6, "multiplier": 2.0, "max": 2.0, "jitter": "full"},
            "retry_after": "honour",
        },
        "calls": NEVER_SENT,
        "sessions": "one_per_user",
    }

    def __init__(self, base_url: str) -> None:
        again = urllib3.Retry(
            total=2,
            backoff_factor=0.2,
            backoff_jitter=0.2,
            backoff_max=2.0,
            status_forcelist=(502, 503, 504),
            allowed_methods=("GET",),
            raise_on_status=False,
        )
        self.base_url = base_url
        self.http: Any = requests.Session()
        self.http.mount("http://", HTTPAdapter(pool_maxsize=200, max_retries=again))

    def send(self, method: str, path: str, body: Any = None) -> Any:
        response = self.http.request(method, self.base_url + path, json=body, timeout=(READ_S, READ_S))
        response.raise_for_status()
        return response.json()


class JitterAboveBackoff(Client):
    """urllib3's Retry whose random part is far longer than what it is added to; nothing is declared."""

    runs_in = ("burst", "retry_after", "lost_reply", "not_found")
    policy: ClassVar[Any] = None

    def __init__(self, base_url: str) -> None:
        again = urllib3.Retry(
            total=6, backoff_factor=0.01, backoff_jitter=0.6, status_forcelist=(503,), allowed_methods=("GET",)
        )
        self.base_url = base_url
        self.http: Any = requests.Session()
        self.http.mount("http://", HTTPAdapter(pool_maxsize=200, max_retries=again))

    def send(self, method: str, path: str, body: Any = None) -> Any:
        response = self.http.request(method, self.base_url + path, json=body, timeout=(READ_S, READ_S))
        response.raise_for_status()
        return response.json()


class TransportRetries(Client):
    """httpx.HTTPTransport(retries=2): handshakes that fail are tried again below the client."""

    runs_in = ("refuse", "hole", "lost_reply", "burst")
    policy = {
        **timeouts(),
        "retry": {
            "max_attempts": 3,
            "on": ["connect_error", "connect_timeout"],
            "calls": ["open_session", "observe", "predict", "learn"],
            "backoff": {"initial": 0.5, "multiplier": 2.0, "jitter": "full"},
        },
    }

    def __init__(self, base_url: str) -> None:
        limits = httpx.Limits(max_connections=200, max_keepalive_connections=200, keepalive_expiry=4.0)
        transport = httpx.HTTPTransport(retries=2, limits=limits, trust_env=False)
        self.http = httpx.Client(base_url=base_url, timeout=READ_S, transport=transport, trust_env=False)


class RetryingTransport(httpx.BaseTransport):
    """A transport around another one that asks again for what is safe to ask for again."""

    def __init__(self, inner: httpx.BaseTransport) -> None:
        self.inner = inner

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        spread = tenacity.wait_random_exponential(multiplier=0.2, max=1.0)
        safe = request.method == "GET"
        kinds = (httpx.TransportError,) if safe else (httpx.ConnectError, httpx.ConnectTimeout)
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(3),
            wait=spread,
            retry=tenacity.retry_if_exception_type(kinds),
            reraise=True,
        )
        return retrying(self.inner.handle_request, request)

    def close(self) -> None:
        self.inner.close()


class OwnTransport(Client):
    """Re-tries in a transport of its own around httpx's."""

    runs_in = ("refuse", "hole", "lost_reply", "burst", "crowd")
    policy = retries(on=["connect_error", "timeout", "reset", "protocol_error"], retry_after="ignore")

    def __init__(self, base_url: str) -> None:
        limits = httpx.Limits(max_connections=200, max_keepalive_connections=200, keepalive_expiry=4.0)
        transport = RetryingTransport(httpx.HTTPTransport(limits=limits, trust_env=False))
        self.http = httpx.Client(base_url=base_url, timeout=READ_S, transport=transport, trust_env=False)


class EventHooks(Client):
    """httpx with hooks that raise for status and count; no policy is declared: all that holds is read."""

    runs_in = ("refuse", "hole", "burst", "refusals", "broken_answers")
    policy: ClassVar[Any] = None

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self.seen = 0
        self.http.event_hooks = {"request": [self.count], "response": [self.check]}

    def count(self, request: httpx.Request) -> None:
        self.seen += 1

    def check(self, response: httpx.Response) -> None:
        response.read()
        response.raise_for_status()

    def send(self, method: str, path: str, body: Any = None) -> Any:
        return self.http.request(method, path, json=body).json()


class CircuitbreakerLibrary(Client):
    """The circuitbreaker library around what is sent; it counts what its user names as failures."""

    runs_in = ("refuse", "long_refuse", "burst", "slow", "refusals")
    policy = {**timeouts(), "breaker": {**BREAKER, "half_open_trials": 100}}

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self.breaker = circuitbreaker.CircuitBreaker(
            failure_threshold=5,
            recovery_timeout=RESET_S,  # type: ignore[arg-type]
            expected_exception=lambda kind, error: bool(Circuit().counts(error)),
        )
        self.guarded = self.breaker.decorate(self.send)

    def call(self, op: str, method: str, path: str, body: Any = None) -> Any:
        return self.guarded(method, path, body)


class StandardLibrary(Client):
    """http.client and a new connection for each call: no hook sees its attempts."""

    runs_in = ("refuse", "hole", "burst", "lost_reply", "steady", "slow")
    policy = {"timeout": REQUESTS_STEPS, "sessions": "one_per_user"}

    def __init__(self, base_url: str) -> None:
        self.peer = urlsplit(base_url)

    def send(self, method: str, path: str, body: Any = None) -> Any:
        connection = http.client.HTTPConnection(self.peer.hostname or "", self.peer.port, timeout=READ_S)
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, {"content-type": "application/json"})
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if answer.status >= 400:
            raise RuntimeError(f"status {answer.status}")
        return json.loads(content)

    def close(self) -> None:
        """Nothing stays open."""


class DeadlineByTenacity(Client):
    """stop_before_delay: no attempt begins that can't end within the total."""

    runs_in = ("refuse", "hole", "crowd", "slow")
    policy = retries(total=3.5, retry_after="ignore")

    def call(self, op: str, method: str, path: str, body: Any = None) -> Any:
        kinds: tuple[type[Exception], ...] = (httpx.ConnectError, httpx.ConnectTimeout)
        if op not in WRITES:
            kinds = (httpx.TransportError,)
        deadline = time.monotonic() + 3.4

        def attempt() -> Any:
            left = max(deadline - time.monotonic(), 0.05)
            response = self.http.request(method, path, json=body, timeout=min(READ_S, left))
            response.raise_for_status()
            return response.json()

        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(3) | tenacity.stop_before_delay(3.0),
            wait=tenacity.wait_random_exponential(multiplier=0.2, max=1.0),
            retry=tenacity.retry_if_exception_type(kinds),
            reraise=True,
        )
        return retrying(attempt)
