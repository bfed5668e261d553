"""Retry laws on literal histories: how often, what is tried again, and what the caller gets in the end."""

from __future__ import annotations

from typing import Any

import pytest
from law_cases import calls_of, promise, said
from retry_cases import NONE, RETRY, THREE, Try, history, tries


class TestR1:
    """No request is tried more often than promised."""

    def test_passes_with_three_attempts(self) -> None:
        """All three failed."""
        found = said("R1", THREE, **history([tries(503, 503, 503)]))
        assert (found.status, found.measured, found.bound) == ("pass", "3", "3")

    def test_fails_by_a_fourth(self) -> None:
        """One more."""
        found = said("R1", THREE, **history([tries(503, 503, 503, 503)]))
        assert (found.status, calls_of(found), found.measured) == ("fail", [1], "4")

    def test_a_new_request_begins_after_an_answer_of_2xx(self) -> None:
        """A client that opens its session within observe: one attempt, then three."""
        assert said("R1", THREE, **history([tries(200, 503, 503, 503)])).status == "pass"

    def test_another_operation_is_another_request(self) -> None:
        """404, a new session, and the same again: no retry at all."""
        tables = history([tries(404, 200, 200)])
        first, *rows = tables["arrivals"].split("\n")
        ops = ("observe", "open_session", "observe")
        tables["arrivals"] = "\n".join([first, *(r.replace("predict", op) for r, op in zip(rows, ops, strict=True))])
        assert said("R1", THREE, **tables).status == "not_exercised"
        assert said("R2", THREE, **tables).status == "pass"

    def test_hedges_count_apart(self) -> None:
        """The second began before the first had ended."""
        hedged: list[Try] = [(0, 100, "reset"), (50, 160, "reset"), (300, 310, 503), (700, 710, 503)]
        assert said("R1", THREE, **history([hedged])).status == "pass"

    def test_is_inconclusive_where_no_number_is_known(self) -> None:
        """Something was tried again, and nobody said how often that may be."""
        assert said("R1", NONE, **history([tries(503, 503)])).status == "inconclusive"

    def test_is_not_exercised_without_a_retry(self) -> None:
        """Everything went well at once."""
        assert said("R1", THREE, **history([tries(200)])).status == "not_exercised"

    def test_does_not_apply_to_a_client_without_retries(self) -> None:
        """None promised, none seen."""
        assert said("R1", NONE, **history([tries(503)])).status == "not_applicable"

    def test_is_inconclusive_without_hooks(self) -> None:
        """Nobody saw the attempts."""
        assert said("R1", THREE, calls=history([tries(503)])["calls"]).status == "inconclusive"


def test_r2_asks_of_each_request_what_its_own_operation_promises() -> None:
    """A call that observes, and asks what comes next: its prediction is a read, and may come again after a 503."""
    never_sent = {"observe": {"retry": {"on": ["connect_error"]}}}
    promised = promise({"retry": {**RETRY, "on": ["503"]}, "calls": never_sent})
    tables = history([tries(200, 503, 200)], "observe")
    first, observed, *asked = tables["arrivals"].split("\n")
    reads = [row.replace("observe", "predict") for row in asked]
    assert said("R2", promised, **tables).status == "fail"
    assert said("R2", promised, **{**tables, "arrivals": "\n".join([first, observed, *reads])}).status != "fail"


class TestR2:
    """What can't pass by itself is not tried again."""

    def test_passes_where_a_422_was_tried_once(self) -> None:
        """And a 503 twice."""
        assert said("R2", THREE, **history([tries(422), tries(503, 200)])).status == "pass"

    def test_fails_by_one_422_tried_again(self) -> None:
        """The second attempt is the breach."""
        found = said("R2", THREE, **history([tries(422, 422)]))
        assert (found.status, calls_of(found), "422" in found.reason) == ("fail", [1], True)

    def test_a_429_may_be_tried_again(self) -> None:
        """It asks to come back."""
        assert said("R2", THREE, **history([tries(429, 200)])).status == "not_exercised"

    def test_a_404_while_a_store_fails_is_katos_trouble(self) -> None:
        """Redis is refused."""
        faults = "name kind applied_ms effective_ms cleared_ms\nredis store 9000 9001 20000"
        assert said("R2", THREE, **history([tries(404, 200)]), faults=faults).status == "not_exercised"

    def test_a_declared_list_is_held_to(self) -> None:
        """Connect errors only: a 503 is tried once."""
        named = promise({"retry": {**RETRY, "on": ["connect_error"]}})
        assert said("R2", named, **history([tries("connect_error", 200), tries(503)])).status == "pass"
        assert said("R2", named, **history([tries(503, 200)])).status == "fail"
        only_read = promise(read={"retry": {**RETRY, "on": ["connect_error"]}})
        assert said("R2", only_read, **history([tries(503, 200)])).status == "not_exercised"

    def test_an_answer_that_nobody_can_read_is_a_failure(self) -> None:
        """200 with half a body, asked again: the policy has to name `decode`. Another operation is no retry."""
        faults = "name kind applied_ms effective_ms cleared_ms\nspoilt malformed 9000 9001 20000"
        tables = history([tries(200, 200)])
        head, first, *rest = tables["arrivals"].split("\n")
        spoilt = {**tables, "arrivals": "\n".join([f"{head} fault", f"{first} spoilt", *(f"{row} -" for row in rest)])}
        named = promise({"retry": {**RETRY, "on": ["connect_error"]}})
        found = said("R2", named, **spoilt, faults=faults)
        assert (found.status, "decode" in found.reason) == ("fail", True)
        assert said("R2", named, **tables, faults=faults).status == "not_exercised"
        decode = promise({"retry": {**RETRY, "on": ["connect_error", "decode"]}})
        assert said("R2", decode, **spoilt, faults=faults).status != "fail"
        other = {**spoilt, "arrivals": spoilt["arrivals"].replace("1 2 predict", "1 2 observe")}
        assert said("R2", named, **other, faults=faults).status != "fail"
        writes = {name: text.replace("predict", "observe") for name, text in spoilt.items()}
        assert said("R8", named, **writes, faults=faults).status == "fail"

    def test_does_not_apply_without_retries(self) -> None:
        """None promised, none seen."""
        assert said("R2", NONE, **history([tries(422)])).status == "not_applicable"


class TestR8:
    """Writes are sent again only where that is safe."""

    def found(self, *hows: str | int, op: str = "observe", promised: Any = THREE) -> str:
        return said("R8", promised, **history([tries(*hows)], op=op)).status

    def test_passes_where_a_lost_write_was_left_alone(self) -> None:
        """A time-out, and no second try."""
        assert self.found("read_timeout") == "pass"

    @pytest.mark.parametrize("how", ["read_timeout", "reset", "protocol_error", "cancelled", 500])
    def test_fails_by_one_write_sent_again(self, how: str | int) -> None:
        """It had arrived, and may have been committed."""
        assert self.found(how, 200) == "fail"
        assert self.found(how, 200, op="open_session") == "fail"

    @pytest.mark.parametrize("how", ["connect_error", "connect_timeout", 503, 429])
    def test_what_was_not_handled_may_be_sent_again(self, how: str | int) -> None:
        """Refused, or shed before KATO saw it."""
        assert self.found(how, 200) == "not_exercised"

    def test_reads_may_be_sent_again(self) -> None:
        """A prediction changes nothing."""
        assert self.found("read_timeout", 200, op="predict") == "not_exercised"

    def test_what_never_arrived_is_safe(self) -> None:
        """Lost on its way to KATO."""
        tables = history([tries("read_timeout", 200)], op="observe")
        head, _, *rows = tables["arrivals"].split("\n")
        tables["arrivals"] = "\n".join([head, *rows])
        assert said("R8", THREE, **tables).status == "not_exercised"

    def test_a_declaration_that_names_the_operation_is_a_promise(self) -> None:
        """Whoever says so has decided so."""
        declared = promise({"retry": {**RETRY, "calls": ["observe"], "on": ["timeout"]}})
        assert self.found("read_timeout", 200, promised=declared) == "pass"
        assert self.found("reset", 200, promised=declared) == "fail"

    def test_a_read_back_between_makes_it_safe(self) -> None:
        """GET /stm answered 200, then the observe came again."""
        assert self.found("read_timeout", 200, 200) == "fail"
        tables = history([tries("read_timeout", 200, 200)], op="observe")
        head, first, second, third = tables["arrivals"].split("\n")
        tables["arrivals"] = "\n".join([head, first, second.replace("observe", "other"), third])
        assert said("R8", THREE, **tables).status == "pass"

    def test_does_not_apply_without_retries(self) -> None:
        """None promised, none seen."""
        assert self.found("read_timeout", promised=NONE) == "not_applicable"


class TestR9:
    """The caller gets the failure itself."""

    def found(self, error: str, detail: str, promised: Any = THREE) -> str:
        tables = history([tries(503, 503, 503)], detail={1: detail})
        tables["calls"] = tables["calls"].replace("5xx", error)
        return said("R9", promised, **tables).status

    def test_passes_where_the_failure_came_through(self) -> None:
        """HTTPStatusError, or a wrapper of the client's own."""
        assert self.found("5xx", "HTTPStatusError") == "pass"
        assert self.found("5xx", "KatoUnavailable<HTTPStatusError") == "pass"

    def test_fails_by_one_retry_error(self) -> None:
        """tenacity without reraise=True."""
        assert self.found("retry_exhausted", "RetryError<HTTPStatusError") == "fail"

    def test_requests_documents_its_own(self) -> None:
        """requests.RetryError around urllib3's."""
        assert self.found("retry_exhausted", "RetryError<MaxRetryError<ResponseError") == "pass"
        assert self.found("retry_exhausted", "MaxRetryError<ResponseError") == "pass"

    def test_fails_by_one_retry_error_around_requests(self) -> None:
        """tenacity's, around what requests and urllib3 say of a refused connection."""
        chain = "RetryError<ConnectionError<MaxRetryError<NewConnectionError"
        assert self.found("retry_exhausted", chain) == "fail"

    def test_fails_by_one_bug_in_the_error_handling(self) -> None:
        """A TypeError is no failure of KATO's; an unknown class of the client's own is."""
        assert self.found("client_bug", "TypeError") == "fail"
        assert self.found("client_bug", "KatoGone") == "pass"

    def test_who_declares_a_retry_error_may_raise_it(self) -> None:
        """reraise: false."""
        declared = promise({"retry": {**RETRY, "reraise": False}})
        assert self.found("retry_exhausted", "RetryError<HTTPStatusError", declared) == "pass"

    def test_is_not_exercised_where_a_retry_succeeded(self) -> None:
        """No attempts were used up."""
        assert said("R9", THREE, **history([tries(503, 200)])).status == "not_exercised"


def test_what_aiohttp_sends_again_by_itself_is_no_retry() -> None:
    """It repeats a read once when its connection was closed; what follows that is the client's own re-try."""
    closed: list[Try] = [(0, 10, "reset"), (10, 20, "reset"), (220, 230, "reset"), (230, 240, 200)]
    tables = history([closed])
    lines = tables["attempts"].splitlines()
    for via, status in (("aiohttp", "pass"), ("httpx", "fail")):
        marked = "\n".join([f"{lines[0]} via", *(f"{line} {via}" for line in lines[1:])])
        allowed = promise({"retry": {**RETRY, "max_attempts": 2}})
        assert said("R1", allowed, **{**tables, "attempts": marked}).status == status
