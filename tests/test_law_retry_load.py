"""Retry laws on literal histories: the load that retries add, alone, behind a breaker and many at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from law_cases import promise, said
from retry_cases import RETRY, THREE, history, tries

from harness.manifests import retry_budget
from harness.manifests.unit import Unit
from harness.mesh import load_file
from harness.policy.merge import to_mapping

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

    def test_b4_leaves_those_of_other_operations_that_slept_as_well(self) -> None:
        """Observes are promised no re-tries, and slept on their rejections like predictions do."""
        own = promise({"calls": {"predict": {"retry": RETRY}}, "breaker": {"fail_max": 5, "reset_timeout": 3.0}})
        tables = self.rejected(600, 60)
        for odd in range(3, 62, 2):
            tables["calls"] = tables["calls"].replace(f"\n{odd} predict", f"\n{odd} observe")
        assert said("R10", own, **tables).status == "fail"
        assert said("B4", own, **tables).status != "fail"
        assert said("B4", own, **{**tables, "calls": tables["calls"].replace("predict", "observe")}).status == "fail"

    def test_who_queued_in_the_client_before_it_was_rejected_did_not_sleep(self) -> None:
        """Twenty calls wait for each other's attempts of 300 ms, B8's matter, and the last ten of them are refused."""
        calls, attempts = ["call op start_ms end_ms outcome error"], ["call attempt start_ms end_ms result"]
        for n in range(1, 21):
            refused = n > 10
            end = 4000 if refused else 1000 + 300 * n
            calls.append(f"{n} predict {1000 + n} {end} {'rejected breaker_open' if refused else 'error read_timeout'}")
            attempts += [] if refused else [f"{n} 1 {700 + 300 * n} {1000 + 300 * n} read_timeout"]
        tables = {"calls": "\n".join(calls), "attempts": "\n".join(attempts)}
        assert said("B8", self.BOTH, **tables).status == "fail"
        assert said("R10", self.BOTH, **tables).status == "not_exercised"

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
