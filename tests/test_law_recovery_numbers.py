"""Recovery laws in numbers: how long is allowed, when it was back, and how many make a herd."""

from __future__ import annotations

from math import isnan
from typing import Any

import pytest
from law_cases import S, calls_of, promise, said, share
from test_law_recovery import CLIENT, FAULTS, PHASES, QUICK, run
from test_law_recovery import TestM1 as _TestM1
from test_law_recovery import TestM3 as _TestM3

from harness.evidence.history import History
from harness.laws.band import Band, band_of, service_of, within
from harness.laws.breaker_open import Quiet
from harness.laws.case import Case
from harness.laws.recovery import allowed_ns, return_of
from harness.laws.recovery_map import Cell, after_halving, after_trigger, settle_ns

HEAD = "call op phase intended_ms ready_ms start_ms end_ms outcome"


def case(*rows: tuple[str, int, int, str], promised: Any = CLIENT, **more: Any) -> Case:
    """Calls from (phase, start, end, outcome)."""
    lines = [f"{n} observe {phase} {at} {at} {at} {end} {how}" for n, (phase, at, end, how) in enumerate(rows, 1)]
    return Case(History.literal(PHASES, more, calls="\n".join([HEAD, *lines])), promised)


def peace(count: int = 20, took: int = 20, failed: int = 0) -> list[tuple[str, int, int, str]]:
    """A baseline whose last calls failed."""
    return [("baseline", 100 * n, 100 * n + took, "error" if n >= count - failed else "ok") for n in range(count)]


def after(second: int, hows: str, took: int = 20) -> list[tuple[str, int, int, str]]:
    """Calls of one second of the recovery, from its letters: o for ok, d for degraded, e for an error."""
    names = {"o": "ok", "d": "degraded", "e": "error"}
    return [
        ("recovery", 1000 * second + 10 * n, 1000 * second + 10 * n + took, names[how]) for n, how in enumerate(hows)
    ]


class TestAllowed:
    """How long recovery may take."""

    @pytest.mark.parametrize(("policy", "scale", "seconds"), [
        ({}, 1.0, 10.0), ({}, 0.1, 3.0), ({}, 0.5, 5.0),
        ({"timeout": {"total": 2.0}}, 1.0, 12.0), ({"breaker": {"reset_timeout": 30.0}}, 1.0, 40.0),
        ({"breaker": {"reset_timeout": 30.0}, "timeout": {"total": 2.0}}, 1.0, 42.0),
        ({"retry": {"max_attempts": 3, "backoff": {"initial": 1.0}}}, 1.0, 14.0),
        ({"retry": {"max_attempts": 3, "backoff": {"initial": 1.0}}, "breaker": {"reset_timeout": 2.0}}, 1.0, 14.0),
        ({"calls": {"observe": {"breaker": {"reset_timeout": 7.0}}, "predict": {"retry": {"on": ["503"]}}}}, 1.0, 17.0),
        ({"calls": {"observe": {"timeout": {"total": 2.0}}, "predict": {"timeout": {"total": 5.0}}}}, 1.0, 12.0),
    ])  # fmt: skip
    def test_is_the_longest_wait_the_longest_call_and_ten_seconds(
        self, policy: dict[str, Any], scale: float, seconds: float
    ) -> None:
        """Of all operations; the ten seconds are scaled, to three at least."""
        found = case(*peace(), promised=promise(policy, scale=scale))
        assert (allowed_ns(found), settle_ns(found)) == (int(seconds * S), 3 * int(seconds * S))


class TestBand:
    """What is in band."""

    def test_is_the_baselines_errors_and_five_points_its_median_twice_and_ten_milliseconds(self) -> None:
        """A tenth failed, those that took 20 ms."""
        assert band_of(case(*peace(20, failed=2))) == Band(20, 2, 2, 50e6)
        assert band_of(case(*peace(19))) is None

    def test_substitutes_are_given_and_not_served(self) -> None:
        """A quarter came from a cache."""
        rows = [(*row[:3], "degraded") if n % 4 == 0 else row for n, row in enumerate(peace(40))]
        assert band_of(case(*rows)) == Band(40, 10, 0, 50e6)

    @pytest.mark.parametrize(("hows", "took", "lag", "there"), [
        ("oooo", 50, 0, True), ("oooo", 51, 0, False), ("oooo", 51, 1, True), ("eooo", 50, 0, True),
        ("eeoo", 50, 0, False),
        ("dooo", 50, 0, True), ("ddoo", 50, 0, False), ("eeoooooooooo", 50, 0, True),
        ("eeeooooooooo", 50, 0, True), ("eeeeoooooooo", 50, 0, False),
    ])  # fmt: skip
    def test_what_may_be_chance_is_none_too_many(self, hows: str, took: int, lag: int, there: bool) -> None:
        """Beside twenty calls in peace that were well; nor is lag."""
        found = case(*peace(), *after(20, hows, took))
        rows = (found.calls["start_ns"] >= 20 * S).nonzero()[0]
        band = band_of(found)
        assert band is not None
        assert within(band, found, rows, lag * 1_000_000) is there

    def test_what_is_put_aside_in_peace_is_served_when_it_is_committed(self) -> None:
        """More than half of observes are; those of predictions are not."""
        lines = [f"{n} observe baseline {100 * n} 0 {100 * n} {100 * n + 5} degraded" for n in range(1, 5)]
        calls = "\n".join([HEAD, *lines, "9 predict baseline 0 0 0 5 degraded"])
        seen = "call op session arrive_ms reply_ms commit_seq paired_by\n"
        seen += "1 observe s 130 140 1 content\n2 observe s 250 - 2 content"
        found = service_of(Case(History.literal(PHASES, calls=calls, arrivals=seen), CLIENT))
        assert (found.ok.tolist(), found.given.tolist()) == (
            [True, True, False, False, False],
            [True, True, False, False, True],
        )
        assert (found.took // 1_000_000).tolist() == [40, 50, 5, 5, 5]


class TestReturn:
    """When a stretch was back in band."""

    def back(self, *seconds: str, end_s: float = 0.0, took: int = 20) -> Any:
        """After a fault that ended at 14 s: calls of the 1st second (left out), 2nd, 3rd … after it."""
        rows = [row for n, hows in enumerate(seconds) for row in after(14 + n, hows, took)]
        found = case(*peace(), *rows)
        band = band_of(found)
        assert band is not None
        return return_of(found, band, Quiet(14 * S, int((end_s or 14 + len(seconds)) * S)))

    def test_is_the_first_of_three_seconds_in_a_row(self) -> None:
        """Two good ones are none; seconds without enough calls are good."""
        good, bad = "oooo", "eeee"
        assert (self.back(bad, good, good, good).back_ns, self.back(bad, good, good, good).out) == (S, ())
        found = self.back(bad, good, good, bad, good, good, good)
        assert (found.back_ns, found.out, found.seconds) == (4 * S, (2,), 6)
        assert self.back(bad, bad, bad, bad, good, good).back_ns == -1
        assert self.back(good, bad, "ee", "eee", good, good).out == (0,)

    @pytest.mark.parametrize(("seconds", "end_s", "told"), [
        (("oooo",) * 4, 0, True), (("oooo",) * 3, 0, False), (("oooo",) * 4, 17.9, False),
        (("o", "oo", "oo", "oo"), 0, True), (("o", "oo", "oo", "o"), 0, False),
    ])  # fmt: skip
    def test_takes_three_seconds_and_half_of_the_calls(
        self, seconds: tuple[str, ...], end_s: float, told: bool
    ) -> None:
        """After the first one: two a second."""
        assert (self.back(*seconds, end_s=end_s) is not None) is told

    @pytest.mark.parametrize(("sampled_ms", "out"), [(16_800, (2,)), (17_300, ()), (18_800, ()), (19_300, (2,))])
    def test_a_second_is_allowed_the_lag_within_it_and_no_other(self, sampled_ms: int, out: tuple[int, ...]) -> None:
        """The second from 17 s on took 60 ms where 50 are allowed; a sample tells of the second that it ends."""
        slow = [row for second in range(14, 20) for row in after(second, "oooo", 60 if second == 17 else 20)]
        lines = [f"{n} observe {p} {at} {at} {at} {end} {how}" for n, (p, at, end, how) in enumerate([*peace(), *slow])]
        lag = f"process time_ms lag_ms\ngenerator {sampled_ms} 30"
        found = Case(History.literal(PHASES, calls="\n".join([HEAD, *lines]), samples=lag), CLIENT)
        band = band_of(found)
        assert band is not None
        back = return_of(found, band, Quiet(14 * S, 20 * S))
        assert back is not None
        assert back.out == out


class TestM1:
    """What is said of a return."""

    def tables(self, *seconds: str) -> dict[str, str]:
        lines = [f"{n} observe {p} {a} {a} {a} {e} {h}" for n, (p, a, e, h) in enumerate(
            [*peace(40), *(("fault:out", 11_000 + 10 * n, 11_020 + 10 * n, "error") for n in range(8)),
             *(row for n, hows in enumerate(seconds) for row in after(14 + n, hows))], 1)]  # fmt: skip
        return {"calls": "\n".join([HEAD, *lines]), "faults": FAULTS}

    def test_names_the_failed_calls_of_the_bad_seconds(self) -> None:
        """Four of eight in the eighth second, where 7 s are allowed; those of the second that is left out are none."""
        seven = promise({"timeout": {"total": 1.0}, "breaker": {"fail_max": 5, "reset_timeout": 3.0}}, scale=0.1)
        tables = self.tables("eeee", *["oooo"] * 2, *["oeoeoooo"] * 5, *["oooo"] * 4)
        found = said("M1", seven, phases=PHASES, **tables)
        assert (found.status, found.measured, found.bound) == ("fail", "8.0 s", "7.0 s")
        assert calls_of(found) == [62, 64, 70, 72, 78]
        assert found.reason == "back only after 8.0 s, after 1 fault"
        assert share("M1", seven, phases=PHASES, **tables) is None

    def test_a_return_within_the_bound_is_told_with_it(self) -> None:
        """After four seconds; where the run ended before it was due nobody knows."""
        found = said("M1", CLIENT, phases=PHASES, **self.tables(*["eeee"] * 4, *["oooo"] * 4))
        assert (found.status, found.measured, found.bound) == ("pass", "4.0 s", "14.0 s")
        early = said("M1", CLIENT, phases=PHASES, **self.tables(*["eeee"] * 8))
        assert (early.status, early.reason) == ("inconclusive", "the run ended before recovery was due")
        short = said("M1", CLIENT, phases=PHASES, **self.tables("oooo", "oooo"))
        assert (short.status, short.reason[:30]) == ("not_exercised", "no fault was followed by three")

    @pytest.mark.parametrize(("bad", "good", "status"), [
        (7, 4, "pass"), (8, 4, "fail"), (10, 0, "inconclusive"), (11, 0, "fail"),
    ])  # fmt: skip
    def test_seven_seconds_are_within_seven(self, bad: int, good: int, status: str) -> None:
        """And one who never came back was watched for three more."""
        seven = promise({"timeout": {"total": 1.0}, "breaker": {"fail_max": 5, "reset_timeout": 3.0}}, scale=0.1)
        tables = self.tables(*["eeee"] * bad, *["oooo"] * good)
        assert said("M1", seven, phases=PHASES, **tables).status == status

    def test_a_fault_without_calls_hurt_nobody(self) -> None:
        """Nothing was under way in it."""
        tables = self.tables(*["oooo"] * 5)
        kept = [row for row in tables["calls"].splitlines() if "fault:out" not in row]
        found = said("M1", CLIENT, phases=PHASES, **{**tables, "calls": "\n".join(kept)})
        assert found.reason.startswith("no fault drove the calls out of band")

    def test_what_the_breaker_rejects_is_b7s_matter(self) -> None:
        """Every bad call was rejected; one that failed otherwise is this law's."""
        tables = self.tables(*["eeee"] * 21)
        head, *rows = tables["calls"].splitlines()
        rows = [row.replace(" error", " rejected breaker_open") if " recovery " in row else f"{row} -" for row in rows]
        rejected = {**tables, "calls": "\n".join([f"{head} error", *rows])}
        assert said("M1", CLIENT, phases=PHASES, **rejected).status == "inconclusive"
        rows[-9] = rows[-9].replace(" rejected breaker_open", " error -")
        assert (
            said("M1", CLIENT, phases=PHASES, **{**tables, "calls": "\n".join([f"{head} error", *rows])}).status
            == "fail"
        )


class TestM2:
    """What never settles."""

    def test_says_how_long_it_was_out_of_band(self) -> None:
        """From the thirteenth second on, of 44."""
        found = said("M2", QUICK, phases=PHASES, **run(60))
        assert (found.status, found.measured, found.bound) == ("fail", "32 s out of band", "12 s")
        assert found.reason.startswith("still out of band 44 s after the fault")
        assert said("M2", QUICK, phases=PHASES, **run(3)).reason == "in band again, and stayed so, after 1 fault"

    def test_without_a_band_nobody_can_tell(self) -> None:
        """No baseline; or commits that may be anybody's."""
        tables = run(60)
        tables["calls"] = tables["calls"].replace("baseline", "warmup")
        assert said("M2", QUICK, phases=PHASES, **tables).reason.startswith("no baseline with enough calls")
        behind = _TestM1().behind(20, 10_000)
        assert said("M2", QUICK, phases=PHASES, **behind).reason.startswith("commits that belong to no one call")

    @pytest.mark.parametrize(("ill_s", "status"), [(29, "pass"), (30, "fail")])
    def test_half_of_the_time_after_it_must_be_bad(self, ill_s: int, status: str) -> None:
        """Of 32 seconds fifteen are not enough."""
        assert said("M2", QUICK, phases=PHASES, **run(ill_s)).status == status


class TestM3:
    """How many are a herd."""

    herd = staticmethod(_TestM3().attempts)

    @pytest.mark.parametrize(("more", "status"), [(30, "pass"), (50, "fail")])
    def test_half_more_than_the_baseline_and_chance(self, more: int, status: str) -> None:
        """20 a second, and 30 are allowed: 50 are within 3.5 roots of it, 70 are not."""
        found = said("M3", CLIENT, phases=PHASES, **self.herd(more))
        assert (found.status, found.measured, found.bound) == (status, f"{20 + more}/s", "1.5 × 20/s")
        assert found.status == "pass" or found.reason == "70 attempts within a second after a fault"
        assert found.status == "pass" or calls_of(found)[0] == 281  # of the second from 14 s on

    def test_the_first_ten_seconds_are_looked_at(self) -> None:
        """What comes later is nobody's herd."""
        tables = self.herd(0)
        for at, status in ((23_000, "fail"), (25_300, "pass")):
            replays = [f"0 1 {at + 5 * n} {at + 4 + 5 * n} 200" for n in range(100)]
            attempts = "\n".join([tables["attempts"], *replays])
            assert said("M3", CLIENT, phases=PHASES, **{**tables, "attempts": attempts}).status == status

    def test_nothing_after_the_fault_is_no_order(self) -> None:
        """Nobody called."""
        tables = self.herd(0)
        kept = [row for row in tables["attempts"].splitlines()[1:] if int(row.split()[2]) < 10_000]
        calls = [row for row in tables["calls"].splitlines()[1:] if int(row.split()[3]) < 10_000]
        quiet = {
            "attempts": "\n".join(["call attempt start_ms end_ms status", *kept]),
            "calls": "\n".join([HEAD, *calls]), "faults": FAULTS,
        }  # fmt: skip
        assert said("M3", CLIENT, phases=PHASES, **quiet).status == "not_exercised"


class TestMap:
    """A cell of the map (M2)."""

    def cell(self, *ill: tuple[int, int], failed: int = 0) -> Case:
        rows = [
            ("baseline" if n < 100 else "recovery", 100 * n, 100 * n + 20,
             "error" if any(a <= n / 10 < b for a, b in ill) or n < failed else "ok")
            for n in range(600)
        ]  # fmt: skip
        return case(*rows)

    def test_errors_of_a_twentieth_are_a_load_that_was_fine(self) -> None:
        """Four of a hundred are fewer, six are more."""
        assert after_trigger(self.cell((10, 20), failed=4), 15 * S, 60 * S) == ("returns", 5.0)
        assert after_trigger(self.cell((10, 20), failed=6), 15 * S, 60 * S)[0] == "overloaded"

    @pytest.mark.parametrize(("ill", "state"), [
        ((57, 60), "stays"), ((58, 60), "returns"), ((50, 54), "returns"), ((54, 57), "stays"), ((53, 56), "returns"),
    ])  # fmt: skip
    def test_three_bad_seconds_of_the_last_six_are_no_return(self, ill: tuple[int, int], state: str) -> None:
        """Two are chance, and those before them are over."""
        assert after_trigger(self.cell((10, 20), ill), 15 * S, 60 * S)[0] == state

    def test_a_watch_too_short_to_tell_is_no_return(self) -> None:
        """Three seconds, the first left out; and a cell without a return has no time of it."""
        assert after_trigger(self.cell((10, 20)), 15 * S, 18 * S)[0] == "stays"
        assert isnan(Cell(1.0, 0.5, "stays").back_s)

    def test_the_end_after_halving_decides(self) -> None:
        """From where the load was restored."""
        assert after_halving(self.cell((10, 45)), 40 * S, 60 * S) == "metastable"
        assert after_halving(self.cell((10, 60)), 40 * S, 60 * S) == "damaged"
