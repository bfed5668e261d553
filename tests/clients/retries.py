"""Clients with one defect in how they try again: R1 to R12."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from typing import Any, ClassVar

import httpx
import tenacity

from tests.clients.base import BACKOFF, Breaking, CircuitOpenError, Retrying, breaks, retries


def status_of(error: Exception) -> int:
    """The status that the error is about; 0 without one."""
    return error.response.status_code if isinstance(error, httpx.HTTPStatusError) else 0


class OneAttemptMore(Retrying):
    """Counts re-tries where it promises attempts."""

    runs_in, law = ("refuse",), "R1"
    attempts = 4


class LayeredRetries(Retrying):
    """Three attempts, each of them three attempts of the transport below."""

    runs_in, law = ("refuse",), "R1"

    def send(self, method: str, path: str, body: Any = None) -> Any:
        for _ in range(2):
            try:
                return super().send(method, path, body)
            except httpx.ConnectError:
                time.sleep(random.uniform(0.0, 0.2))
        return super().send(method, path, body)


class TriesUntilItWorks(Retrying):
    """Promises three attempts, and makes thirty."""

    runs_in, law = ("mostly",), "R1"
    attempts = 30


class RetriesRefusals(Retrying):
    """Sends again what KATO refuses with 422."""

    runs_in, law = ("refusals",), "R2"

    def worth(self, op: str, error: Exception) -> bool:
        return (isinstance(error, httpx.HTTPStatusError) and error.response.status_code == 422) or super().worth(
            op, error
        )


class RetriesNotFound(Retrying):
    """Sends again what KATO answers with 404."""

    runs_in, law = ("not_found",), "R2"

    def worth(self, op: str, error: Exception) -> bool:
        return (isinstance(error, httpx.HTTPStatusError) and error.response.status_code == 404) or super().worth(
            op, error
        )


class RetriesUnnamed(Retrying):
    """Promises to retry refused connections only, and retries 503 as well."""

    runs_in, law = ("burst",), "R2"
    policy = retries(on=["connect_error", "connect_timeout"])


class NoBackoff(Retrying):
    """Tries again at once."""

    runs_in, law = ("refuse",), "R3"
    policy = retries(backoff={**BACKOFF, "jitter": "equal"})

    def wait(self, attempt: int) -> float:
        return 0.0


class LongBackoff(Retrying):
    """Waits up to six times as long as promised."""

    runs_in, law = ("refuse",), "R3"

    def wait(self, attempt: int) -> float:
        return 6 * super().wait(attempt)


class ConstantBackoff(Retrying):
    """Promises waits that grow, and always waits the first one."""

    runs_in, law = ("refuse",), "R3"
    policy = retries(backoff={"initial": 0.4, "multiplier": 3.0, "max": 5.0, "jitter": "equal"})

    def wait(self, attempt: int) -> float:
        return random.uniform(0.2, 0.4)


class NoJitter(Retrying):
    """Everybody waits the same (finding 10)."""

    runs_in, law = ("crowd",), "R4"

    def wait(self, attempt: int) -> float:
        return min(0.2 * 2.0 ** (attempt - 1), 1.0)


class SeededJitter(Retrying):
    """The same 'random' wait in every call: the generator is seeded anew each time."""

    runs_in, law = ("crowd",), "R4"

    def wait(self, attempt: int) -> float:
        return random.Random(attempt).uniform(0.0, 0.2 * 2.0 ** (attempt - 1))


class IgnoresRetryAfter(Retrying):
    """Waits its own back-off, whatever the answer asks for (finding 9)."""

    runs_in, law = ("retry_after",), "R5"

    def asked(self, error: Exception) -> float:
        return 0.0


class RetryAfterInSecondsOnly(Retrying):
    """Knows Retry-After as a number, and not as a date."""

    runs_in, law = ("retry_after",), "R5"

    def asked(self, error: Exception) -> float:
        value = error.response.headers.get("retry-after", "") if isinstance(error, httpx.HTTPStatusError) else ""
        return float(value) if value.isdigit() else 0.0


class RetryAfterInMilliseconds(Retrying):
    """Takes the seconds of Retry-After for milliseconds."""

    runs_in, law = ("retry_after",), "R5"

    def asked(self, error: Exception) -> float:
        return super().asked(error) / 1000


BUDGETED = retries(budget={"ratio": 0.1, "min_per_second": 0.0})


class Budgeted(Retrying):
    """A token bucket: each call brings a tenth of a re-try."""

    policy: ClassVar[Mapping[str, Any]] = BUDGETED
    most: ClassVar[float] = 2.0
    ratio: ClassVar[float] = 0.1

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self.tokens = 1.0

    def call(self, op: str, method: str, path: str, body: Any = None) -> Any:
        self.tokens = min(self.most, self.tokens + self.ratio)
        return super().call(op, method, path, body)

    def worth(self, op: str, error: Exception) -> bool:
        if not super().worth(op, error) or self.tokens < 1.0:
            return False
        self.tokens -= 1.0
        return True


class BudgetOnPaper(Retrying):
    """Promises a budget, and has none."""

    runs_in, law = ("refuse",), "R6"
    policy = BUDGETED


class BudgetEarnedByAttempts(Budgeted):
    """Its budget is earned by attempts: each re-try pays for the next one."""

    runs_in, law = ("refuse",), "R7"
    ratio = 0.5

    def send(self, method: str, path: str, body: Any = None) -> Any:
        self.tokens = min(self.most, self.tokens + self.ratio)
        return super().send(method, path, body)


class BudgetRefilledInTime(Budgeted):
    """A failure late in an outage finds a full bucket: time refills it faster than promised."""

    runs_in, law = ("refuse",), "R7"

    def call(self, op: str, method: str, path: str, body: Any = None) -> Any:
        if int(time.monotonic()) % 2:
            self.tokens = 20.0
        return super().call(op, method, path, body)

    most = 20.0


class RetriesLostWrites(Retrying):
    """Sends an observe again whose connection ended before an answer came: nobody can say whether it was done."""

    runs_in, law = ("lost_request",), "R8"
    policy = {**retries(), "calls": {}, "retry": {**retries()["retry"], "calls": ["predict"]}}

    def worth(self, op: str, error: Exception) -> bool:
        return isinstance(error, httpx.RemoteProtocolError) or super().worth(op, error)


class RetriesTimedOutWrites(Retrying):
    """Sends an observe again that timed out (finding 9)."""

    runs_in, law = ("swallowed",), "R8"

    def worth(self, op: str, error: Exception) -> bool:
        return isinstance(error, httpx.ReadTimeout) or super().worth(op, error)


class RetriesCreateSession(Retrying):
    """Sends create_session again whose connection ended before an answer came: orphans, if it was done (finding 9)."""

    runs_in, law = ("unmade_session",), "R8"

    def worth(self, op: str, error: Exception) -> bool:
        return (op == "open_session" and isinstance(error, httpx.RemoteProtocolError)) or super().worth(op, error)


class NoReraise(Retrying):
    """tenacity without reraise=True: callers get RetryError (finding 8)."""

    runs_in, law = ("refuse",), "R9"

    def call(self, op: str, method: str, path: str, body: Any = None) -> Any:
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(3),
            wait=tenacity.wait_random_exponential(multiplier=0.2, max=1.0),
            retry=tenacity.retry_if_exception(lambda error: self.worth(op, error)),  # type: ignore[arg-type]
        )
        return retrying(self.send, method, path, body)


class ForgetsTheError(Retrying):
    """After the last attempt it reads an answer that isn't there."""

    runs_in, law = ("refuse",), "R9"

    def call(self, op: str, method: str, path: str, body: Any = None) -> Any:
        response: Any = None
        for attempt in range(1, 4):
            try:
                response = self.http.request(method, path, json=body)
                break
            except httpx.ConnectError:
                if attempt < 3:
                    time.sleep(self.wait(attempt))
        response.raise_for_status()
        return response.json()


class RetriesOpenBreaker(Retrying, Breaking):
    """retry(breaker()): waits and asks again while the breaker is open."""

    runs_in, law = ("refuse",), "R10"
    policy = {**breaks(), **retries()}

    def send(self, method: str, path: str, body: Any = None) -> Any:
        return self.circuit.call(lambda: super(Breaking, self).send(method, path, body))

    def worth(self, op: str, error: Exception) -> bool:
        return isinstance(error, CircuitOpenError) or super().worth(op, error)


class OvershootsDeadline(Retrying):
    """Looks at its deadline before it waits, and not after (tenacity#423)."""

    runs_in, law = ("refuse",), "R11"
    policy = retries(
        total=2.0, max_attempts=5, backoff={"initial": 1.5, "multiplier": 1.0, "max": 1.5, "jitter": "equal"}
    )
    attempts = 5

    def call(self, op: str, method: str, path: str, body: Any = None) -> Any:
        started = time.monotonic()
        for attempt in range(1, self.attempts + 1):
            try:
                return self.send(method, path, body)
            except Exception as error:
                if attempt == self.attempts or not self.worth(op, error) or time.monotonic() - started > 2.0:
                    raise
                time.sleep(random.uniform(0.75, 1.5))
        raise AssertionError("the last attempt returns or raises")


class SharedAttempts(Retrying):
    """Concurrent calls count their attempts in one place (tenacity#93)."""

    runs_in, law = ("hang",), "R12"
    made = 0

    def call(self, op: str, method: str, path: str, body: Any = None) -> Any:
        self.made = 0
        while True:
            self.made += 1
            try:
                return self.send(method, path, body)
            except Exception as error:
                if self.made >= self.attempts or not self.worth(op, error):
                    raise
                time.sleep(self.wait(1))
