"""Laws of front services on literal histories."""

from __future__ import annotations

from typing import Any

import pytest
from law_cases import calls_of, promise, said

from harness.integrations.front import INSIDE

NOTHING = promise({"timeout": {"total": 3.0}})
FRONT: dict[str, Any] = {"subject": {"ours": True, "url": "http://127.0.0.1:1", "exits": []}}
CALLS = "call op user start_ms end_ms outcome error status detail"
FAULTS = "name kind applied_ms cleared_ms params"


def v1(kind: str, status: int, detail: str = "HTTPStatusError", facts: dict[str, Any] | None = None) -> Any:
    """A request of 100 ms in the middle of a fault of 2 s."""
    calls = f"{CALLS}\n1 observe u 2000 2100 error 5xx {status} {detail}"
    return said(
        "V1", NOTHING, FRONT if facts is None else facts, calls=calls, faults=f"{FAULTS}\nf {kind} 1000 3000 {{}}"
    )


@pytest.mark.parametrize(("kind", "status"), [("refuse", 503), ("latency", 504), ("timeout", 504), ("status", 502)])
def test_v1_passes_when_the_status_tells_the_cause(kind: str, status: int) -> None:
    assert v1(kind, status).status == "pass"
    assert v1(kind, 503).status == "pass", "an open breaker"


@pytest.mark.parametrize(("kind", "status"), [("refuse", 500), ("latency", 502), ("refuse", 504), ("status", 504)])
def test_v1_fails_when_it_tells_another(kind: str, status: int) -> None:
    """And 500 tells nothing."""
    verdict = v1(kind, status)
    assert verdict.status == "fail" and calls_of(verdict) == [1]


def first(kind: str, *answers: tuple[int, int], params: str = "{}", before: str = "ok - 200") -> Any:
    """Answers (status, ms it took) within a fault of 4 s, after an answer in peace."""
    rows = [f"{n} observe u {2000 + 100 * n} {2000 + 100 * n + ms} error 5xx {told} HTTPStatusError"
            for n, (told, ms) in enumerate(answers, 2)]  # fmt: skip
    calls = "\n".join([CALLS, f"1 observe u 500 600 {before} -", *rows])
    return said("V1", NOTHING, FRONT, calls=calls, faults=f"{FAULTS}\nf {kind} 1000 6000 {params}")


def test_v1_takes_503_for_an_open_breakers_only_after_a_failure() -> None:
    """A breaker has no reason to be open when the first failure comes after peace; KATO's own 503 may be passed on."""
    assert calls_of(first("status", (503, 20), (503, 20), params='{"status":500}')) == [2, 3]
    assert first("status", (502, 20), (503, 1), params='{"status":500}').status == "pass"
    assert first("status", (503, 20), params='{"status":503}').status == "pass"
    assert first("status", (503, 20), before="error 5xx 502").status == "pass"


def test_v1_knows_a_time_out_that_is_called_503_by_its_length() -> None:
    """A breaker or a full bulkhead rejects at once."""
    assert calls_of(first("latency", (503, 900))) == [2]
    assert first("latency", (503, 5)).status == "pass"
    assert first("latency", (504, 900), (503, 900)).status == "pass"


def test_v1_fails_where_the_caller_is_blamed() -> None:
    """404 for a KATO that is away; a status that callers get in peace too says nothing of the fault."""
    assert calls_of(first("refuse", (404, 5))) == [2]
    assert first("refuse", (429, 5)).status == "not_exercised"
    assert first("refuse", (422, 5), before="error 4xx 422").status == "not_exercised"


@pytest.mark.parametrize("text", [
    "upstream: ReadTimeout('')", "HTTPConnectionPool(host='kato', port=8000): Max retries exceeded",
    'File "/srv/app.py", line 3', "http://kato:8000/sessions", "https://kato.prod.svc.cluster.local/sessions",
    "[Errno 111] refused", "KeyError: 'session_id'", "Cannot connect to host kato:80",
])  # fmt: skip
def test_the_inside_is_known_by_its_words(text: str) -> None:
    """Addresses within, exceptions, files."""
    assert INSIDE.search(text)


@pytest.mark.parametrize("text", [
    '{"type": "https://example.com/problems/upstream-timeout", "title": "Gateway Timeout", "status": 504}',
    '{"error": {"type": "ServiceUnavailableError", "message": "try again later"}}', '{"code": "GatewayTimeout"}',
])  # fmt: skip
def test_an_apis_own_words_are_no_inside(text: str) -> None:
    """Problem details (RFC 9457), an error type of the API."""
    assert not INSIDE.search(text)


def test_v1_fails_on_words_of_the_inside() -> None:
    """An exception's text, an address."""
    assert v1("refuse", 503, "LeakedInternalsError").status == "fail"


def test_v1_applies_to_fronts_alone() -> None:
    assert v1("refuse", 503, facts={}).status == "not_applicable"


def test_v1_excuses_what_the_end_of_a_fault_cuts() -> None:
    """Requests that hang in a black hole are reset when it goes, a moment before anybody has noted that."""
    for end, status in ((2900, "not_exercised"), (2700, "fail")):
        calls = f"{CALLS}\n1 observe u 0 10 ok - 200 -\n2 observe u 1500 {end} error 5xx 502 HTTPStatusError"
        found = said("V1", NOTHING, FRONT, calls=calls, faults=f"{FAULTS}\nf timeout 1000 3000 {{}}")
        assert found.status == status, found


def test_v1_is_not_exercised_by_a_request_that_meets_two_faults() -> None:
    """Its status may tell of either."""
    calls = f"{CALLS}\n1 observe u 2000 2100 error 5xx 502 HTTPStatusError"
    faults = f"{FAULTS}\na refuse 1000 3000 {{}}\nb latency 1000 3000 {{}}"
    assert said("V1", NOTHING, FRONT, calls=calls, faults=faults).status == "not_exercised"


def v2(*arrivals: tuple[int, str], outcome: str = "timeout") -> Any:
    """A caller who went away at 1,000 ms and came again at 5,000 ms; arrivals at (ms, user)."""
    calls = f"{CALLS}\n1 observe u 0 1000 {outcome} read_timeout 0 -\n2 observe u 5000 5100 ok - 200 -"
    seen = "\n".join(["call op node_id arrive_ms status", *(f"0 observe {user} {at} 200" for at, user in arrivals)])
    return said("V2", NOTHING, FRONT, calls=calls, arrivals=seen)


def test_v2_passes_when_nothing_was_begun_afterwards() -> None:
    """What had begun before, and what others do, is none of it; nor is the user's next call."""
    assert v2((500, "u"), (1100, "u"), (2000, "v"), (5050, "u")).status == "pass"


def test_v2_fails_when_the_work_went_on() -> None:
    verdict = v2((500, "u"), (2000, "u"), (3000, "u"))
    assert verdict.status == "fail" and verdict.witnesses[0]["begun_afterwards"] == 2


def test_v2_can_tell_nothing_of_callers_whose_requests_nobody_knows() -> None:
    """On nodes of other names, unless one of their requests was told to be of a call; a shared one is nobody's."""
    assert v2((500, "x"), (2000, "x")).status == "inconclusive"
    calls = f"{CALLS}\n1 observe u 0 1000 timeout read_timeout 0 -\n2 observe w 4000 4100 ok - 200 -"
    seen = (
        "call op node_id session arrive_ms status\n{} observe x s 500 200\n{} observe x s 600 200\n0 observe - s 3000 0"
    )
    assert said("V2", NOTHING, FRONT, calls=calls, arrivals=seen.format(1, 1)).status == "fail"
    assert said("V2", NOTHING, FRONT, calls=calls, arrivals=seen.format(1, 2)).status == "inconclusive"


def test_v2_is_not_exercised_when_all_callers_stayed() -> None:
    assert v2((500, "u"), outcome="ok").status == "not_exercised"
