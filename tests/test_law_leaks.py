"""Laws of leaks on generated histories: what is held over 10 s of baseline and 20 s of recovery."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from law_cases import promise, said

from harness.model import Span

NOTHING = promise()
S = 1_000_000_000
PHASES = (Span("baseline", 0, 10 * S), Span("fault:stall", 10 * S, 20 * S), Span("recovery", 20 * S, 40 * S))
HEAD = "call op phase intended_ms ready_ms start_ms end_ms outcome"


class TestP2:
    """Descriptors don't grow with calls."""

    def tables(self, gained: float, rate: int = 50, process: str = "generator-0") -> dict[str, str]:
        """10 s of baseline and 20 s of recovery with `gained` more descriptors a call."""
        calls = [HEAD] + [
            f"{n + 1} observe - {n * 1000 // rate} {n * 1000 // rate} {n * 1000 // rate} {n * 1000 // rate + 5} ok"
            for n in range(40 * rate)
        ]
        samples = ["process time_ms descriptors"] + [
            f"{process} {1000 * s} {round(40 + gained * rate * s)}" for s in range(1, 40)
        ]
        return {"calls": "\n".join(calls), "samples": "\n".join(samples)}

    def test_passes_where_they_stay(self) -> None:
        """None gained in 1,300 calls."""
        assert said("P2", NOTHING, phases=PHASES, **self.tables(0)).status == "pass"

    def test_fails_by_one_in_ten_calls(self) -> None:
        """0.1 a call."""
        found = said("P2", NOTHING, phases=PHASES, **self.tables(0.1))
        assert (found.status, found.measured, found.bound) == ("fail", "0.100 a call", "0.01 a call")
        assert found.witnesses == (), "no call is to blame"

    def test_is_inconclusive_on_few_calls(self) -> None:
        """1 call a second."""
        assert said("P2", NOTHING, phases=PHASES, **self.tables(0, rate=1)).status == "inconclusive"

    @pytest.mark.parametrize(
        ("gains", "status"), [((1, 4, 7), "fail"), ((0, 4, 8), "inconclusive"), ((-2, 1, 4), "inconclusive")]
    )
    def test_a_leak_is_known_to_the_spread_of_its_samples(self, gains: tuple[int, ...], status: str) -> None:
        """4 a second at 200 calls a second are 0.02 a call, ± 0.008 by 27 samples that vary between 1 and 7; between 0
        and 8 they may be 0.009. What grows by 0.005 ± 0.008 is not known to stay."""
        tables = self.tables(0, rate=200)
        held = [40 + sum(gains[at % 3] for at in range(s)) for s in range(1, 40)]
        samples = ["process time_ms descriptors", *(f"generator-0 {1000 * s} {n}" for s, n in enumerate(held, 1))]
        found = said("P2", NOTHING, phases=PHASES, calls=tables["calls"], samples="\n".join(samples))
        assert found.status == status

    @pytest.mark.parametrize(("users", "status"), [(400, "pass"), (2000, "not_exercised")])
    def test_a_connection_for_each_user_is_no_leak(self, users: int, status: str) -> None:
        """One more at each user's first call: no growth once all have come, and no evidence where none comes again."""
        tables = self.tables(0)
        head, *rows = tables["calls"].split("\n")
        named = [f"{head} user", *(f"{row} u{n % users}" for n, row in enumerate(rows))]
        held = [f"generator-0 {1000 * s} {40 + min(50 * s, users)}" for s in range(1, 40)]
        samples = "\n".join(["process time_ms descriptors", *held])
        found = said("P2", NOTHING, phases=PHASES, calls="\n".join(named), samples=samples)
        assert found.status == status

    @pytest.mark.parametrize("turn", [0, 1])
    def test_every_second_call_may_be_a_new_users(self, turn: int) -> None:
        """The others are all of one user who came long ago; 25 users come a second, to the end: nothing has settled."""
        tables = self.tables(0)
        head, *rows = tables["calls"].split("\n")
        named = [
            f"{head} user",
            *(f"{row} {f'u{n // 2}' if n % 2 == turn else 'old'}" for n, row in enumerate(rows)),
        ]
        held = [f"generator-0 {1000 * s} {40 + 25 * s}" for s in range(1, 40)]
        samples = "\n".join(["process time_ms descriptors", *held])
        found = said("P2", NOTHING, phases=PHASES, calls="\n".join(named), samples=samples)
        assert found.status == "not_exercised"

    def test_growth_under_a_fault_is_no_leak(self) -> None:
        """A pool that filled while calls hung stays as it is."""
        tables = self.tables(0)
        head, *rows = tables["samples"].split("\n")
        grown = [f"{r.rsplit(' ', 1)[0]} 140" if int(r.split()[1]) > 12_000 else r for r in rows]
        assert said("P2", NOTHING, phases=PHASES, **tables | {"samples": "\n".join([head, *grown])}).status == "pass"

    @pytest.mark.parametrize("process", ["generator-3", "host", "simulation"])
    def test_judges_what_runs_the_integration_and_nothing_beside_it(self, process: str) -> None:
        """Another process leaks for nobody, unless there is no other."""

        def both(mine: float, beside: float) -> dict[str, str]:
            tables, other = self.tables(mine, process=process), self.tables(beside, process="agent")["samples"]
            return tables | {"samples": "\n".join([tables["samples"], *other.splitlines()[1:]])}

        assert said("P2", NOTHING, phases=PHASES, **both(0.1, 0)).status == "fail"
        assert said("P2", NOTHING, phases=PHASES, **both(0, 0.1)).status == "pass"
        assert said("P2", NOTHING, phases=PHASES, **self.tables(0.1, process="agent")).status == "fail"

    def test_a_process_whose_descriptors_nobody_counted_is_none(self) -> None:
        """Beside one that leaks; a service that holds a single one is judged."""
        tables = self.tables(0.1)
        rows = [f"generator-1 {1000 * s} 0" for s in range(1, 40)]
        found = said("P2", NOTHING, phases=PHASES, **tables | {"samples": "\n".join([tables["samples"], *rows])})
        assert (found.status, found.measured) == ("fail", "0.100 a call")
        one = "\n".join(["process time_ms descriptors", *(f"subject {1000 * s} 1" for s in range(1, 40))])
        assert said("P2", NOTHING, phases=PHASES, **tables | {"samples": one}).status == "pass"

    def changed(self, *changes: int, rate: int, seconds: tuple[int, ...] = tuple(range(1, 40))) -> Any:
        """What P2 says of `rate` calls a second, sampled at those seconds; the nth sample brings the nth change."""
        held, samples = 40, ["process time_ms descriptors"]
        for at, more in zip(seconds, [0, *changes, *[0] * 40], strict=False):
            held += more
            samples.append(f"generator-0 {1000 * at} {held}")
        return said("P2", NOTHING, phases=PHASES, **self.tables(0, rate) | {"samples": "\n".join(samples)})

    def test_a_leak_is_more_than_ten_and_most_samples_have_it(self) -> None:
        """Fifteen of 27 gained one, and so many lost one again that ten are left, or nine."""
        for lost, status in ((5, "fail"), (6, "inconclusive")):
            changes = [1] * 8 + [0] * 11 + [1] * 7 + [-1] * lost
            found = self.changed(*changes, rate=4)
            assert (found.status, found.measured) == (status, "0.250 a call")
            assert status == "inconclusive" or found.reason == "10 more descriptors open after 108 calls in peace"

    @pytest.mark.parametrize(("seconds", "rate", "reason"), [
        ((1, 2, 3, 4, 20, 21, 22, 23), 20, "120 calls can't rule out a leak of 0.01 descriptors a call"),
        ((1, 2, 3, 20, 21, 22, 23), 24, "120 calls, 5 samples without faults and new users: at least 100 and 6 are"),
        ((1, 2, 3, 4, 5, 6, 20, 21, 22, 23, 24, 25), 10, "100 calls can't rule out a leak of 0.01 descriptors a call"),
        ((1, 2, 3, 4, 5, 6, 7, 20, 21, 22, 23, 24), 9, "90 calls, 10 samples without faults and new users: at least"),
        (tuple(range(1, 40)), 18, "486 calls can't rule out a leak of 0.01 descriptors a call"),
        (tuple(range(1, 40)), 19, "descriptors don't grow with the number of calls"),
        ((*range(1, 10), *range(20, 38)), 20, "descriptors don't grow with the number of calls"),
    ])  # fmt: skip
    def test_takes_so_many_calls_and_samples(self, seconds: tuple[int, ...], rate: int, reason: str) -> None:
        """A hundred and six, and five hundred for a pass; from phases without faults."""
        assert self.changed(rate=rate, seconds=seconds).reason.startswith(reason)

    def test_seconds_without_calls_say_nothing(self) -> None:
        """Nobody called from 3 to 6 s."""
        tables = self.tables(0)
        head, *rows = tables["calls"].split("\n")
        fewer = [row for row in rows if not 3000 <= int(row.split()[3]) < 6000]
        found = said("P2", NOTHING, phases=PHASES, **tables | {"calls": "\n".join([head, *fewer])})
        assert (found.status, found.measured, found.bound) == ("pass", "0.000 a call", "0.01 a call")

    def test_judges_the_service_where_there_is_one(self) -> None:
        """It leaks, and what drives it doesn't."""
        service, driver = self.tables(0.1, process="subject"), self.tables(0)["samples"]
        both = service | {"samples": "\n".join([service["samples"], *driver.splitlines()[1:]])}
        assert said("P2", NOTHING, phases=PHASES, **both).status == "fail"


class TestP6:
    """Threads and memory of a service don't grow with calls."""

    def tables(
        self, rss: Callable[[int], int], threads: Callable[[int], int] = lambda s: 4, rate: int = 50
    ) -> dict[str, str]:
        """`rate` calls a second, and a service that holds so much after each second."""
        due = [n * 1000 // rate for n in range(40 * rate)]
        calls = [HEAD] + [f"{n} observe - {at} {at} {at} {at + 5} ok" for n, at in enumerate(due, 1)]
        rows = [f"subject {1000 * s} 40 {threads(s)} {rss(s)}" for s in range(1, 40)]
        return {"calls": "\n".join(calls), "samples": "\n".join(["process time_ms descriptors threads rss", *rows])}

    def test_passes_where_both_stay(self) -> None:
        """80 MB and 4 threads."""
        assert said("P6", NOTHING, phases=PHASES, **self.tables(lambda s: 80_000_000)).status == "pass"

    def test_fails_by_memory_that_each_call_leaves_behind(self) -> None:
        """40 kB a call are 2 MB a second, and 36 MiB in the recovery."""
        found = said("P6", NOTHING, phases=PHASES, **self.tables(lambda s: 80_000_000 + 2_000_000 * s))
        assert (found.status, "MiB in" in found.reason) == ("fail", True)

    @pytest.mark.parametrize(("rate", "a_second", "status", "measured"), [
        (100, 1_500_000, "pass", "15.6 KiB a call"), (100, 1_550_000, "fail", "16.1 KiB a call"),
        (50, 1_240_000, "pass", "0.0 KiB a call"), (50, 1_250_000, "fail", "26.0 KiB a call"),
        (20, 1_250_000, "fail", "65.1 KiB a call"),
    ])  # fmt: skip
    def test_memory_leaks_by_16_kib_a_call_and_16_mib_in_all(
        self, rate: int, a_second: int, status: str, measured: str
    ) -> None:
        """From the first third of the recovery to its last; 19 s of calls, of which two thirds lie between."""
        found = said("P6", NOTHING, phases=PHASES, **self.tables(lambda s: 80_000_000 + a_second * s, rate=rate))
        assert (found.status, found.measured, found.bound) == (status, measured, "16 KiB a call")
        assert status == "fail" or found.reason == "threads and memory don't grow with the number of calls"
        if rate == 20:
            assert found.reason == "memory grew by 32 MiB in 540 calls in peace, and went on"

    def test_growth_that_slows_down_is_a_cache(self) -> None:
        """In the last third it must be half of what it was in the second."""
        for last, status in ((1_080_000, "fail"), (1_070_000, "pass")):

            def rss(second: int, last: int = last) -> int:
                return 80_000_000 + 2_000_000 * min(second, 30) + last * max(second - 30, 0)

            assert said("P6", NOTHING, phases=PHASES, **self.tables(rss)).status == status

    def test_what_stays_and_then_jumps_is_no_steady_growth(self) -> None:
        """20 MB in the last third of the recovery alone; and a baseline of three samples ends no search."""
        assert said(
            "P6", NOTHING, phases=PHASES, **self.tables(lambda s: 80_000_000 + 20_000_000 * (s > 33))
        ).status == ("pass")
        growing = self.tables(lambda s: 80_000_000 + 2_000_000 * s)
        head, *rows = growing["samples"].split("\n")
        growing["samples"] = "\n".join([head, *rows[6:]])
        assert said("P6", NOTHING, phases=PHASES, **growing).status == "fail"

    def test_few_calls_rule_out_no_leak_of_memory(self) -> None:
        """486."""
        found = said("P6", NOTHING, phases=PHASES, **self.tables(lambda s: 80_000_000, rate=18))
        assert (found.status, found.reason, found.measured) == (
            "inconclusive", "486 calls can't rule out a leak of memory", "0.0 KiB a call",
        )  # fmt: skip
        head, *rows = self.tables(lambda s: 80_000_000)["samples"].split("\n")
        fewer = rows[:9] + rows[19:37]
        tables = self.tables(lambda s: 80_000_000, rate=20) | {"samples": "\n".join([head, *fewer])}
        assert said("P6", NOTHING, phases=PHASES, **tables).status == "pass", "500 do"

    def test_six_samples_are_a_stretch(self) -> None:
        """Of which memory grew by 5 MB from each to the next."""
        tables = self.tables(lambda s: 80_000_000 + 5_000_000 * max(s - 20, 0))
        head, *rows = tables["samples"].split("\n")
        for last, status in ((25, "fail"), (24, "pass")):
            kept = "\n".join([head, *(row for row in rows if int(row.split()[1]) <= 1000 * last)])
            assert said("P6", NOTHING, phases=PHASES, **tables | {"samples": kept}).status == status

    def test_memory_that_fills_and_then_stays_is_no_leak(self) -> None:
        """A cache with a bound, full after 5 s of each stretch."""
        filled = self.tables(lambda s: 80_000_000 + 9_000_000 * min(s, 5) + 9_000_000 * max(min(s - 20, 5), 0))
        assert said("P6", NOTHING, phases=PHASES, **filled).status == "pass"

    @pytest.mark.parametrize(("users", "status"), [(2000, "not_exercised"), (1400, "pass"), (50, "fail")])
    def test_memory_that_new_users_bring_is_no_leak(self, users: int, status: str) -> None:
        """2 MB a second, for as long as users come for the first time, or though all have come long ago."""
        held = (
            (lambda s: 80_000_000 + 2_000_000 * min(s, users // 50)) if users > 50 else lambda s: 80_000_000 * (1 + s)
        )
        tables = self.tables(held)
        head, *rows = tables["calls"].split("\n")
        named = [f"{head} user", *(f"{row} u{n % users}" for n, row in enumerate(rows))]
        assert said("P6", NOTHING, phases=PHASES, **tables | {"calls": "\n".join(named)}).status == status

    def test_fails_by_a_thread_a_call(self) -> None:
        """Each waits for ever."""
        found = said("P6", NOTHING, phases=PHASES, **self.tables(lambda s: 80_000_000, lambda s: 4 + 50 * s))
        assert (found.status, found.measured) == ("fail", "1.000 a call")
        assert found.reason == "1,350 more threads open after 1,350 calls in peace"

    def test_is_not_exercised_without_a_service(self) -> None:
        """A generator's memory is the harness's own."""
        tables = self.tables(lambda s: 80_000_000 + 2_000_000 * s)
        tables["samples"] = tables["samples"].replace("subject", "generator-0")
        assert said("P6", NOTHING, phases=PHASES, **tables).status == "not_exercised"
