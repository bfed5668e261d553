"""Scenario and policy to timeline: phases tile the run, faults stand where their expressions say, load lasts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import ScenarioError
from harness.model import Span, Stage
from harness.policy import Breaker, Policy, Retry, Timeout
from harness.scenario import Timeline, load_scenario, resolve

POLICY = Policy(timeout=Timeout(read=1.0, total=2.0), breaker=Breaker(fail_max=5, reset_timeout=6.0))


def _resolve(text: str, policy: Policy = POLICY, scale: float = 1.0) -> Timeline:
    return resolve(load_scenario("case.yaml", text="format: kato-harness/1\n" + text), policy, scale=scale)


def _phases(timeline: Timeline) -> list[tuple[str, float, float]]:
    return [(span.name, span.start_ns / 1e9, span.end_ns / 1e9) for span in timeline.phases]


def _wrong(text: str, policy: Policy = POLICY) -> str:
    with pytest.raises(ScenarioError) as caught:
        _resolve(text, policy)
    return str(caught.value)


def test_the_least_that_works_has_every_phase() -> None:
    """Default warm-up, a baseline that the fault ends, and recovery until the load ends."""
    timeline = _resolve("load: {rate: 40/s, duration: 30s}\nfaults: [{name: outage, kind: refuse, at: 10s, for: 8s}]")
    assert _phases(timeline) == [("warmup", 0, 2), ("baseline", 2, 10), ("fault:outage", 10, 18), ("recovery", 18, 30)]
    assert timeline.load.stages == (Stage(40.0, 40.0, 30 * 10**9),)


def test_lengths_follow_the_policy_and_scale_with_it() -> None:
    """A tenth of the policy's times gives a tenth of the fault."""
    text = "faults: [{kind: refuse, at: baseline.end, for: 1.5 * policy.breaker.reset_timeout}]"
    assert _resolve(text).faults[0].for_ns == 9 * 10**9
    assert _resolve(text, Policy(breaker=Breaker(reset_timeout=60.0))).faults[0].for_ns == 90 * 10**9


def test_what_a_client_does_not_promise_is_the_guides_number_scaled() -> None:
    """So that one scenario runs on every client; the timeline says which numbers were assumed."""
    timeline = _resolve("faults: [{kind: refuse, for: policy.breaker.reset_timeout}]", Policy(), 0.1)
    assert timeline.faults[0].for_ns == 6 * 10**9
    assert timeline.assumed == {"policy.breaker.reset_timeout": 6.0}
    counted = _resolve("faults: [{kind: refuse, for: policy.breaker.fail_max * 1s}]", Policy(), 0.1)
    assert counted.faults[0].for_ns == 5 * 10**9


def test_only_a_breaker_that_looks_at_a_ratio_has_a_window() -> None:
    """So that one outage is as long as any of them needs; where a ratio has no window, the guide's is assumed."""
    ratio = Breaker(failure_ratio=0.5, min_calls=4)
    seconds = {Breaker(fail_max=5): 1, replace(ratio, window=5.0): 6, ratio: 61, None: 1}
    for breaker, expected in seconds.items():
        (fault,) = _resolve("faults: [{kind: refuse, for: 1s + policy.breaker.window}]", Policy(breaker=breaker)).faults
        assert fault.for_ns == expected * 10**9


def test_one_timeout_follows_from_another() -> None:
    """total from the attempts; a read time-out from the total; per call before the rest."""
    three = Policy(timeout=Timeout(pool=1.0, connect=1.0, read=2.0), retry=Retry(max_attempts=3))
    assert _resolve("faults: [{kind: refuse, for: policy.timeout.total}]", three).faults[0].for_ns == 12 * 10**9
    whole = Policy(timeout=Timeout(total=4.0), calls={"predict": Policy(timeout=Timeout(total=1.0))})
    assert _resolve("faults: [{kind: refuse, for: policy.timeout.read}]", whole).faults[0].for_ns == 4 * 10**9
    assert (
        _resolve("faults: [{kind: refuse, for: policy.calls.predict.timeout.total}]", whole).faults[0].for_ns == 10**9
    )


def test_max_for_bounds_an_expression() -> None:
    """Of faults and of phases."""
    timeline = _resolve(
        "phases: {recovery: {for: 9 * policy.breaker.reset_timeout, max_for: 10s}}\n"
        "faults: [{kind: refuse, for: 3 * policy.breaker.reset_timeout, max_for: 4s}]"
    )
    assert timeline.faults[0].for_ns == 4 * 10**9
    assert timeline.phases[-1] == Span("recovery", 26 * 10**9, 36 * 10**9)


def test_two_faults_at_once_make_a_phase_of_both() -> None:
    """Named in the file's order, whichever begins first."""
    timeline = _resolve(
        "load: {duration: 40s}\nfaults:\n  - {name: b, kind: status, at: a.start + 2s, for: 6s}\n"
        "  - {name: a, kind: latency, latency: 1s, at: 10s, for: 5s}"
    )
    assert _phases(timeline)[2:] == [
        ("fault:a", 10, 12),
        ("fault:b+a", 12, 15),
        ("fault:b", 15, 18),
        ("recovery", 18, 40),
    ]


def test_a_repeated_fault_has_several_windows_with_recoveries_between() -> None:
    """`end` of a repeated fault is the end of its last window."""
    timeline = _resolve(
        "phases: {warmup: 1s, baseline: 2s, recovery: 5s}\n"
        "faults: [{name: flap, kind: refuse, for: 1s, repeat: 3, every: 3s}, "
        "{name: after, kind: pause, at: flap.end + 1s, for: 1s}]"
    )
    assert [(fault.name, fault.at_ns / 1e9) for fault in timeline.faults] == [
        ("flap", 3),
        ("flap", 6),
        ("flap", 9),
        ("after", 11),
    ]
    assert [name for name, _, _ in _phases(timeline)].count("fault:flap") == 3
    assert timeline.end_ns == 17 * 10**9


def test_a_baseline_lasts_until_the_first_fault() -> None:
    """Shorter than asked when a fault starts in it, longer when the first fault waits; it is fault-free either way."""
    assert _phases(_resolve("phases: {baseline: 20s}\nfaults: [{kind: refuse, at: 5s}]"))[1] == ("baseline", 2, 5)
    assert _phases(_resolve("phases: {baseline: 3s}\nfaults: [{kind: refuse, at: baseline.end + 4s}]"))[1] == (
        "baseline",
        2,
        9,
    )
    assert _phases(_resolve("faults: [{kind: refuse, at: 1s}]"))[:2] == [("warmup", 0, 1), ("fault:refuse", 1, 11)]


def test_without_faults_the_baseline_is_the_run() -> None:
    """Nothing recovers from nothing."""
    assert _phases(_resolve("load: {duration: 20s}\nphases: {cooldown: 1s}")) == [
        ("warmup", 0, 2),
        ("baseline", 2, 19),
        ("cooldown", 19, 20),
    ]


def test_load_lasts_until_the_phases_are_through() -> None:
    """Stages end by holding the last rate that isn't a spike's."""
    timeline = _resolve(
        "load: {rate: [{ramp: 0/s..10/s, over: 5s}, {spike: 50/s, for: 1s}]}\n"
        "phases: {recovery: 10s}\nfaults: [{kind: refuse, at: 4s, for: 4s}]"
    )
    assert timeline.load.stages == (
        Stage(0.0, 10.0, 5 * 10**9),
        Stage(50.0, 50.0, 10**9),
        Stage(10.0, 10.0, 12 * 10**9),
    )
    assert timeline.end_ns == timeline.load.for_ns == 18 * 10**9


def test_sessions_suffice_for_the_longest_wait() -> None:
    """ceil(rate × longest fault or time-out × 1.2), at least 20; never more nodes than allowed on a foreign KATO."""
    assert _resolve("load: {rate: 40/s}\nfaults: [{kind: refuse, for: 8s}]").load.sessions == 384
    assert _resolve("load: {rate: 1/s, duration: 20s}").load.sessions == 20
    assert _resolve("load: {rate: 40/s, duration: 20s}").load.sessions == 96
    assert (
        _resolve(
            "load: {rate: 40/s, duration: 20s}\ntarget: {url: 'http://127.0.0.1:1', footprint: {max_nodes: 30}}"
        ).load.sessions
        == 30
    )
    assert _resolve("load: {users: 50, duration: 20s}").load.sessions == 50


def test_a_file_whose_run_is_sent_to_a_foreign_kato_uses_no_more_nodes_there_than_allowed() -> None:
    """`--target URL` is given after the file was checked."""
    scenario = load_scenario("case.yaml", text="format: kato-harness/1\nload: {sessions: {concurrent: 100}}")
    foreign = replace(scenario, target=replace(scenario.target, url="http://127.0.0.1:1"))
    assert [resolve(each, POLICY).load.sessions for each in (scenario, foreign)] == [100, 80]


def test_parameters_of_faults_are_resolved_and_completed() -> None:
    """Durations are seconds, sizes bytes, defaults filled in."""
    fault = _resolve("faults: [{kind: latency, latency: 0.5 * policy.timeout.read, jitter: 20ms}]").faults[0]
    assert fault.params == {"latency": 0.5, "jitter": 0.02, "direction": "downstream"}
    assert _resolve("faults: [{kind: huge_body, bytes: 64KiB}]").faults[0].params == {"bytes": 65536}
    assert _resolve("faults: [{kind: status, only: {every: 4, op: observe}}]").faults[0].only == {
        "every": 4,
        "op": "observe",
    }


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("load: {duration: 10s}\nfaults: [{kind: refuse, at: 8s, for: 5s}]", "no recovery would be seen"),
        ("faults: [{kind: refuse, at: baseline.end - 60s}]", "before the load"),
        ("faults: [{kind: refuse, for: 5s - 8s}]", "comes to -3s"),
        ("faults: [{kind: refuse, for: 5s, repeat: 2, every: 3s}]", "lasts 5s but comes every 3s"),
        ("load: {rate: 5000/s}", "above guards.max_rate"),
        ("load: {duration: 2h}", "above guards.max_duration"),
        ("load: {rate: 1000/s, duration: 30m}", "above guards.max_calls"),
        ("load: {rate: [{hold: 0/s, for: 10s}]}", "no call would be offered"),
        ("faults: [{kind: latency, latency: 0s}]", "at least 0.001"),
        ("faults: [{kind: sequence, steps: [ok]}]", "no step of the cycle is a fault"),
        ("faults: [{name: a, kind: refuse, at: b.end}, {name: b, kind: refuse, at: a.end}]", "wait for each other"),
        ("faults: [{name: a, kind: refuse, at: recovery.start}]", "wait for each other"),
        ("phases: {cooldown: recovery.end - recovery.start}\nfaults: [{kind: refuse}]", "wait for each other"),
        ("phases: {baseline: recovery.end - recovery.start}\nfaults: [{kind: refuse}]", "wait for each other"),
    ],
)
def test_times_that_make_no_sense_are_refused_with_their_place(text: str, what: str) -> None:
    """What only the resolved times show is refused like a typo."""
    said = _wrong(text)
    assert what in said
    assert "case.yaml:" in said


def test_a_duration_is_never_shorter_than_the_phases_that_were_asked_for() -> None:
    """With a recovery asked for, the load goes on until it is over; without one, recovery fills the duration."""
    faults = "faults: [{kind: refuse, at: 5s, for: 5s}]"
    assert _resolve(f"load: {{duration: 12s}}\nphases: {{recovery: 10s}}\n{faults}").end_ns == 20 * 10**9
    assert _resolve(f"load: {{duration: 40s}}\nphases: {{recovery: 10s}}\n{faults}").end_ns == 40 * 10**9
    assert _resolve(f"load: {{duration: 12s}}\n{faults}").end_ns == 12 * 10**9


def test_any_word_names_a_fault() -> None:
    """Also one that begins like something of ours."""
    timeline = _resolve("faults: [{name: stage, kind: refuse}, {name: policies, kind: pause, at: stage.end + 1s}]")
    assert [fault.at_ns / 1e9 for fault in timeline.faults] == [22, 33]


def test_a_quota_is_a_rate() -> None:
    """With its unit or as calls per second."""
    for rate in ("600/min", "10/s", "10"):
        assert _resolve(f"faults: [{{kind: quota, rate: {rate}}}]").faults[0].params["rate"] == 10


def test_a_phase_may_refer_to_a_fault() -> None:
    """Recovery as long as the outage was."""
    timeline = _resolve(
        "phases: {recovery: outage.end - outage.start}\nfaults: [{name: outage, kind: refuse, for: 7s}]"
    )
    assert _phases(timeline)[-1] == ("recovery", 29, 36)


FAULTS = st.lists(
    st.tuples(st.integers(0, 60), st.integers(1, 20), st.integers(1, 3), st.integers(0, 10)), min_size=0, max_size=4
)


@settings(deadline=None)
@given(FAULTS, st.integers(0, 5), st.integers(0, 5), st.one_of(st.none(), st.integers(0, 20)))
def test_phases_tile_the_run_and_hold_their_faults(
    windows: list[tuple[int, int, int, int]], warmup: int, cooldown: int, recovery: int | None
) -> None:
    """No gap, no overlap; a moment is in a fault's phase exactly when that fault is on."""
    faults = ", ".join(
        f"{{name: f{n}, kind: refuse, at: {at}s, for: {for_}s, repeat: {times}"
        f"{f', every: {for_ + more}s' if times > 1 else ''}}}"
        for n, (at, for_, times, more) in enumerate(windows)
    )
    last = f", recovery: {recovery}s" if recovery is not None else ""
    timeline = _resolve(f"phases: {{warmup: {warmup}s, cooldown: {cooldown}s{last}}}\nfaults: [{faults}]")
    assert timeline.phases[0].start_ns == 0
    assert timeline.phases[-1].end_ns == timeline.end_ns == timeline.load.for_ns
    for one, two in zip(timeline.phases, timeline.phases[1:], strict=False):
        assert one.end_ns == two.start_ns
    for span in timeline.phases:
        on = {fault.name for fault in timeline.faults if fault.at_ns < span.end_ns and fault.until_ns > span.start_ns}
        named = set(span.name.removeprefix("fault:").split("+")) if span.name.startswith("fault:") else set()
        assert on == named
    assert list(timeline.faults) == sorted(timeline.faults, key=lambda fault: fault.at_ns)
