"""Laws of leaks on generated histories: what is held over 10 s of baseline and 20 s of recovery."""

from __future__ import annotations

from collections.abc import Callable

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
        assert (found.status, found.measured) == ("fail", "0.100 a call")

    def test_is_inconclusive_on_few_calls(self) -> None:
        """1 call a second."""
        assert said("P2", NOTHING, phases=PHASES, **self.tables(0, rate=1)).status == "inconclusive"

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

    def test_growth_under_a_fault_is_no_leak(self) -> None:
        """A pool that filled while calls hung stays as it is."""
        tables = self.tables(0)
        head, *rows = tables["samples"].split("\n")
        grown = [f"{r.rsplit(' ', 1)[0]} 140" if int(r.split()[1]) > 12_000 else r for r in rows]
        assert said("P2", NOTHING, phases=PHASES, **tables | {"samples": "\n".join([head, *grown])}).status == "pass"

    def test_judges_the_service_where_there_is_one(self) -> None:
        """It leaks, and what drives it doesn't."""
        service, driver = self.tables(0.1, process="subject"), self.tables(0)["samples"]
        both = service | {"samples": "\n".join([service["samples"], *driver.splitlines()[1:]])}
        assert said("P2", NOTHING, phases=PHASES, **both).status == "fail"


class TestP6:
    """Threads and memory of a service don't grow with calls."""

    def tables(self, rss: Callable[[int], int], threads: Callable[[int], int] = lambda s: 4) -> dict[str, str]:
        """50 calls a second, and a service that holds so much after each second."""
        calls = [HEAD] + [f"{n + 1} observe - {n * 20} {n * 20} {n * 20} {n * 20 + 5} ok" for n in range(2000)]
        rows = [f"subject {1000 * s} 40 {threads(s)} {rss(s)}" for s in range(1, 40)]
        return {"calls": "\n".join(calls), "samples": "\n".join(["process time_ms descriptors threads rss", *rows])}

    def test_passes_where_both_stay(self) -> None:
        """80 MB and 4 threads."""
        assert said("P6", NOTHING, phases=PHASES, **self.tables(lambda s: 80_000_000)).status == "pass"

    def test_fails_by_memory_that_each_call_leaves_behind(self) -> None:
        """40 kB a call are 2 MB a second, and 36 MiB in the recovery."""
        found = said("P6", NOTHING, phases=PHASES, **self.tables(lambda s: 80_000_000 + 2_000_000 * s))
        assert (found.status, "MiB in" in found.reason) == ("fail", True)

    def test_memory_that_fills_and_then_stays_is_no_leak(self) -> None:
        """A cache with a bound, full after 5 s of each stretch."""
        filled = self.tables(lambda s: 80_000_000 + 9_000_000 * min(s, 5) + 9_000_000 * max(min(s - 20, 5), 0))
        assert said("P6", NOTHING, phases=PHASES, **filled).status == "pass"

    def test_fails_by_a_thread_a_call(self) -> None:
        """Each waits for ever."""
        found = said("P6", NOTHING, phases=PHASES, **self.tables(lambda s: 80_000_000, lambda s: 4 + 50 * s))
        assert (found.status, found.measured) == ("fail", "1.000 a call")

    def test_is_not_exercised_without_a_service(self) -> None:
        """A generator's memory is the harness's own."""
        tables = self.tables(lambda s: 80_000_000 + 2_000_000 * s)
        tables["samples"] = tables["samples"].replace("subject", "generator-0")
        assert said("P6", NOTHING, phases=PHASES, **tables).status == "not_exercised"
