"""Recovery laws on generated histories: a baseline, an outage, and what came after it."""

from __future__ import annotations

from typing import Any

from law_cases import promise, said

from harness.model import Span

S = 1_000_000_000
CLIENT = promise({"timeout": {"total": 1.0}, "breaker": {"fail_max": 5, "reset_timeout": 3.0}})
FAULTS = "name kind applied_ms effective_ms felt_ms cleared_ms\nout refuse 10000 10001 10002 14000"


def run(ill_s: float, length_s: int = 60, slow_ms: int = 20, rate: int = 20) -> dict[str, str]:
    """10 s in peace, 4 s of outage, calls that go on failing for `ill_s` after it, and then take `slow_ms`."""
    calls = ["call op phase intended_ms ready_ms start_ms end_ms outcome"]
    for n in range(length_s * rate):
        at = n * 1000 // rate
        bad = 10_000 <= at < 14_000 + 1000 * ill_s
        phase = "baseline" if at < 10_000 else "fault:out" if at < 14_000 else "recovery"
        took = 20 if at < 14_000 else slow_ms
        calls.append(f"{n + 1} observe {phase} {at} {at} {at} {at + took} {'error' if bad else 'ok'}")
    return {"calls": "\n".join(calls), "faults": FAULTS}


class TestM1:
    """Recovery comes in time."""

    def test_passes_where_calls_were_well_soon(self) -> None:
        """4 s after the fault; 3 + 1 + 10 s are allowed."""
        found = said("M1", CLIENT, phases=PHASES, **run(4))
        assert (found.status, found.measured, found.bound) == ("pass", "4.0 s", "14.0 s")

    def test_fails_where_they_were_well_too_late(self) -> None:
        """20 s."""
        found = said("M1", CLIENT, phases=PHASES, **run(20))
        assert (found.status, found.measured) == ("fail", "20.0 s")

    def test_fails_where_they_stayed_slow(self) -> None:
        """100 ms instead of 20 ms, to the end."""
        assert said("M1", CLIENT, phases=PHASES, **run(0, slow_ms=100)).status == "fail"

    def test_a_scaled_client_is_held_to_scaled_time(self) -> None:
        """3 + 1 + 3 s."""
        scaled = promise(CLIENT.declared, scale=0.1)
        assert said("M1", scaled, phases=PHASES, **run(9)).status == "fail"

    def behind(self, growing_ms: int, named_ms: int = 60_000) -> dict[str, Any]:
        """A client that puts every observe aside and has it committed 30 ms later; from the fault's end on each waits
        `growing_ms` more than the one before it, after 2 s of delay."""
        calls, arrivals, waits = run(0)["calls"].split("\n"), ["call op session arrive_ms commit_seq paired_by"], 30
        for line in calls[1:]:
            call, _, _, at, *_ = line.split()
            waits = 30 if int(at) < 10_000 else 2000 if int(at) < 14_000 else max(waits + growing_ms, 30)
            arrivals.append(f"{call if int(at) < named_ms else 0} observe s {int(at) + waits} {call} content")
        aside = "\n".join(line.replace(" error", " degraded").replace(" ok", " degraded") for line in calls)
        return {"calls": aside, "faults": FAULTS, "arrivals": "\n".join(arrivals), "facts": {"oracle": "twin"}}

    def test_a_write_behind_client_is_back_when_it_commits_in_time_again(self) -> None:
        """Its answers are the same all along; what was put aside is drained within 2 s, or piles up for ever."""
        drained = said("M1", CLIENT, phases=PHASES, **self.behind(-50))
        assert (drained.status, drained.measured) == ("pass", "2.0 s")
        assert said("M1", CLIENT, phases=PHASES, **self.behind(20)).status == "fail"
        assert said("M2", QUICK, phases=PHASES, **self.behind(20)).status == "fail"

    def test_what_the_fault_left_behind_may_be_drained_at_half_the_usual_rate_more(self) -> None:
        """40 observes of the last 2 s of the outage were put aside beyond it: 4 s more at 10/s are allowed."""
        for growing, status, bound in ((-6, "pass", "14.0 s"), (-5, "fail", "18.0 s")):
            found = said("M1", CLIENT, phases=PHASES, **self.behind(growing))
            assert (found.status, found.bound) == (status, bound), found

    def test_is_inconclusive_where_nobody_knows_whose_commits_came_late(self) -> None:
        """From the fault on they belong to no one call, or have never belonged to any."""
        for named_ms in (10_000, 0):
            assert said("M1", CLIENT, phases=PHASES, **self.behind(20, named_ms)).status == "inconclusive"

    def test_errors_of_peace_that_come_by_chance_are_no_ill(self) -> None:
        """One call of nine fails in peace and again after the outage: none, one or two of ten a second, two in every
        third. Where four of ten fail in every second, or two of ten as often as not, it isn't back."""
        for ill, status in ((2, "pass"), (6, "fail")):
            rows = ["call op phase intended_ms ready_ms start_ms end_ms outcome"]
            for n in range(600):
                second, nth = divmod(n, 10)
                often = (
                    (2, 1, 0)[second % 3] if second < 10 else 10 if second < 14 else (ill, ill // 2, ill)[second % 3]
                )
                phase = "baseline" if second < 10 else "fault:out" if second < 14 else "recovery"
                rows.append(f"{n + 1} observe {phase} {100 * n} {100 * n} {100 * n} {100 * n + 20} "
                            f"{'error' if nth < often else 'ok'}")  # fmt: skip
            tables = {"calls": "\n".join(rows), "faults": FAULTS}
            for law in ("M1", "M2"):
                assert said(law, QUICK, phases=PHASES, **tables).status == status, (law, ill)

    def test_a_substitute_is_no_recovery_and_no_substitute_is_worse(self) -> None:
        """A third of the baseline came from a cache: afterwards all does, or a third comes to nothing."""
        peace = run(20)["calls"].split("\n")
        aside = [line.replace(" ok", " degraded") if n % 3 == 0 else line for n, line in enumerate(peace)]
        for outcome in ("degraded", "error"):
            ill = "\n".join(aside).replace(" error", f" {outcome}")
            assert said("M1", CLIENT, phases=PHASES, calls=ill, faults=FAULTS).status == "fail"
        third = [
            line.replace(" ok", " error") if n % 3 == 0 and " recovery " in line else line
            for n, line in enumerate(aside)
        ]
        assert said("M1", CLIENT, phases=PHASES, calls="\n".join(third), faults=FAULTS).status == "fail"

    def test_is_inconclusive_where_the_run_ended_too_early(self) -> None:
        """8 s after the fault, and still ill."""
        assert said("M1", CLIENT, phases=PHASES, **run(20, length_s=22)).status == "inconclusive"

    def test_is_inconclusive_without_a_baseline(self) -> None:
        """Nobody knows what well is."""
        tables = run(4)
        tables["calls"] = tables["calls"].replace("baseline", "warmup")
        assert said("M1", CLIENT, phases=PHASES, **tables).status == "inconclusive"

    def test_calls_that_the_fault_caught_half_way_are_no_peace(self) -> None:
        """Four of five calls of the baseline were still waiting when the outage began, and came to nothing by it."""
        rows = run(4)["calls"].split("\n")
        for n in range(41, 201):
            call, op, phase, intended, ready, start, *_ = rows[n].split()
            rows[n] = f"{call} {op} {phase} {intended} {ready} {start} 13000 timeout"
        found = said("M1", CLIENT, phases=PHASES, calls="\n".join(rows), faults=FAULTS)
        assert (found.status, found.measured) == ("pass", "4.0 s")

    def test_is_not_exercised_where_nothing_was_hurt(self) -> None:
        """The fault drove nothing out of band."""
        tables = run(0)
        tables["calls"] = tables["calls"].replace("error", "ok")
        assert said("M1", CLIENT, phases=PHASES, **tables).status == "not_exercised"


PHASES = (Span("baseline", 0, 10 * S), Span("fault:out", 10 * S, 14 * S), Span("recovery", 14 * S, 60 * S))
QUICK = promise({"timeout": {"total": 1.0}}, scale=0.1)
"""Recovery may take 0 + 1 + 3 s: three times that are 12 s."""


class TestM2:
    """Nothing goes on by itself."""

    def test_passes_where_all_was_well_for_long(self) -> None:
        """30 s watched."""
        assert said("M2", QUICK, phases=PHASES, **run(3)).status == "pass"

    def test_fails_where_it_never_came_back(self) -> None:
        """Failing to the end, at the load that was fine before."""
        assert said("M2", QUICK, phases=PHASES, **run(60)).status == "fail"

    def test_is_not_exercised_by_a_short_watch(self) -> None:
        """12 s are needed, 8 were there."""
        assert said("M2", QUICK, phases=PHASES, **run(3, length_s=22)).status == "not_exercised"


class TestM3:
    """Nobody comes back all at once."""

    def attempts(self, herd: int, attempt: int = 2, due_ms: int = 12_000, began_ms: int = 12_000) -> dict[str, str]:
        """20 attempts a second, and `herd` more within a second of the fault's end, of calls due 5 ms apart."""
        tables = run(0, length_s=30)
        rows = ["call attempt start_ms end_ms status"]
        for line in tables["calls"].split("\n")[1:]:
            call, *_, start, end, _ = line.split()
            rows.append(f"{call} 1 {start} {end} 200")
        extra = []
        for n in range(herd):
            at = 14_200 + 5 * n
            if attempt > 1:
                rows.append(f"{5000 + n} 1 {12_000 + 5 * n} {12_005 + 5 * n} 503")
            rows.append(f"{5000 + n} {attempt} {at} {at + 5} 200")
            due, began = due_ms + 5 * n, began_ms + 5 * n
            extra.append(f"{5000 + n} observe fault:out {due} {began} {began} {at + 5} ok")
        return tables | {"attempts": "\n".join(rows), "calls": "\n".join([tables["calls"], *extra])}

    def test_passes_where_nobody_came_early(self) -> None:
        """Twenty a second, before and after."""
        assert said("M3", CLIENT, phases=PHASES, **self.attempts(0)).status == "pass"

    def test_fails_where_everybody_did(self) -> None:
        """A hundred re-tries in half a second."""
        found = said("M3", CLIENT, phases=PHASES, **self.attempts(100))
        assert (found.status, found.bound) == ("fail", "1.5 × 20/s")

    def test_the_users_backlog_is_not_the_clients_doing(self) -> None:
        """Calls that waited for their sessions."""
        assert said("M3", CLIENT, phases=PHASES, **self.attempts(100, 1, began_ms=14_200)).status == "pass"

    def test_fails_where_a_gate_let_all_go_at_once(self) -> None:
        """A hundred calls that waited in the client take a hundred connections within 10 ms; one after another they
        are a queue."""
        tables = self.attempts(100, 1)
        rows, connections = tables["attempts"].split("\n")[1:], 1
        kept, gate, queue = [], [], []
        for row in rows:
            call, attempt, start, end, status = row.split()
            if int(call) < 5000:
                kept.append(f"{row} 1")
                continue
            connections += 1
            gate.append(f"{call} {attempt} 14205 14215 {status} {connections}")
            queue.append(f"{call} {attempt} {start} {end} {status} 1")
        head = "call attempt start_ms end_ms status connection"
        for held, status in ((gate, "fail"), (queue, "pass")):
            attempts = "\n".join([head, *kept, *held])
            assert said("M3", CLIENT, phases=PHASES, **(tables | {"attempts": attempts})).status == status

    def test_a_load_that_rises_is_nobodys_herd(self) -> None:
        """A spike of the schedule right after the fault: a hundred calls that were due in that very second."""
        assert said("M3", CLIENT, phases=PHASES, **self.attempts(100, 1, 14_200, 14_200)).status == "pass"

    def test_does_not_apply_to_a_trickle(self) -> None:
        """Without a baseline of five a second nothing can be told."""
        tables = run(0, rate=2)
        rows = [f"{n} 1 {500 * n} {500 * n + 5} 200" for n in range(1, 100)]
        attempts = "\n".join(["call attempt start_ms end_ms status", *rows])
        assert said("M3", CLIENT, phases=PHASES, **tables, attempts=attempts).status == "not_applicable"

    def test_is_inconclusive_without_hooks(self) -> None:
        """Nobody saw the attempts."""
        assert said("M3", CLIENT, phases=PHASES, **run(0)).status == "inconclusive"
