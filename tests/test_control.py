"""Control against experiment: what fails without a fault is not put down to the faults."""

from __future__ import annotations

from harness.laws.judge import Judgement
from harness.model import Fault, Load, Span, Stage, Verdict
from harness.run.control import beside_control, without_faults
from harness.scenario import Timeline

SECOND = 1_000_000_000


def judged(**statuses: str) -> Judgement:
    return Judgement(tuple(Verdict(law, law, status, "why") for law, status in statuses.items()), (), (), 1)  # type: ignore[arg-type]


def test_a_control_has_the_same_load_and_nothing_broken() -> None:
    load = Load((Stage(20.0, 20.0, 30 * SECOND),))
    spans = (
        Span("warmup", 0, SECOND),
        Span("baseline", SECOND, 5 * SECOND),
        Span("fault:hole", 5 * SECOND, 9 * SECOND),
        Span("recovery", 9 * SECOND, 28 * SECOND),
        Span("cooldown", 28 * SECOND, 30 * SECOND),
    )
    timeline = Timeline(spans, (Fault("hole", "timeout", 5 * SECOND, 4 * SECOND),), load, 30 * SECOND)
    control = without_faults(timeline)
    assert (control.load, control.faults, control.end_ns) == (load, (), timeline.end_ns)
    assert control.phases == (spans[0], Span("baseline", SECOND, 28 * SECOND), spans[4])


def test_what_fails_in_both_is_told_as_no_matter_of_the_faults() -> None:
    found = beside_control(judged(B3="fail", T1="fail", R1="pass"), judged(B3="pass", T1="fail", R1="pass"))
    reasons = {verdict.law: verdict.reason for verdict in found.verdicts}
    assert reasons == {"B3": "why", "T1": "why (without a fault too: see the control)", "R1": "why"}
    assert found.notices == ("not for the faults: T1 failed in the control as well",)
    assert found.exit_code == 1


def test_what_held_in_the_control_is_said_to_have_held() -> None:
    (notice,) = beside_control(judged(B3="fail"), judged(B3="not_exercised")).notices
    assert "held in the control" in notice


def test_a_machine_that_could_not_carry_the_control_is_told() -> None:
    (notice,) = beside_control(judged(B3="fail"), judged(B3="invalid", X3="fail")).notices
    assert "the control is invalid itself (X3)" in notice
