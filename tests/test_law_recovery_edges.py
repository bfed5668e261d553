"""Recovery laws at their edges: what counts as a call, as slow, as late and as a herd, on literal histories."""

from __future__ import annotations

import pytest
from law_cases import calls_of, promise, said
from test_law_recovery import CLIENT, FAULTS, PHASES, QUICK, run
from test_law_recovery import TestM1 as _TestM1
from test_law_recovery import TestM3 as _TestM3

from harness.policy import Promise

herd = _TestM3().attempts


def served(slow_ms: int) -> str:
    """M1 of a client whose calls took 20 ms before an outage and this long after it."""
    return said("M1", CLIENT, phases=PHASES, **run(0, slow_ms=slow_ms)).status


class TestBand:
    """Errors of the baseline and 5 points, twice its median and 10 ms."""

    def test_a_median_of_twice_the_baseline_and_ten_milliseconds_is_in_band(self) -> None:
        """50 ms after 20 ms."""
        assert (served(50), served(51)) == ("pass", "fail")

    def test_what_is_in_band_is_predictions_and_learning_as_well(self) -> None:
        """Their failures count as an observe's do."""
        for op in ("predict", "learn"):
            tables = run(20)
            tables["calls"] = tables["calls"].replace(" observe ", f" {op} ")
            assert said("M1", CLIENT, phases=PHASES, **tables).status == "fail"

    def test_sessions_that_could_not_be_opened_are_no_calls_of_it(self) -> None:
        """Five failed openings a second beside twenty observes that are well."""
        tables = run(2)
        opened = [
            f"{9000 + n} open_session recovery {at} {at} {at} {at + 5} error"
            for n, at in enumerate(range(17_000, 50_000, 200))
        ]
        tables["calls"] = "\n".join([tables["calls"], *opened])
        assert said("M1", CLIENT, phases=PHASES, **tables).status == "pass"


class TestM1:
    """What a late return says."""

    def test_names_failed_calls_alone(self) -> None:
        """Every second call was ill for 20 s."""
        tables = run(20)
        rows = tables["calls"].split("\n")
        tables["calls"] = "\n".join(row.replace(" error", " ok") if n % 2 else row for n, row in enumerate(rows))
        found = said("M1", CLIENT, phases=PHASES, **tables)
        assert found.status == "fail" and all(call % 2 == 0 for call in calls_of(found))
        assert (found.measured, found.bound) == ("20.0 s", "14.0 s")

    def test_never_back_is_as_long_as_was_watched(self) -> None:
        """45 s, the first left out."""
        found = said("M1", CLIENT, phases=PHASES, **run(60))
        assert (found.status, found.measured) == ("fail", "44.0 s")
        assert found.reason.startswith("not back")
        assert said("M1", CLIENT, phases=PHASES, **run(20)).reason.startswith("back only")

    def test_slow_calls_under_the_fault_are_something_to_recover_from(self) -> None:
        """They all succeeded, 100 ms instead of 20 ms; with 50 ms nothing was hurt."""
        for took, status in ((100, "pass"), (50, "not_exercised")):
            rows = [row.split() for row in run(0)["calls"].split("\n")[1:]]
            for row in rows:
                if "fault:out" in row:
                    row[6:] = [str(int(row[5]) + took), "ok"]
            calls = "\n".join(["call op phase intended_ms ready_ms start_ms end_ms outcome", *map(" ".join, rows)])
            assert said("M1", CLIENT, phases=PHASES, **(run(0) | {"calls": calls})).status == status

    def test_names_the_calls_of_every_late_return_from_its_second_second_on(self) -> None:
        """Ill for 20 s after each of two faults."""
        rows = run(20, length_s=90)["calls"].split("\n")
        ill = [row.replace(" ok", " error") if 50_000 <= int(row.split()[3]) < 74_000 else row for row in rows[1:]]
        faults = f"{FAULTS}\nagain refuse 50000 50001 50002 54000"
        found = said("M1", QUICK, phases=PHASES, calls="\n".join([rows[0], *ill]), faults=faults)
        assert (found.status, calls_of(found)) == ("fail", [301, 302, 303, 304, 305])
        assert "after 2 faults" in found.reason

    def test_three_seconds_together_are_in_band_as_each_is(self) -> None:
        """Three of twenty fail in each, which may be chance where one of 200 did in peace; nine of sixty are none."""
        head, *rows = run(0)["calls"].split("\n")
        failed = {150, *(20 * second + k for second in range(14, 60) for k in (1, 8, 15))}
        calls = [row.replace(" ok", " error") if n in failed else row for n, row in enumerate(rows)]
        found = said("M1", CLIENT, phases=PHASES, **(run(0) | {"calls": "\n".join([head, *calls])}))
        assert (found.status, found.reason[:8], calls_of(found)) == ("fail", "not back", [302, 309, 316, 322, 329])

    def test_lag_of_the_harness_is_no_slowness_of_the_client(self) -> None:
        """51 ms where 50 are in band, and the harness was 2 ms late in those seconds."""
        lag = "\n".join(["time_ms lag_ms", *(f"{1000 * second} 2" for second in range(15, 61))])
        assert served(51) == "fail"
        assert said("M1", CLIENT, phases=PHASES, samples=lag, **run(0, slow_ms=51)).status != "fail"

    @pytest.mark.parametrize(("before", "under", "status"), [
        (["ok"], ["degraded"], "pass"), (["ok", "ok", "degraded"], ["ok", "ok", "error"], "pass"),
        (["ok"], ["ok"] * 19 + ["error"], "not_exercised"), (["ok"], ["ok"] * 7 + ["error"] * 3, "pass"),
    ])  # fmt: skip
    def test_what_hurts_is_fewer_served_or_more_without_anything(
        self, before: list[str], under: list[str], status: str
    ) -> None:
        """Substitutes for what was served, nothing for substitutes; a twentieth more is in band."""
        head, *rows = run(0)["calls"].split("\n")
        calls = []
        for n, row in enumerate(rows):
            outcomes = under if " fault:out " in row else before
            calls.append(" ".join([*row.split()[:-1], outcomes[n % len(outcomes)]]))
        assert said("M1", CLIENT, phases=PHASES, calls="\n".join([head, *calls]), faults=FAULTS).status == status

    @pytest.mark.parametrize(("law", "client"), [("M1", CLIENT), ("M2", QUICK)])
    def test_commits_of_nobody_may_be_those_of_the_calls_in_question(self, law: str, client: Promise) -> None:
        """Of all calls more are missing than there are such commits: what was put aside in the fault is lost."""
        behind = _TestM1().behind(20, 10_000)
        head, *rows = behind["arrivals"].split("\n")
        kept = [row for row in rows if not 200 < int(row.split()[4]) <= 280]
        tables = {**behind, "arrivals": "\n".join([head, *kept])}
        assert said(law, client, phases=PHASES, **tables).status == "inconclusive"


class TestM2:
    """How long is long enough."""

    @pytest.mark.parametrize(("length_s", "status"), [(29, "not_exercised"), (31, "fail")])
    def test_three_recovery_times_and_three_seconds_are_watched(self, length_s: int, status: str) -> None:
        """12 s and 3 s more after 14 s, the first left out."""
        assert said("M2", QUICK, phases=PHASES, **run(60, length_s=length_s)).status == status

    def test_a_relapse_that_ends_is_none(self) -> None:
        """Ill for 2 s, 20 s after the fault."""
        rows = run(0)["calls"].split("\n")
        ill = [
            row.replace(" ok", " error")
            if 34_000 <= int((row.split()[3:4] or ["0"])[0].replace("intended_ms", "0")) < 36_000
            else row
            for row in rows
        ]
        assert said("M2", QUICK, phases=PHASES, **(run(0) | {"calls": "\n".join(ill)})).status == "pass"


class TestHerd:
    """Who counts for a herd (M3)."""

    def test_retries_of_what_the_faults_end_cut_off_are_none(self) -> None:
        """A hundred attempts hung in the outage, were cut when it ended, and are made again."""
        tables = herd(100)
        hung = [
            f"{row.split()[0]} 1 12000 {14_000 + n % 50} 0 reset"
            if int(row.split()[0]) >= 5000 and row.split()[1] == "1"
            else f"{row} -"
            for n, row in enumerate(tables["attempts"].split("\n")[1:])
        ]
        attempts = "\n".join(["call attempt start_ms end_ms status result", *hung])
        assert said("M3", CLIENT, phases=PHASES, **(tables | {"attempts": attempts})).status == "pass"
        assert said("M3", CLIENT, phases=PHASES, **tables).status == "fail"

    def test_replays_of_no_call_count(self) -> None:
        """A hundred observes that were put aside, in half a second."""
        tables = herd(0)
        replays = [f"0 1 {14_200 + 5 * n} {14_204 + 5 * n} 200" for n in range(100)]
        attempts = "\n".join([tables["attempts"], *replays])
        found = said("M3", CLIENT, phases=PHASES, **(tables | {"attempts": attempts}))
        assert found.status == "fail"


def test_without_a_breaker_or_time_outs_ten_seconds_are_allowed() -> None:
    """The bound is its slack alone."""
    assert said("M1", promise({}), phases=PHASES, **run(8)).bound == "10.0 s"
