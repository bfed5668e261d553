"""The outcome taxonomy is total: no exception of a client's libraries is left without words."""

from __future__ import annotations

import asyncio
import importlib
import json
import pkgutil
import warnings
from collections import namedtuple
from enum import Enum
from types import ModuleType

import aiobreaker
import aiohttp
import circuitbreaker
import httpx
import pybreaker
import pytest
import requests
import tenacity
import urllib3

from harness.load.outcomes import classify, shape
from harness.model import ERRORS, OUTCOMES
from harness.taxonomy import WORDS, WRAPPERS, key_of, words_under

LIBRARIES = (
    "httpx",
    "httpcore",
    "requests",
    "urllib3",
    "pybreaker",
    "aiobreaker",
    "circuitbreaker",
    "tenacity",
    "aiohttp",
)


def modules(name: str) -> list[ModuleType]:
    found = [importlib.import_module(name)]
    for part in pkgutil.walk_packages(getattr(found[0], "__path__", ()), name + "."):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                found.append(importlib.import_module(part.name))
            except ImportError:  # an extra of that library that isn't installed
                continue
    return found


def exceptions(name: str) -> list[type[BaseException]]:
    kinds = {kind for module in modules(name) for kind in vars(module).values() if isinstance(kind, type)}
    own = (kind for kind in kinds if issubclass(kind, BaseException) and kind.__module__.split(".")[0] == name)
    return sorted(own, key=lambda kind: kind.__qualname__)


ALL = [kind for name in LIBRARIES for kind in exceptions(name)]


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: f"{kind.__module__}.{kind.__qualname__}")
def test_no_exception_class_is_unmapped(kind: type[BaseException]) -> None:
    """Each class is known by itself or by a base of its own library, not by a builtin that fits anything."""
    key = key_of(kind)
    assert key is not None
    assert key.split(".")[0] == kind.__module__.split(".")[0]


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: f"{kind.__module__}.{kind.__qualname__}")
def test_every_exception_gets_words_of_the_vocabulary(kind: type[BaseException]) -> None:
    """Even an instance without any of its attributes is classified."""
    bare = kind.__new__(kind)
    failure = classify(bare)
    assert failure.outcome in OUTCOMES and failure.outcome not in ("none", "ok", "degraded", "overflow")
    assert failure.error in ERRORS and failure.error != ""
    assert failure.detail.startswith(kind.__name__)


def test_table_names_only_words_that_exist() -> None:
    """A word is an error of the vocabulary, `status` or `cause`; what a wrapper may mean is an error."""
    assert set(WORDS.values()) <= {*ERRORS, "status", "cause"}
    assert {word for words in WRAPPERS.values() for word in words} <= set(ERRORS)
    assert set(WRAPPERS) <= set(WORDS)


def raised(
    error: BaseException, inside: BaseException | None = None, context: BaseException | None = None
) -> BaseException:
    """The error as it looks after `raise error from inside`, or inside `except context`."""
    try:
        try:
            if context is not None:
                raise context
        finally:
            if inside is not None:
                raise error from inside
            raise error
    except BaseException as caught:  # noqa: BLE001 - cancellations are cases too
        return caught


REQUEST = httpx.Request("GET", "http://kato/")


def reply(status: int) -> httpx.Response:
    return httpx.Response(status, request=REQUEST)


def requests_error(status: int) -> requests.HTTPError:
    response = requests.Response()
    response.status_code = status
    return requests.HTTPError(response=response)


def exhausted(error: BaseException) -> tenacity.RetryError:
    last = tenacity.Future(3)
    last.set_exception(error)
    return tenacity.RetryError(last)


POOL = urllib3.HTTPConnectionPool("kato")
REFUSED = requests.ConnectionError(
    urllib3.exceptions.MaxRetryError(POOL, "/", urllib3.exceptions.NewConnectionError(POOL, "refused"))  # type: ignore[arg-type]
)
ABORTED = requests.ConnectionError(
    urllib3.exceptions.ProtocolError("Connection aborted.", ConnectionResetError(104, "reset"))
)
SLOW_BODY = requests.ConnectionError(urllib3.exceptions.ReadTimeoutError(POOL, "/", "Read timed out."))
FORCED = requests.exceptions.RetryError(
    urllib3.exceptions.MaxRetryError(POOL, "/", urllib3.exceptions.ResponseError("too many 503 error responses"))
)
TRIP = raised(
    pybreaker.CircuitBreakerError("Failures threshold reached, circuit breaker opened"), context=httpx.ReadTimeout("x")
)
OPEN = raised(
    pybreaker.CircuitBreakerError("Timeout not elapsed yet, circuit breaker still open"), context=httpx.ReadTimeout("x")
)
REQUEST_INFO = aiohttp.RequestInfo(url=None, method="GET", headers=None, real_url=None)  # type: ignore[arg-type]
GARBLED = raised(aiohttp.ClientResponseError(REQUEST_INFO, (), status=400), aiohttp.http_exceptions.BadStatusLine("x"))
CUT = httpx.RemoteProtocolError("peer closed connection without sending complete message body")

CASES: list[tuple[BaseException, str, str, int]] = [
    (httpx.HTTPStatusError("x", request=REQUEST, response=reply(503)), "error", "5xx", 503),
    (httpx.HTTPStatusError("x", request=REQUEST, response=reply(404)), "error", "4xx", 404),
    (requests_error(429), "error", "4xx", 429),
    (aiohttp.ClientResponseError(REQUEST_INFO, (), status=502), "error", "5xx", 502),
    (httpx.ConnectError("x"), "error", "connect_error", 0),
    (httpx.ConnectTimeout("x"), "timeout", "connect_timeout", 0),
    (httpx.ReadTimeout("x"), "timeout", "read_timeout", 0),
    (httpx.PoolTimeout("x"), "timeout", "pool_timeout", 0),
    (httpx.ReadError("x"), "error", "reset", 0),
    (httpx.RemoteProtocolError("Server disconnected without sending a response."), "error", "reset", 0),
    (CUT, "error", "protocol_error", 0),
    (REFUSED, "error", "connect_error", 0),
    (ABORTED, "error", "reset", 0),
    (SLOW_BODY, "timeout", "read_timeout", 0),
    (FORCED, "error", "retry_exhausted", 503),
    (aiohttp.ServerDisconnectedError(), "error", "reset", 0),
    (aiohttp.SocketTimeoutError(), "timeout", "read_timeout", 0),
    (aiohttp.ConnectionTimeoutError(), "timeout", "connect_timeout", 0),
    (GARBLED, "error", "protocol_error", 0),
    (OPEN, "rejected", "breaker_open", 0),
    (TRIP, "timeout", "read_timeout", 0),
    (raised(aiobreaker.CircuitBreakerError("opened", None), httpx.ConnectError("x")), "error", "connect_error", 0),  # type: ignore[arg-type]
    (circuitbreaker.CircuitBreakerError(circuitbreaker.CircuitBreaker(name="x")), "rejected", "breaker_open", 0),
    (exhausted(httpx.ConnectError("x")), "error", "retry_exhausted", 0),
    (exhausted(httpx.ReadTimeout("x")), "timeout", "retry_exhausted", 0),
    (exhausted(OPEN), "rejected", "retry_exhausted", 0),
    (exhausted(httpx.HTTPStatusError("x", request=REQUEST, response=reply(503))), "error", "retry_exhausted", 503),
    (asyncio.CancelledError(), "cancelled", "cancelled", 0),
    (TimeoutError(), "timeout", "read_timeout", 0),
    (TimeoutError(110, "Connection timed out"), "timeout", "connect_timeout", 0),
    (ConnectionRefusedError(111, "refused"), "error", "connect_error", 0),
    (json.JSONDecodeError("x", "", 0), "error", "decode", 0),
    (requests.exceptions.JSONDecodeError("x", "", 0), "error", "decode", 0),
    (KeyError("future"), "error", "client_bug", 0),
    (raised(TypeError("x"), context=httpx.ConnectError("x")), "error", "client_bug", 0),
    (raised(RuntimeError("KATO is down"), httpx.ConnectError("x")), "error", "connect_error", 0),
    (raised(RuntimeError("KATO is down"), context=httpx.ReadTimeout("x")), "timeout", "read_timeout", 0),
    (RuntimeError("no reason"), "error", "client_bug", 0),
    (ExceptionGroup("both", [httpx.ConnectError("x")]), "error", "connect_error", 0),
]  # fmt: skip


@pytest.mark.parametrize(
    ("error", "outcome", "word", "status"),
    CASES,
    ids=lambda case: type(case).__name__ if isinstance(case, BaseException) else str(case),
)
def test_what_an_exception_means(error: BaseException, outcome: str, word: str, status: int) -> None:
    """One row a case: outcome, error word and status."""
    failure = classify(error)
    assert (failure.outcome, failure.error, failure.status) == (outcome, word, status)


def test_greenlet_exit_is_a_cancellation() -> None:
    """A killed greenlet's call was cancelled."""
    greenlet = pytest.importorskip("greenlet")
    assert classify(greenlet.GreenletExit()).outcome == "cancelled"


def test_a_clients_own_breaker_is_known_by_its_name() -> None:
    """A hand-written breaker's error is a rejection, whatever failure it remembers."""
    kind = type("KatoCircuitOpen", (RuntimeError,), {})
    assert classify(raised(kind("open"), httpx.ConnectError("x"))).outcome == "rejected"
    assert classify(type("Open", (Exception,), {})()).outcome == "rejected"
    assert classify(type("OpenSessionError", (Exception,), {})()).outcome == "error"


def test_a_breaker_without_an_error_of_its_own_is_known_by_what_it_says() -> None:
    """Where nothing is wrapped; what is wrapped says more."""
    assert classify(RuntimeError("circuit breaker is open")).outcome == "rejected"
    assert classify(raised(RuntimeError("behind the breaker"), httpx.ConnectError("x"))).error == "connect_error"
    assert classify(RuntimeError("short-circuited by nobody")).outcome == "error"


def test_a_clients_own_status_error_is_known_by_its_status() -> None:
    """An unknown class that carries an HTTP status means that status."""
    error = type("KatoFailed", (Exception,), {})()
    error.status_code = 503
    assert (classify(error).error, classify(error).status) == ("5xx", 503)


def test_a_subclass_of_a_library_error_means_what_it_wraps() -> None:
    """`class KatoError(httpx.HTTPError)` raised from a ReadTimeout is a time-out."""
    kind = type("KatoError", (httpx.HTTPError,), {})
    assert classify(raised(kind("x"), httpx.ReadTimeout("x"))).error == "read_timeout"


def test_detail_is_the_chain_from_raised_to_root() -> None:
    """The chain is written raised < … < root, a repeated name once."""
    inner = raised(httpx.ConnectError("x"), ConnectionRefusedError(111, "refused"))
    assert classify(exhausted(inner)).detail == "RetryError < ConnectError < ConnectionRefusedError"


def test_a_bug_is_named_with_its_line() -> None:
    """A client bug says the file and line that raised it."""
    assert classify(raised(KeyError("future"))).detail.startswith("KeyError @ test_outcomes.py:")


def test_a_chain_that_bites_its_tail_ends() -> None:
    """A cycle of causes is followed once."""
    first, second = RuntimeError("a"), RuntimeError("b")
    first.__cause__, second.__cause__ = second, first
    assert classify(first).error == "client_bug"


def test_words_under_a_base_class() -> None:
    """A retry on httpx.RequestError covers transport failures, pool time-outs among them, and no status."""
    words = words_under(httpx.RequestError)
    assert {"connect_error", "connect_timeout", "read_timeout", "pool_timeout", "reset", "protocol_error"} <= set(words)
    assert not {"4xx", "5xx"} & set(words)
    assert words_under(httpx.HTTPStatusError) == ("4xx", "5xx")


def test_shape_is_keys_and_types() -> None:
    """Two answers of one kind have one shape, whatever their values; other keys or types have another."""
    assert (
        shape({"count": 1, "predictions": [{}]})
        == shape({"predictions": [], "count": 0})
        == "{count:int,predictions:list}"
    )
    assert shape({"predictions": [], "status": "degraded"}) != shape({"predictions": [], "count": 0})
    assert (shape(None), shape([1]), shape({"time": None})) == ("null", "list", "{time:null}")


def test_shape_shows_flags_and_the_places_of_a_tuple() -> None:
    """A flag may say what an answer is worth; a named tuple is an object."""
    told = namedtuple("told", "fine what")
    assert (shape(True), shape({"stale": False})) == ("true", "{stale:false}")
    assert (shape((False, None)), shape(told(True, [1]))) == ("(false,null)", "told{fine:true,what:list}")


def test_shape_shows_words_about_an_answers_worth() -> None:
    """A text or a member of an enumeration that says how good the answer is; other texts are texts."""
    source = Enum("source", ["KATO", "FALLBACK"])
    assert shape({"status": "Degraded", "id": "stale bread"}) == "{id:str,status:str=degraded}"
    assert (shape((source.KATO, source.FALLBACK)), shape("unavailable")) == (
        "(source,source=fallback)",
        "str=unavailable",
    )


def test_shape_shows_any_word_in_a_field_that_says_where_an_answer_comes_from() -> None:
    """ "popular" beside "kato" is a mark; a name, a number or a sentence there is none."""
    assert shape({"source": "Popular", "name": "popular"}) == "{name:str,source:str=popular}"
    assert shape({"source": Enum("Origin", ["KATO"]).KATO}) == "{source:Origin=kato}"
    for other in ("node 7", "view:product-3", "", "a" * 25, 3, None):
        assert "=" not in shape({"source": other})


def test_shape_of_an_object_names_its_public_fields() -> None:
    """A client's own result class shows its type and fields."""
    result = type("Answer", (), {})()
    result.items, result._raw = [], b""
    assert shape(result) == "Answer{items:list}"
