"""Discovery laws on literal histories: who got requests, and what the registry's trouble cost; one row fails each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from law_cases import calls_of, promise, said

from harness.model import Verdict

CONSUL = {"kind": "consul", "what": "stand-in", "address": "service", "interval_s": 1.0, "timeout_s": 0.2, "scale": 0.1}
DNS = {"kind": "dns", "what": "stub resolver", "ttl_s": 1, "scale": 0.1, "leaves": [0]}
CALL = "call op start_ms end_ms outcome"
ARRIVAL = "call op instance arrive_ms"
ATTEMPT = "call attempt start_ms end_ms result status"
FAULT = "name kind applied_ms cleared_ms params"
BOUNDED = {"timeout": {"connect": 0.5, "read": 0.5, "total": 1.0}}


def facts(registry: Mapping[str, Any] = CONSUL, replicas: int = 3, **more: Any) -> dict[str, Any]:
    return {"registry": {**registry, **more}, "replicas": replicas}


def judged(law: str, told: Mapping[str, Any], *calls: str, **tables: list[str]) -> Verdict:
    """The verdict on rows of each table."""
    heads = {"arrivals": ARRIVAL, "attempts": ATTEMPT, "faults": FAULT}
    texts = {name: "\n".join([heads[name], *rows]) for name, rows in tables.items()}
    return said(law, promise(BOUNDED), told, calls="\n".join([CALL, *calls]), **texts)


@pytest.mark.parametrize("law", ["S1", "S2", "S3", "S4", "S5"])
def test_without_a_registry_its_laws_do_not_apply(law: str) -> None:
    assert judged(law, {}, "1 observe 0 40 ok").status == "not_applicable"


@pytest.mark.parametrize(("law", "registry"), [("S1", DNS), ("S2", DNS), ("S3", DNS), ("S5", DNS), ("S4", CONSUL)])
def test_a_law_of_the_other_registry_does_not_apply(law: str, registry: Mapping[str, Any]) -> None:
    assert judged(law, facts(registry), "1 observe 0 40 ok").status == "not_applicable"


class TestS1:
    """2 × 1 s + 0.2 s + ε after instance 2 was down nothing goes there any more."""

    KILLED = 'gone kill 10000 20000 {"only":{"instance":2}}'
    UNWELL = 'bad status 10000 20000 {"only":{"instance":2,"op":"observe"}}'
    CALLS = ("1 observe 9000 9040 ok", "2 observe 12400 12440 ok", "3 observe 15000 15040 ok")

    def judged(self, fault: str, *arrivals: str, attempts: list[str] | None = None) -> Verdict:
        tables = {"faults": [fault], "arrivals": list(arrivals)} | ({"attempts": attempts} if attempts else {})
        return judged("S1", facts(), *self.CALLS, **tables)

    @pytest.mark.parametrize("fault", [KILLED, UNWELL])
    def test_passes_where_it_got_nothing_later_than_its_checks_take(self, fault: str) -> None:
        found = self.judged(fault, "1 observe 2 9001", "2 observe 2 12401", "3 observe 1 15001")
        assert (found.status, found.bound) == ("pass", "2.45 s")

    @pytest.mark.parametrize(("fault", "words"), [(KILLED, ""), (UNWELL, "because its check went on passing")])
    def test_fails_for_one_request_later(self, fault: str, words: str) -> None:
        found = self.judged(fault, "1 observe 2 9001", "2 observe 2 12401", "3 observe 2 15001")
        assert (found.status, calls_of(found)) == ("fail", [3])
        assert words in found.reason

    def test_fails_for_an_attempt_that_a_dead_instance_refused(self) -> None:
        """It never arrives anywhere."""
        tries = ["1 1 9000 9040 - 200", "2 1 12400 12440 - 200", "3 1 15000 15010 reset 0"]
        found = self.judged(self.KILLED, "1 observe 2 9001", "2 observe 0 12401", attempts=tries)
        assert (found.status, calls_of(found)) == ("fail", [3])

    def test_an_attempt_that_another_fault_broke_is_not_held_against_it(self) -> None:
        tries = ["1 1 9000 9040 - 200", "2 1 12400 12440 - 200", "3 1 15000 15010 reset 0"]
        faults = [self.KILLED, 'cut reset_peer 14900 15100 {"only":{"instance":0}}']
        rows = {"faults": faults, "attempts": tries, "arrivals": ["1 observe 2 9001"]}
        assert judged("S1", facts(), *self.CALLS, **rows).status == "pass"

    def test_its_own_checks_are_no_requests(self) -> None:
        assert self.judged(self.KILLED, "1 observe 2 9001", "0 - 2 15001").status == "pass"

    def test_is_not_exercised_by_a_fault_that_its_checks_outlast_or_that_is_not_one_instances(self) -> None:
        assert (
            self.judged('gone kill 10000 12400 {"only":{"instance":2}}', "1 observe 2 9001").status == "not_exercised"
        )
        assert self.judged("gone kill 10000 20000 {}", "1 observe 2 9001").status == "not_exercised"

    def test_an_instance_that_nobody_asks_is_left_alone_by_nobodys_merit(self) -> None:
        """The guide's client knows the first one only."""
        assert self.judged(self.KILLED, "1 observe 0 9001", "3 observe 0 15001").status == "not_exercised"


@pytest.mark.parametrize("law", ["S1", "S2", "S3", "S5"])
def test_a_client_that_takes_no_registry_asks_none(law: str) -> None:
    """It speaks to the one URL that it was given: nothing of this is its doing."""
    assert judged(law, facts() | {"asks_registry": False}, "1 observe 0 40 ok").status == "not_applicable"


class TestS2:
    """Three instances get alike."""

    def judged(self, *shares: int, fault: str = "") -> Verdict:
        where = [instance for instance, share in enumerate(shares) for _ in range(share)]
        calls = [f"{n} observe {n} {n + 1} ok" for n in range(1, len(where) + 1)]
        rows = [f"{n} observe {instance} {n}" for n, instance in enumerate(where, 1)]
        return judged("S2", facts(), *calls, arrivals=rows, **({"faults": [fault]} if fault else {}))

    def test_passes_for_thirds(self) -> None:
        assert self.judged(100, 101, 99).status == "pass"

    def test_fails_for_the_first_of_the_list(self) -> None:
        found = self.judged(300, 0, 0)
        assert (found.status, "100% / 0% / 0%" in found.reason) == ("fail", True)

    @pytest.mark.parametrize(("shares", "status"), [((118, 91, 91), "pass"), ((132, 84, 84), "fail")])
    def test_chance_is_told_from_preference_at_one_percent(self, shares: tuple[int, ...], status: str) -> None:
        """χ² with two degrees of freedom is 9.21 at 1 %: 4.86 and 15.4."""
        assert self.judged(*shares).status == status

    def test_needs_three_hundred_requests(self) -> None:
        assert self.judged(100, 100, 99).status == "inconclusive"

    def test_what_went_elsewhere_under_a_fault_says_nothing(self) -> None:
        assert self.judged(100, 100, 100, fault="gone kill 250 400 {}").status == "inconclusive"

    def test_two_instances_get_halves(self) -> None:
        """Three hundred requests."""
        where = [n % 2 for n in range(300)]
        calls = [f"{n} observe {n} {n + 1} ok" for n in range(1, 301)]
        rows = [f"{n} observe {instance} {n}" for n, instance in enumerate(where, 1)]
        assert judged("S2", facts(replicas=2), *calls, arrivals=rows).measured == "50% / 50%, p = 1"

    def test_one_instance_has_nothing_to_spread_over(self) -> None:
        assert judged("S2", facts(replicas=1), "1 observe 0 1 ok").status == "not_applicable"


class TestS3:
    """The registry is silent from 10 to 20 s."""

    CALM = tuple(f"{n} observe {n * 100} {n * 100 + 20} ok" for n in range(1, 51))
    SILENT = 'silence timeout 10000 20000 {"only":{"part":"registry"}}'

    def judged(self, *rows: str, fault: str = SILENT) -> Verdict:
        return judged("S3", facts(), *self.CALM, *rows, faults=fault.split("\n"))

    @pytest.mark.parametrize("fault", [SILENT, 'nobody registry 10000 20000 {"mode":"missing"}'])
    def test_passes_where_calls_go_on(self, fault: str) -> None:
        assert self.judged("60 observe 12000 12030 ok", fault=fault).status == "pass"

    def test_fails_for_one_call_that_failed(self) -> None:
        found = self.judged("60 observe 12000 12030 ok", "61 observe 13000 13030 error")
        assert (found.status, calls_of(found)) == ("fail", [61])

    def test_fails_for_one_call_that_waited(self) -> None:
        found = self.judged("60 observe 12000 12030 ok", "61 observe 13000 13300 ok")
        assert (found.status, calls_of(found)) == ("fail", [61])
        assert "slower" in found.reason

    def test_what_failed_while_an_instance_was_down_too_says_nothing(self) -> None:
        both = f'{self.SILENT}\ngone kill 12500 14000 {{"only":{{"instance":0}}}}'
        rows = ("60 observe 12000 12030 ok", "61 observe 13000 13030 error")
        assert self.judged(*rows, fault=both).status == "pass"

    def test_is_not_exercised_by_a_fault_of_kato(self) -> None:
        assert self.judged("60 observe 12000 12030 ok", fault="gone refuse 10000 20000 {}").status == "not_exercised"


class TestS4:
    """The name moves at 10 s; 1 s of TTL, 0.5 s of keep-alive and ε later instance 0 is left."""

    MOVED = 'moved registry 10000 20000 {"mode":"moved"}'
    MISSING = 'nobody registry 10000 20000 {"mode":"missing"}'
    CALLS = ("1 observe 9000 9040 ok", "2 observe 11600 11640 ok", "3 observe 15000 15040 ok")

    def test_passes_where_the_old_address_is_left_in_time(self) -> None:
        rows = ["1 observe 0 9001", "2 observe 0 11601", "3 observe 1 15001"]
        found = judged("S4", facts(DNS), *self.CALLS, arrivals=rows, faults=[self.MOVED])
        assert (found.status, found.bound) == ("pass", "1.75 s")
        assert "a moved name was followed" in found.reason

    def test_fails_for_one_call_to_the_old_address(self) -> None:
        rows = ["1 observe 0 9001", "2 observe 0 11601", "3 observe 0 15001"]
        found = judged("S4", facts(DNS), *self.CALLS, arrivals=rows, faults=[self.MOVED])
        assert (found.status, calls_of(found)) == ("fail", [3])

    @pytest.mark.parametrize(("took", "status"), [(1200, "pass"), (1300, "fail")])
    def test_a_name_that_is_not_to_be_had_holds_no_call_beyond_its_time_outs(self, took: int, status: str) -> None:
        """1 s in all, and ε."""
        late = f"4 predict 12000 {12000 + took} error"
        found = judged("S4", facts(DNS), *self.CALLS, late, faults=[self.MISSING])
        assert (found.status, calls_of(found)) == (status, [4] if status == "fail" else [])

    def test_is_not_exercised_where_names_are_answered(self) -> None:
        assert judged("S4", facts(DNS), *self.CALLS).status == "not_exercised"


class TestS5:
    """Service.Address is empty."""

    TOLD = facts(address="node", replicas=2)

    def test_passes_where_calls_find_their_way(self) -> None:
        assert judged("S5", self.TOLD, "1 observe 0 40 ok", arrivals=["1 observe 0 10"]).status == "pass"

    def test_fails_for_one_call_that_reached_nobody(self) -> None:
        found = judged("S5", self.TOLD, "1 observe 0 40 ok", "2 observe 50 90 error", arrivals=["1 observe 0 10"])
        assert (found.status, calls_of(found)) == ("fail", [2])

    def test_a_call_that_failed_at_kato_found_its_way(self) -> None:
        rows = ["1 observe 0 10", "2 observe 1 60"]
        assert judged("S5", self.TOLD, "1 observe 0 40 ok", "2 observe 50 90 error", arrivals=rows).status == "pass"

    def test_what_failed_under_a_fault_says_nothing(self) -> None:
        rows = {"arrivals": ["1 observe 0 10"], "faults": ["gone refuse 45 100 {}"]}
        assert judged("S5", self.TOLD, "1 observe 0 40 ok", "2 observe 50 90 error", **rows).status == "pass"

    def test_is_not_exercised_where_services_have_addresses(self) -> None:
        assert judged("S5", facts(), "1 observe 0 40 ok").status == "not_exercised"
