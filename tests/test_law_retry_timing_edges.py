"""Laws about when something is sent again, at their edges: the last moment that is in time, and what is named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from law_cases import promise, said, whole
from retry_cases import RETRY, THREE, Try, history, tries


def waits(*gaps: int, op: str = "predict") -> dict[str, str]:
    """Calls that were tried twice, with these waits between."""
    return history([tries(503, 200, gaps=[gap]) for gap in gaps], op)


def backing(jitter: str = "none", **more: float) -> Any:
    """The promise of a back-off."""
    return promise({"retry": {"max_attempts": 4, "backoff": {"initial": 0.2, "jitter": jitter, **more}}})


class TestR3:
    """Waits follow the policy."""

    def test_names_the_calls_and_says_what_their_waits_were(self) -> None:
        """Five of six: 0.6 s, where 0.2 are promised."""
        tables = waits(200, *[600] * 5)
        assert whole("R3", THREE, **tables) == ("fail", [2, 3, 4, 5, 6], "5 of 6 outside", "0.20 to 0.20 s", 5 / 6)
        assert "(median 0.60 s)" in said("R3", THREE, **tables).reason
        assert whole("R3", THREE, **waits(*[200] * 5))[:3] == ("pass", [], "0 of 5 outside")
        assert whole("R3", THREE, **waits(*[600] * 4))[:3] == ("inconclusive", [], "4 of 4 outside")

    @pytest.mark.parametrize(("gap", "status"), [(450, "pass"), (451, "fail"), (180, "pass"), (179, "fail")])
    def test_the_last_moments_are_inside(self, gap: int, status: str) -> None:
        """20 ms too early, ε too late."""
        assert said("R3", THREE, **waits(*[gap] * 5)).status == status

    @pytest.mark.parametrize(("promised", "least", "most"), [
        (backing("equal"), 100, 200), (backing("full"), 0, 200), (backing("decorrelated"), 200, 600),
        (backing("decorrelated", max=0.5), 200, 500), (backing("none", max=0.1), 100, 100),
        (backing("added", spread=0.3), 200, 500), (backing("added", spread=0.3, max=0.4), 100, 400),
        (backing("added", spread=0.3, first=0.1), 100, 100),
    ])  # fmt: skip
    def test_says_the_interval_of_each_jitter(self, promised: Any, least: int, most: int) -> None:
        """Everybody waited far too long."""
        found = said("R3", promised, **waits(*[2000] * 5))
        assert (found.status, found.bound) == ("fail", f"{least / 1000:.2f} to {most / 1000:.2f} s")

    def test_lag_of_the_harness_is_allowed_for(self) -> None:
        """Waits were 60 ms longer than 250 allow, while the generator slept for as long: it is part of ε, once."""
        samples = "\n".join(["process time_ms lag_ms", *(f"generator {10_000 * n + 400} 60" for n in range(1, 6))])
        assert said("R3", THREE, **waits(*[510] * 5)).status == "fail"
        for wait, status in ((510, "pass"), (511, "fail")):
            assert said("R3", THREE, **waits(*[wait] * 5), samples=samples).status == status

    def test_waits_of_an_operation_without_back_off_are_nobodys_matter(self) -> None:
        """Observes promise none, whatever predictions do; nor do those that have no policy at all."""
        own = promise({"calls": {"observe": {"retry": {"max_attempts": 3}}, "predict": {"retry": RETRY}}})
        assert said("R3", own, **waits(*[2000] * 5)).status == "fail"
        assert said("R3", own, **waits(*[2000] * 5, op="observe")).status == "not_exercised"
        one = promise({"calls": {"predict": {"retry": RETRY}}})
        assert said("R3", one, **waits(*[2000] * 5, op="observe")).reason.startswith(
            "nothing was tried again; it takes"
        )
        mixed = waits(*[2000] * 6)
        mixed["calls"] = mixed["calls"].replace("1 predict", "1 observe")
        for promised in (own, one):
            assert said("R3", promised, **mixed).measured == "5 of 5 outside"

    def test_re_tries_without_any_wait_are_none_of_a_jitter_that_starts_at_nothing(self) -> None:
        """A tenth of 0.4 s is none: nor is what waited a moment longer."""
        for gap, status in ((39, "fail"), (40, "pass")):
            found = whole("R3", backing("full"), **history([tries(503, 503, 200, gaps=[0, gap])] * 10))
            assert found[0] == status
            assert status == "pass" or found[1:3] == ([1, 2, 3, 4, 5], "10 of 10 hasty")

    def test_no_re_try_without_attempts(self) -> None:
        """Nobody saw them."""
        for law in ("R3", "R4", "R5", "R6", "R11", "R12"):
            promised = promise({"retry": RETRY, "timeout": {"total": 1.0}})
            assert said(law, promised, calls=history([tries(503, 503)])["calls"]).status == "inconclusive", law

    def test_a_few_odd_waits_tell_nothing(self) -> None:
        """One of twenty is the machine's; two are too many for a pass and too few for a failure."""
        for odd, status in ((1, "pass"), (2, "inconclusive")):
            found = said("R3", THREE, **waits(*[200] * (20 - odd), *[900] * odd))
            assert (found.status, found.measured) == (status, f"{odd} of 20 outside")


class TestR4:
    """Waits are spread."""

    def test_says_how_much(self) -> None:
        """Not at all; by 17 % around 300 ms."""
        found = whole("R4", THREE, **waits(*[200] * 200))
        assert found == ("fail", [1, 2, 3, 4, 5], "spread 0.000", "at least 0.1", None)
        spread = whole("R4", THREE, **waits(*[250, 350] * 100))
        assert spread == ("pass", [], "spread 0.167", "at least 0.1", None)
        assert said("R4", THREE, **waits(*[200] * 199)).status == "inconclusive"
        assert whole("R4", THREE, **waits(*[270, 330] * 100))[:3] == ("pass", [], "spread 0.100")

    def test_says_whether_they_differ_at_all(self) -> None:
        """By less than a hundredth they are alike; by a twentieth they differ by no more."""
        for gaps, words in (([200] * 200, "are all alike:"), ([190, 210] * 100, "differ by 5% only:")):
            assert words in said("R4", THREE, **waits(*gaps)).reason
        assert "are all alike:" in said("R4", THREE, **waits(*[200] * 199, 201)).reason

    def test_each_re_try_is_compared_with_those_of_its_number(self) -> None:
        """First waits of 0.2 s and second ones of 0.4 are no spread."""
        assert whole("R4", THREE, **history([tries(503, 503, 503)] * 100))[2] == "spread 0.000"

    def test_waits_must_stand_out_of_the_lag(self) -> None:
        """Twenty times as long: of at least a millisecond, and of what was seen."""
        for gap, status in ((20, "fail"), (19, "not_exercised")):
            assert said("R4", THREE, **waits(*[gap] * 200)).status == status
        samples = "\n".join(["process time_ms lag_ms", *(f"generator {10_000 * n + 100} 11" for n in range(1, 201))])
        assert said("R4", THREE, **waits(*[200] * 200), samples=samples).status == "not_exercised"


class TestR5:
    """Retry-After is waited for."""

    def tables(self, *calls: list[Try], kind: str = "status", params: str = '{"retry_after":1}') -> dict[str, str]:
        """Calls under that fault, which made every answer that is no 200; a fault without any wish came before."""
        tables = history(calls)
        head, *rows = tables["arrivals"].splitlines()
        rows = [f"{row} {'-' if row.endswith(' 200') else 'wait'}" for row in rows]
        faults = "name kind params applied_ms effective_ms cleared_ms\nslow latency {} 1 2 3\n"
        faults += f"wait {kind} {params} 9000 9001 90000"
        return {**tables, "arrivals": "\n".join([f"{head} fault", *rows]), "faults": faults}

    def test_names_the_calls_and_the_soonest(self) -> None:
        """Two of three re-tries, after 0.3 and 0.5 s."""
        calls = [tries(503, 200, gaps=[gap]) for gap in (500, 300, 1000)]
        assert whole("R5", THREE, **self.tables(*calls)) == ("fail", [1, 2], "0.30 s", "0.95 s", 2 / 3)
        assert whole("R5", THREE, **self.tables(calls[2]))[:3] == ("pass", [], "at least 1.00 s")

    @pytest.mark.parametrize(("params", "least"), [
        ('{"retry_after":1}', 950), ('{"retry_after":"1"}', 950), ('{"retry_after":0.5}', 950),
        ('{"retry_after":{"date":3}}', 2000), ('{"retry_after":"{\\"date\\":3}"}', 2000),
    ])  # fmt: skip
    def test_every_form_has_its_tolerance(self, params: str, least: int) -> None:
        """Whole seconds, less 50 ms; a date, less a second."""
        for gap, status in ((least, "pass"), (least - 1, "fail")):
            assert said("R5", THREE, **self.tables(tries(503, 200, gaps=[gap]), params=params)).status == status

    def test_a_quota_asks_for_a_second(self) -> None:
        """429, with the seconds that are left."""
        for gap, status in ((950, "pass"), (949, "fail")):
            calls = self.tables(tries(429, 200, gaps=[gap]), kind="quota", params="{}")
            assert said("R5", THREE, **calls).status == status

    def test_only_answers_ask(self) -> None:
        """What was refused on the way back from such an answer, or failed before it, was asked for nothing."""
        found = said("R5", THREE, **self.tables([(0, 10, "connect_error"), (20, 30, 503)]))
        assert found.reason.startswith("nothing was sent again after an answer with Retry-After")
        assert said("R5", THREE, **self.tables(tries(200))).reason.startswith("no answer had Retry-After")
        assert said("R5", THREE, **self.tables(tries(400, 200))).status == "fail"
        other = self.tables(tries(503, 200), kind="latency")
        assert said("R5", THREE, **other).status == "not_exercised"

    def test_an_answer_of_another_ones_asks_for_nothing(self) -> None:
        """KATO's own 503 beside the fault's."""
        tables = self.tables(tries(503, 200))
        tables["arrivals"] = tables["arrivals"].replace("wait", "-")
        assert said("R5", THREE, **tables).reason.startswith("no answer had Retry-After")

    def test_a_wait_that_was_asked_for_is_no_jitter(self) -> None:
        """Two hundred of a second each."""
        tables = self.tables(*[tries(503, 200, gaps=[1000])] * 200)
        assert said("R4", THREE, **tables).status == "not_exercised"

    def test_a_wait_that_was_asked_for_is_none_of_the_back_off(self) -> None:
        """A second each, five times, where 0.2 s are promised; without arrivals nobody knows of it."""
        tables = self.tables(*[tries(503, 200, gaps=[1000])] * 5)
        assert said("R3", THREE, **tables).status == "not_exercised"
        assert said("R3", THREE, **{name: text for name, text in tables.items() if name != "arrivals"}).status == "fail"


class TestR11:
    """No attempt starts after the total."""

    TOTAL = promise({"timeout": {"total": 1.0}, "retry": RETRY})

    @pytest.mark.parametrize(("start", "end", "found"), [
        (1250, 1250, ("pass", [], "", "", None)), (1251, 1260, ("fail", [1], "1.25 s", "1.00 s", None)),
        (1250, 1251, ("fail", [1], "1.25 s", "1.00 s", None)), (700, 1250, ("pass", [], "", "", None)),
        (700, 800, ("pass", [], "", "", None)), (700, 799, ("not_exercised", [], "", "", None)),
    ])  # fmt: skip
    def test_counts_to_the_last_moment(self, start: int, end: int, found: tuple[Any, ...]) -> None:
        """A second and ε; four fifths of it show something."""
        assert whole("R11", self.TOTAL, **history([[(0, 600, "reset"), (start, end, 503)]])) == found

    def test_says_which_of_two_ways_it_was(self) -> None:
        """Begun too late, or not cut."""
        late = said("R11", self.TOTAL, **history([[(0, 600, "reset"), (1300, 1310, 503)]])).reason
        uncut = said("R11", self.TOTAL, **history([[(0, 600, "reset"), (700, 1310, 503)]])).reason
        assert (late[:24], uncut[:31]) == ("1 call tried again after", "the last attempt of 1 re-tried ")

    def test_only_re_tries_come_near_it(self) -> None:
        """One attempt of 0.9 s shows nothing, nor does a re-try of an operation without a total."""
        assert said("R11", self.TOTAL, **history([[(0, 900, 503)], tries(503, 200)])).status == "not_exercised"
        own = promise({"retry": RETRY, "calls": {"observe": {"timeout": {"total": 1.0}}}})
        tables = history([[(0, 600, "reset"), (700, 5000, 503)], [(0, 10, 200)]])
        tables["calls"] = tables["calls"].replace("2 predict", "2 observe")
        assert said("R11", own, **tables).status == "not_exercised"

    @pytest.mark.parametrize("kind", ["drip", "slicer", "bandwidth"])
    def test_a_drip_is_t2s_matter(self, kind: str) -> None:
        """It held the last attempt."""
        faults: Mapping[str, str] = {"faults": f"name kind applied_ms effective_ms cleared_ms\nf {kind} 1 2 90000"}
        uncut = history([[(0, 600, "reset"), (700, 1310, 503)]])
        assert said("R11", self.TOTAL, **uncut, **faults).status == "pass"
