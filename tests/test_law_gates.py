"""The gates on literal histories: fault effective, clean exit, harness not the bottleneck."""

from __future__ import annotations

from law_cases import MS, calls_of, promise, said

from harness.model import Span

NOTHING = promise()
BASELINE = "call op phase intended_ms ready_ms start_ms end_ms outcome"


class TestX1:
    """Every fault was effective."""

    FAULTS = """
    name kind applied_ms effective_ms cleared_ms
    a    refuse 1000     1010         2000
    b    status 3000     {}           4000
    """

    def test_passes_where_the_canary_saw_every_fault(self) -> None:
        """Both effects were seen."""
        assert said("X1", NOTHING, faults=self.FAULTS.format(3010)).status == "pass"

    def test_fails_by_one_fault_without_effect(self) -> None:
        """The second did nothing that the canary could see."""
        found = said("X1", NOTHING, faults=self.FAULTS.format("-"))
        assert (found.status, found.measured) == ("fail", "1 of 2")
        assert "b" in found.reason

    def test_does_not_apply_without_faults(self) -> None:
        """A run without faults has none to prove."""
        assert said("X1", NOTHING).status == "not_applicable"


class TestX2:
    """The run came to a clean end."""

    CALLS = "call op start_ms end_ms outcome\n1 observe 0 1 ok"
    FACTS = {"leftovers": [], "finished": True, "issued": 1}  # noqa: RUF012

    def test_passes_where_nothing_is_left(self) -> None:
        """Finished, nothing left, every call accounted for."""
        assert said("X2", NOTHING, self.FACTS, calls=self.CALLS).status == "pass"

    def test_fails_by_one_toxic_left(self) -> None:
        """A proxy of ours that is still there."""
        found = said("X2", NOTHING, self.FACTS | {"leftovers": ["proxy kato-1"]}, calls=self.CALLS)
        assert found.status == "fail"
        assert "kato-1" in found.reason

    def test_fails_by_one_call_unaccounted_for(self) -> None:
        """Two were issued, one is in the evidence."""
        assert said("X2", NOTHING, self.FACTS | {"issued": 2}, calls=self.CALLS).status == "fail"

    def test_fails_a_run_that_was_cut_short(self) -> None:
        """A manifest that was never finished."""
        assert said("X2", NOTHING, self.FACTS | {"finished": False}, calls=self.CALLS).status == "fail"

    def flights(self, counted: int) -> str:
        rows = [f"generator-0 {1000 * second} {counted}" for second in range(1, 10)]
        return "\n".join(["process time_ms in_flight", *rows])

    def test_fails_where_the_rows_lack_calls_that_were_in_flight(self) -> None:
        """Ten calls of ten seconds each: ten were counted in flight at any time, or thirty and rows are missing."""
        rows = [f"{n + 1} observe 0 0 0 10000 ok" for n in range(10)]
        calls = "\n".join(["call op intended_ms ready_ms start_ms end_ms outcome", *rows])
        facts = self.FACTS | {"issued": 10}
        assert said("X2", NOTHING, facts, calls=calls, samples=self.flights(10)).status == "pass"
        found = said("X2", NOTHING, facts, calls=calls, samples=self.flights(30))
        assert found.status == "fail"
        assert "Little" in found.reason

    def test_is_inconclusive_where_nobody_looked(self) -> None:
        """No word of leftovers."""
        assert said("X2", NOTHING, {}, calls=self.CALLS).status == "inconclusive"


def delayed(delay_ms: int, late: int, of: int = 400) -> str:
    """`of` calls of which the first `late` started `delay_ms` after they were ready."""
    rows = [
        f"{n + 1} observe - {10 * n} {10 * n} {10 * n + (delay_ms if n < late else 1)} {10 * n + 900} ok"
        for n in range(of)
    ]
    return "\n".join([BASELINE, *rows])


class TestX3:
    """The harness is not the bottleneck."""

    def samples(self, inside: float, busy: float = 0.9) -> str:
        rows = [f"generator {1000 * s} 80 {busy} {inside}" for s in range(1, 6)]
        return "\n".join(["process time_ms lag_ms busy in_integration", *rows])

    def test_passes_where_calls_start_when_due(self) -> None:
        """One late call in 400 is not a saturated generator."""
        assert said("X3", NOTHING, calls=delayed(200, 1)).status == "pass"

    def test_fails_where_a_tenth_starts_late(self) -> None:
        """40 of 400 started 200 ms late; the worst are the witnesses."""
        found = said("X3", NOTHING, calls=delayed(200, 40))
        assert found.status == "fail"
        assert len(calls_of(found)) == 5

    def test_queueing_is_not_dispatch_delay(self) -> None:
        """A call that waited for its session started as soon as it could."""
        rows = [f"{n + 1} observe - {10 * n} {10 * n + 900} {10 * n + 901} {10 * n + 920} ok" for n in range(400)]
        assert said("X3", NOTHING, calls="\n".join([BASELINE, *rows])).status == "pass"

    def test_lag_that_the_integration_makes_is_its_own(self) -> None:
        """It holds 90 % of the busy samples: P5 judges that, the run stays valid."""
        assert said("X3", NOTHING, calls=delayed(200, 40), samples=self.samples(0.9)).status == "pass"
        assert said("X3", NOTHING, calls=delayed(200, 40), samples=self.samples(0.7)).status == "fail"

    def test_a_machine_that_stands_still_is_nobodys_integration(self) -> None:
        """The generator was hardly running at all."""
        assert said("X3", NOTHING, calls=delayed(200, 40), samples=self.samples(0.9, busy=0.1)).status == "fail"

    def test_one_stall_of_a_shared_machine_is_allowed_for(self) -> None:
        """20 s at 20/s with one stall of 300 ms: six calls start late, no verdict hangs on them."""
        rows = [f"{n + 1} observe - {50 * n} {50 * n} {50 * n + 1} {50 * n + 20} ok" for n in range(400)]
        for n in range(100, 109):
            rows[n] = f"{n + 1} observe - {50 * n} {50 * n} {max(5450, 50 * n)} {5480} ok"
        found = said("X3", NOTHING, calls="\n".join([BASELINE, *rows]))
        assert found.status == "pass"
        assert "1 stall of at most" in found.reason

    def test_fails_where_a_phase_is_mostly_a_stall(self) -> None:
        """The same stall in a fault of half a second: the fault met other load than was planned."""
        phases = (
            Span("baseline", 0, 5000 * MS),
            Span("fault:burst", 5000 * MS, 5500 * MS),
            Span("recovery", 5500 * MS, 20000 * MS),
        )
        rows = [f"{n + 1} observe baseline {50 * n} {50 * n} {50 * n + 1} {50 * n + 20} ok" for n in range(400)]
        for n in range(100, 109):
            rows[n] = f"{n + 1} observe fault:burst {50 * n} {50 * n} {max(5450, 50 * n)} {5480} ok"
        found = said("X3", NOTHING, phases=phases, calls="\n".join([BASELINE, *rows]))
        assert found.status == "fail"

    def test_a_paused_process_without_any_call_due_is_seen_by_its_canary(self) -> None:
        """Users who think make no call late; the loop's own sleep was 2 s too long."""
        samples = "process time_ms lag_ms busy in_integration cpu\ngenerator-0 3000 2000 0.1 0.1 0.05"
        found = said("X3", NOTHING, calls=delayed(1, 0), samples=samples)
        assert found.status == "fail"
        assert "kept from running" in found.reason

    def test_a_full_core_is_told_with_what_it_could_have_carried(self) -> None:
        """100 calls a second took all of a core: 80 would leave the room that a clock needs."""
        rows = ["process time_ms lag_ms busy in_integration cpu"]
        samples = "\n".join([*rows, *(f"generator-0 {1000 * s} 80 0.9 0.3 1.0" for s in range(1, 6))])
        found = said("X3", NOTHING, calls=delayed(200, 400), samples=samples)
        assert found.status == "fail"
        assert "core was full" in found.reason
        assert "could have carried" in found.reason

    def test_fails_where_the_machine_had_no_socket_left(self) -> None:
        """Three of 400 calls met EMFILE, which says nothing of KATO."""
        lines = delayed(1, 0).splitlines()
        calls = [
            f"{lines[0]} detail",
            *(f"{line} {'-' if n > 3 else 'OSError(EMFILE)'}" for n, line in enumerate(lines[1:], 1)),
        ]
        found = said("X3", NOTHING, calls="\n".join(calls))
        assert found.status == "fail"
        assert "the generator had no descriptor left for 0.75% of the calls (EMFILE)" in found.reason
        assert "ulimit -n" in found.cure

    def test_fails_where_no_judged_call_had_a_descriptor(self) -> None:
        """The sessions of the warm-up couldn't be opened, and nothing was called after that."""
        calls = "call op start_ms end_ms intended_ms outcome error phase detail\n" + "\n".join(
            f"{n} open_session 0 1 0 error connect_error warmup OSError(EMFILE)" for n in (1, 2)
        )
        found = said("X3", NOTHING, calls=calls)
        assert (found.status, "no descriptor left for 100.00%" in found.reason) == ("fail", True)
        assert "could have carried" not in found.reason

    def test_fails_where_the_wall_clock_was_set(self) -> None:
        """Ten seconds were lost or won."""
        found = said("X3", NOTHING, {"wall_step_ns": -10_000 * MS}, calls=delayed(1, 0))
        assert (found.status, "-10.0 s" in found.reason) == ("fail", True)

    def test_leaves_overflow_to_the_client_where_the_generator_kept_its_schedule(self) -> None:
        """One call in 400 over the bound in flight is more than 0.1 %: the client's failure, and no invalid run."""
        calls = delayed(1, 1) + "\n401 observe - 4000 4000 4000 4000 overflow"
        found = said("X3", NOTHING, calls=calls)
        assert (found.status, "P5 judges that" in found.reason) == ("pass", True)
        assert said("P5", NOTHING, calls=calls).status == "fail"

    def test_fails_with_overflow_where_the_generator_was_late(self) -> None:
        """Then nobody knows whose it is."""
        calls = delayed(400, 400) + "\n401 observe - 4000 4000 4000 4000 overflow"
        assert said("X3", NOTHING, calls=calls).status == "fail"
        assert said("P5", NOTHING, calls=calls).status == "inconclusive"

    def test_is_inconclusive_without_calls(self) -> None:
        """Nothing was offered in a judged phase."""
        assert said("X3", NOTHING).status == "inconclusive"
