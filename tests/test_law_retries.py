"""Retry laws on literal histories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from law_cases import calls_of, promise, said

from harness.manifests import retry_budget
from harness.manifests.unit import Unit
from harness.mesh import load_file
from harness.policy.merge import to_mapping

RETRY = {"max_attempts": 3, "backoff": {"initial": 0.2, "multiplier": 2.0}}
THREE = promise({"retry": RETRY})
NONE = promise({"timeout": {"total": 1.0}})
Try = tuple[int, int, str | int]
"""(start, end) in ms and how it ended: a status, or an error."""


def history(calls: Sequence[Sequence[Try]], op: str = "predict", **columns: Mapping[int, str]) -> dict[str, str]:
    """Calls 10 s apart (the nth begins at n · 10 s) with their attempts, all of which arrived but refused ones.

    `columns` give further columns of calls by call id.
    """
    heads = ["call op start_ms end_ms outcome error", "call attempt start_ms end_ms result status"]
    rows: tuple[list[str], list[str], list[str]] = ([], [], [])
    for call, tries in enumerate(calls, 1):
        base, last = 10_000 * call, tries[-1][2]
        ok = isinstance(last, int) and last < 300
        error = "-" if ok else f"{last // 100}xx" if isinstance(last, int) else last
        more = " ".join(values.get(call, "-") for values in columns.values())
        outcome = "ok" if ok else "error"
        rows[0].append(f"{call} {op} {base + tries[0][0]} {base + tries[-1][1]} {outcome} {error} {more}")
        for attempt, (start, end, how) in enumerate(tries, 1):
            result, status = ("-", how) if isinstance(how, int) else (how, 0)
            rows[1].append(f"{call} {attempt} {base + start} {base + end} {result} {status}")
            if how != "connect_error":
                rows[2].append(f"{call} {attempt} {op} {base + start + 1} {base + end - 1} {status}")
    return {
        "calls": "\n".join([" ".join([heads[0], *columns]), *rows[0]]),
        "attempts": "\n".join([heads[1], *rows[1]]),
        "arrivals": "\n".join(["call attempt op arrive_ms reply_ms status", *rows[2]]),
    }


def tries(*hows: str | int, gaps: Sequence[int] = (200, 400, 800, 1600)) -> list[Try]:
    """Attempts of 10 ms with these ends, and the waits between them (ms)."""
    at, found = 0, []
    for how, gap in zip(hows, [*gaps, *gaps], strict=False):
        found.append((at, at + 10, how))
        at += 10 + gap
    return found


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

    def test_does_not_apply_without_retries(self) -> None:
        """None promised, none seen."""
        assert said("R2", NONE, **history([tries(422)])).status == "not_applicable"


class TestR3:
    """Waits follow the policy."""

    def waits(self, *gaps: int) -> dict[str, str]:
        return history([tries(503, 200, gaps=[gap]) for gap in gaps])

    def test_passes_where_waits_are_as_promised(self) -> None:
        """200 ms, then 400 ms, with the slack of a machine."""
        assert said("R3", THREE, **history([tries(503, 503, 503)] * 5)).status == "pass"
        assert said("R3", THREE, **self.waits(200, 210, 300, 440, 195)).status == "pass"

    @pytest.mark.parametrize("gap", [100, 600])
    def test_fails_where_they_are_not(self, gap: int) -> None:
        """Too short, or beyond ε."""
        found = said("R3", THREE, **self.waits(*[gap] * 5))
        assert (found.status, found.bound) == ("fail", "0.20 to 0.20 s")

    @pytest.mark.parametrize(("jitter", "gap", "status"), [
        ("full", 1, "pass"), ("full", 500, "fail"), ("equal", 100, "pass"), ("equal", 60, "fail"),
        ("decorrelated", 200, "pass"), ("decorrelated", 170, "fail"),
    ])  # fmt: skip
    def test_jitter_widens_the_interval(self, jitter: str, gap: int, status: str) -> None:
        """Full: from 0; equal: from half; decorrelated: from the initial wait."""
        backoff = {"initial": 0.2, "multiplier": 2.0, "max": 2.0, "jitter": jitter}
        assert (
            said("R3", promise({"retry": {"max_attempts": 3, "backoff": backoff}}), **self.waits(*[gap] * 5)).status
            == status
        )

    def test_one_odd_wait_in_many_is_the_machines(self) -> None:
        """One of thirty."""
        assert said("R3", THREE, **self.waits(*[200] * 29, 900)).status == "pass"

    def test_is_inconclusive_on_few(self) -> None:
        """Four waits."""
        assert said("R3", THREE, **self.waits(200, 200, 200, 200)).status == "inconclusive"

    def test_does_not_apply_where_no_back_off_is_known(self) -> None:
        """A number of attempts alone says nothing about waits."""
        assert said("R3", promise({"retry": {"max_attempts": 3}}), **self.waits(*[200] * 5)).status == "not_applicable"


class TestR4:
    """Waits are spread."""

    def spread(self, width: int, count: int = 220) -> dict[str, str]:
        gaps = [200 + (37 * n) % (width + 1) for n in range(count)]
        return history([tries(503, 200, gaps=[gap]) for gap in gaps])

    def test_passes_where_waits_differ(self) -> None:
        """Uniform over 200 ms around 300 ms."""
        assert said("R4", THREE, **self.spread(200)).status == "pass"

    def test_fails_where_they_are_alike(self) -> None:
        """Within 20 ms."""
        assert said("R4", THREE, **self.spread(20)).status == "fail"

    def test_is_inconclusive_below_200_waits(self) -> None:
        """199 of them."""
        assert said("R4", THREE, **self.spread(20, 199)).status == "inconclusive"

    def test_a_declared_lack_of_jitter_is_a_promise(self) -> None:
        """Said is said."""
        plain = promise({"retry": {"max_attempts": 3, "backoff": {"initial": 0.2, "jitter": "none"}}})
        assert said("R4", plain, **self.spread(20)).status == "not_applicable"

    def test_is_not_exercised_without_a_retry(self) -> None:
        """Nothing was tried again."""
        assert said("R4", THREE, **history([tries(200)])).status == "not_exercised"


class TestR5:
    """Retry-After is waited for."""

    def found(self, gap: int, params: str = '{"retry_after":1}', promised: Any = THREE) -> str:
        tables = history([tries(503, 200, gaps=[gap])])
        tables["arrivals"] = (
            tables["arrivals"].replace("status", "status fault", 1).replace("503", "503 wait").replace(" 200", " 200 -")
        )
        faults = f"name kind params applied_ms effective_ms cleared_ms\nwait status {params} 9000 9001 20000"
        return said("R5", promised, **tables, faults=faults).status

    def test_passes_where_the_retry_waited(self) -> None:
        """A second, less 50 ms."""
        assert self.found(960) == "pass"

    def test_fails_by_one_retry_that_came_early(self) -> None:
        """940 ms."""
        assert self.found(940) == "fail"

    def test_a_date_has_a_second_of_tolerance(self) -> None:
        """Two seconds ahead, in whole seconds."""
        assert self.found(1010, '{"retry_after":{"date":2}}') == "pass"
        assert self.found(990, '{"retry_after":{"date":2}}') == "fail"

    def test_who_declares_to_ignore_it_may(self) -> None:
        """A declaration lowers the obligation."""
        ignoring = promise({"retry": {**RETRY, "retry_after": "ignore"}})
        assert self.found(100, promised=ignoring) == "not_applicable"

    def test_is_not_exercised_without_the_header(self) -> None:
        """A plain 503."""
        assert self.found(100, "{}") == "not_exercised"


OUTAGE = "name kind applied_ms effective_ms cleared_ms\nout refuse 1 2 4000000"


class TestR6:
    """Retries add no more load than promised."""

    BUDGET = promise({"retry": {**RETRY, "budget": {"ratio": 0.2, "min_per_second": 0.0}}})

    def storm(self, retried: int, of: int = 200) -> dict[str, str]:
        calls = [tries(503, 503) if n < retried else tries(503) for n in range(of)]
        return history(calls) | {"faults": OUTAGE}

    def test_passes_within_the_budget(self) -> None:
        """A fifth of the calls was tried again."""
        assert said("R6", self.BUDGET, **self.storm(40)).status == "pass"

    def test_fails_beyond_it_and_chance(self) -> None:
        """Two fifths."""
        found = said("R6", self.BUDGET, **self.storm(80))
        assert (found.status, found.measured) == ("fail", "1.40 attempts a call")

    def test_without_a_budget_the_attempts_are_the_bound(self) -> None:
        """Two attempts a call of three promised."""
        assert said("R6", THREE, **self.storm(200)).status == "pass"
        assert said("R6", promise({"retry": {"max_attempts": 1}}), **self.storm(200)).status == "fail"

    def test_an_attempt_that_slipped_through_while_the_fault_was_set_up_is_none_of_the_failure(self) -> None:
        """Behind a breaker few attempts are left, and two successes would be a large share of them."""
        calls = [tries(200), tries(200), *(tries(503) for _ in range(20))]
        late = {"faults": "name kind applied_ms effective_ms cleared_ms\nout refuse 1 25000 4000000"}
        assert said("R6", self.BUDGET, **(history(calls) | late)).status == "pass"

    def test_is_not_exercised_by_few_calls(self) -> None:
        """Nineteen."""
        assert said("R6", self.BUDGET, **self.storm(19, 19)).status == "not_exercised"


class TestR7:
    """The budget ends a storm of retries."""

    BUDGET = TestR6.BUDGET

    def storm(self, late: int) -> dict[str, str]:
        calls = [tries(503, 503) if n < 10 or n >= 200 - late else tries(503) for n in range(200)]
        return history(calls) | {"faults": OUTAGE.replace("4000000", "2010000")}

    def test_passes_where_it_held_to_the_end(self) -> None:
        """A tenth in the second half."""
        assert said("R7", self.BUDGET, **self.storm(10)).status == "pass"

    def test_fails_where_it_was_spent_in_the_second_half(self) -> None:
        """Half of the calls."""
        assert said("R7", self.BUDGET, **self.storm(50)).status == "fail"

    def test_does_not_apply_without_a_budget(self) -> None:
        """None is promised."""
        assert said("R7", THREE, **self.storm(50)).status == "not_applicable"

    def test_is_not_exercised_without_a_total_failure(self) -> None:
        """All is well."""
        assert said("R7", self.BUDGET, **history([tries(200)] * 50), faults=OUTAGE).status == "not_exercised"


PROFILE = """
apiVersion: linkerd.io/v1alpha2
kind: ServiceProfile
metadata: {name: kato.default.svc.cluster.local}
spec:
  retryBudget: {retryRatio: 0.2, minRetriesPerSecond: 0, ttl: 10s}
  routes: [{name: predict, condition: {method: GET, pathRegex: /sessions/.*}, isRetryable: true}]
"""


@pytest.mark.parametrize(("law", "held", "broken"), [("R6", 40, 80), ("R7", 10, 50)])
def test_linkerds_budget_is_judged_like_a_clients(law: str, held: int, broken: int, tmp_path: Path) -> None:
    """What a ServiceProfile allows is a policy like any other."""
    (tmp_path / "profile.yaml").write_text(PROFILE)
    found = retry_budget(Unit(tuple(load_file(tmp_path / "profile.yaml"))))
    assert found is not None
    storm = TestR6().storm if law == "R6" else TestR7().storm
    assert said(law, promise(to_mapping(found)), **storm(held)).status == "pass"
    assert said(law, promise(to_mapping(found)), **storm(broken)).status == "fail"


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


class TestR10:
    """A rejection is neither re-tried nor slept on."""

    BOTH = promise({"retry": RETRY, "breaker": {"fail_max": 5, "reset_timeout": 3.0}})

    def rejected(self, took_ms: int, count: int = 6) -> dict[str, str]:
        calls = [f"{n} predict {1000 * n} {1000 * n + took_ms} rejected breaker_open" for n in range(2, count + 2)]
        head = "call op start_ms end_ms outcome error\n1 predict 900 910 error connect_error\n"
        attempts = "call attempt start_ms end_ms result\n1 1 900 910 connect_error"
        return {"calls": head + "\n".join(calls), "attempts": attempts}

    def test_passes_where_rejections_ended_at_once(self) -> None:
        """40 ms."""
        assert said("R10", self.BOTH, **self.rejected(40)).status == "pass"

    def test_fails_where_they_were_slept_on(self) -> None:
        """Six of six took as long as the back-off."""
        assert said("R10", self.BOTH, **self.rejected(600)).status == "fail"

    def test_b4_leaves_them_to_it(self) -> None:
        """One defect, one law."""
        assert said("B4", self.BOTH, **self.rejected(600, 30)).status != "fail"

    def test_is_inconclusive_on_few(self) -> None:
        """Four rejections."""
        assert said("R10", self.BOTH, **self.rejected(600, 4)).status == "inconclusive"

    def test_applies_to_retries_that_were_only_seen(self) -> None:
        """Nobody says that predictions are tried again; one was, and rejected ones sleep. Observes do neither."""
        breaker = promise({"breaker": {"fail_max": 5, "reset_timeout": 3.0}})
        tables = self.rejected(600, 30)
        assert said("R10", breaker, **tables).status == "not_applicable"
        assert said("B4", breaker, **tables).status == "fail"
        tables["attempts"] += "\n1 2 905 910 connect_error".replace("905", "911")
        assert said("R10", breaker, **tables).status == "fail"
        assert said("B4", breaker, **tables).status != "fail"

    def test_applies_to_a_retry_that_is_made_in_a_method(self) -> None:
        """No more is known of it than which operation makes it."""
        for op, status in (("predict", "fail"), ("observe", "not_applicable")):
            made = promise({"breaker": {"fail_max": 5, "reset_timeout": 3.0}}, {"retrying": [op]})
            assert said("R10", made, **self.rejected(600)).status == status, op

    def test_applies_to_a_breaker_that_one_operation_promises(self) -> None:
        """A breaker around predictions alone."""
        one = promise({"retry": RETRY, "calls": {"predict": {"breaker": {"fail_max": 5, "reset_timeout": 3.0}}}})
        assert said("R10", one, **self.rejected(600)).status == "fail"

    def test_does_not_apply_without_both(self) -> None:
        """Retries alone."""
        assert said("R10", THREE, **self.rejected(600)).status == "not_applicable"


class TestR11:
    """No attempt starts after the total."""

    TOTAL = promise({"timeout": {"total": 1.0}, "retry": RETRY})

    def test_passes_where_the_last_one_came_in_time(self) -> None:
        """At 1.2 s with a total of 1 s and ε."""
        assert said("R11", self.TOTAL, **history([[(0, 600, "reset"), (1200, 1210, 503)]])).status == "pass"

    def test_fails_by_one_that_came_late(self) -> None:
        """At 1.3 s."""
        found = said("R11", self.TOTAL, **history([[(0, 600, "reset"), (1300, 1310, 503)]]))
        assert (found.status, found.measured) == ("fail", "1.30 s")

    def test_fails_by_one_whose_time_outs_were_not_cut(self) -> None:
        """The second try began in time and lasted for 400 ms more than was left; T1 leaves it to this law."""
        overdue = history([[(0, 600, "reset"), (700, 1400, "read_timeout")]])
        found = said("R11", self.TOTAL, **overdue)
        assert (found.status, found.measured) == ("fail", "1.40 s")
        assert said("T1", self.TOTAL, **overdue).status != "fail"
        cut = history([[(0, 600, "reset"), (700, 1000, "read_timeout")]])
        assert said("R11", self.TOTAL, **cut).status == "pass"

    def test_is_not_exercised_far_from_the_total(self) -> None:
        """All over after 220 ms."""
        assert said("R11", self.TOTAL, **history([tries(503, 200)])).status == "not_exercised"

    def test_does_not_apply_without_a_total(self) -> None:
        """Attempts and waits alone."""
        assert said("R11", THREE, **history([tries(503, 200)])).status == "not_applicable"


class TestR12:
    """Calls don't count each other's attempts."""

    NAMED = promise({"retry": {**RETRY, "on": ["503"]}})

    def storm(self, fewer: int, of: int = 60) -> dict[str, str]:
        calls, attempts = ["call op start_ms end_ms outcome error"], ["call attempt start_ms end_ms status"]
        for call in range(1, of + 1):
            count = 1 if call <= fewer else 3
            calls.append(f"{call} predict {call} {1000 + call} error 5xx")
            attempts += [f"{call} {n} {call + 300 * n} {call + 300 * n + 10} 503" for n in range(1, count + 1)]
        return {"calls": "\n".join(calls), "attempts": "\n".join(attempts)}

    def test_passes_where_each_made_its_own(self) -> None:
        """Three each."""
        assert said("R12", self.NAMED, **self.storm(0)).status == "pass"

    def test_fails_where_some_made_fewer(self) -> None:
        """Ten of sixty gave up after one."""
        assert said("R12", self.NAMED, **self.storm(10)).status == "fail"

    def test_is_not_exercised_below_fifty_at_once(self) -> None:
        """Forty-nine."""
        assert said("R12", self.NAMED, **self.storm(10, 49)).status == "not_exercised"

    def test_does_not_apply_where_a_breaker_or_budget_may_end_them(self) -> None:
        """Fewer attempts are then right."""
        budget = promise({"retry": {**RETRY, "on": ["503"], "budget": {"ratio": 0.1}}})
        assert said("R12", budget, **self.storm(10)).status == "not_applicable"


def test_what_aiohttp_sends_again_by_itself_is_no_retry() -> None:
    """It repeats a read once when its connection was closed; what follows that is the client's own re-try."""
    closed: list[Try] = [(0, 10, "reset"), (10, 20, "reset"), (220, 230, "reset"), (230, 240, 200)]
    tables = history([closed])
    lines = tables["attempts"].splitlines()
    for via, status in (("aiohttp", "pass"), ("httpx", "fail")):
        marked = "\n".join([f"{lines[0]} via", *(f"{line} {via}" for line in lines[1:])])
        allowed = promise({"retry": {**RETRY, "max_attempts": 2}})
        assert said("R1", allowed, **{**tables, "attempts": marked}).status == status
