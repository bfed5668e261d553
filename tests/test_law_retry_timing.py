"""Retry laws on literal histories: waits between attempts, and the total that ends them."""

from __future__ import annotations

from typing import Any

import pytest
from law_cases import promise, said
from retry_cases import RETRY, THREE, history, tries


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
        ("full", 1, "pass"), ("full", 500, "fail"),
        ("equal", 100, "pass"), ("equal", 60, "fail"),
        ("decorrelated", 200, "pass"), ("decorrelated", 170, "fail"),
        ("added", 200, "pass"), ("added", 170, "fail"), ("added", 700, "pass"), ("added", 1000, "fail"),
    ])  # fmt: skip
    def test_jitter_widens_the_interval(self, jitter: str, gap: int, status: str) -> None:
        """Full: from 0; equal: from half; decorrelated and added: from the initial wait."""
        backoff = {"initial": 0.2, "multiplier": 2.0, "max": 2.0, "jitter": jitter, "spread": 0.5}
        assert (
            said("R3", promise({"retry": {"max_attempts": 3, "backoff": backoff}}), **self.waits(*[gap] * 5)).status
            == status
        )

    def test_full_jitter_is_no_leave_not_to_wait(self) -> None:
        """Half of the waits may be hasty, and the first of each call, as urllib3's are; re-tries without any wait are
        none."""
        backoff = {"initial": 0.2, "multiplier": 2.0, "jitter": "full"}
        full = promise({"retry": {"max_attempts": 3, "backoff": backoff}})
        for second, status in (([41, 39], "pass"), ([41, 41], "pass"), ([39, 39], "fail")):
            waits = [tries(503, 503, 200, gaps=[0, gap]) for gap in second * 10]
            assert said("R3", full, **history(waits)).status == status
        found = said("R3", full, **history([tries(503, 503, 200, gaps=[0, 0])] * 10))
        assert (found.status, found.measured) == ("fail", "10 of 10 hasty")

    @pytest.mark.parametrize(
        ("via", "how", "status"),
        [
            ("httpx", 503, "fail"), ("aiohttp", "read_timeout", "fail"), ("httpx", "reset", "pass"),
            ("httpx", "connect_error", "pass"), ("urllib3", 503, "pass"), ("httpx_async", 503, "fail"),
            ("httpx", "5xx", "fail"), ("httpx", "4xx", "fail"),
        ],
    )  # fmt: skip
    def test_nor_to_send_the_first_again_at_once_unless_the_connection_was_lost(
        self, via: str, how: str | int, status: str
    ) -> None:
        """urllib3 does so by itself."""
        backoff = {"initial": 0.2, "multiplier": 2.0, "jitter": "full"}
        full = promise({"retry": {"max_attempts": 2, "backoff": backoff}})
        tables = history([tries(how, 200, gaps=[1])] * 6)
        head, *rows = tables["attempts"].splitlines()
        tables["attempts"] = "\n".join([f"{head} via", *(f"{attempt} {via}" for attempt in rows)])
        assert said("R3", full, **tables).status == status

    def test_what_is_added_is_no_full_jitter(self) -> None:
        """urllib3's, read: no wait, then 0.2 s and up to 5 s more. So much jitter never grows, and is hasty beside none
        that did."""
        backoff = {"initial": 0.2, "multiplier": 2.0, "first": 0.0, "jitter": "added", "spread": 5.0}
        read = promise(read={"retry": {"max_attempts": 7, "backoff": backoff}})
        kept, without = [0, 300, 3000, 1000, 2000, 4000], [0, 150, 150, 150, 150, 150]
        for gaps, status in ((kept, "pass"), (without, "fail")):
            assert said("R3", read, **history([tries(*[503] * 7, gaps=gaps)] * 10)).status == status

    def test_one_odd_wait_in_many_is_the_machines(self) -> None:
        """One of thirty."""
        assert said("R3", THREE, **self.waits(*[200] * 29, 900)).status == "pass"

    @pytest.mark.parametrize(("odd", "status"), [(5, "fail"), (2, "pass")])
    def test_each_re_try_has_a_wait_of_its_own(self, odd: int, status: str) -> None:
        """Every second wait 200 ms where 400 are promised, among many first ones that are right."""
        second = [tries(503, 503, 200, gaps=[200, 200])] * odd + [tries(503, 503, 200)] * (5 - odd)
        assert said("R3", THREE, **history([tries(503, 200)] * 120 + second)).status == status

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

    @pytest.mark.parametrize(
        ("jitter", "width", "count", "status"),
        [
            ("full", 20, 20, "fail"), ("equal", 20, 20, "fail"), ("full", 20, 19, "inconclusive"),
            ("full", 60, 20, "inconclusive"), ("decorrelated", 20, 199, "inconclusive"),
        ],
    )  # fmt: skip
    def test_few_tell_where_jitter_was_promised(self, jitter: str, width: int, count: int, status: str) -> None:
        """Twenty waits within 20 ms of 220; uniform ones from nothing, or from the half, differ by more than that."""
        backoff = {"initial": 0.3, "multiplier": 2.0, "jitter": jitter}
        promised = promise({"retry": {"max_attempts": 3, "backoff": backoff}})
        assert said("R4", promised, **self.spread(width, count)).status == status

    def test_few_that_a_transport_makes_by_itself_tell_nothing(self) -> None:
        """httpcore tries refused connections again after 0.5 and 1 s, whatever its client promised of its own waits."""
        backoff = {"initial": 0.3, "multiplier": 2.0, "jitter": "full"}
        promised = promise({"retry": {"max_attempts": 3, "backoff": backoff}})
        refused = [tries("connect_error", 200, gaps=[220])] * 100
        assert said("R4", promised, **history(refused)).status == "inconclusive"

    def test_few_that_stand_out_of_many_short_ones_do_not(self) -> None:
        """A jitter from nothing on whose most is a little above the lag shows only that little."""
        promised = promise({"retry": {"max_attempts": 3, "backoff": {"initial": 0.021, "jitter": "full"}}})
        gaps = [n % 22 for n in range(240)]
        assert said("R4", promised, **history([tries(503, 200, gaps=[gap]) for gap in gaps])).status == "inconclusive"

    def test_waits_that_nobody_declared_are_judged_as_seen(self) -> None:
        """A loop of the client's own."""
        for width, status in ((20, "fail"), (200, "pass")):
            assert said("R4", promise({}), **self.spread(width)).status == status

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
