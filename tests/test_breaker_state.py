"""The breaker's states inferred from outside agree with what a listener inside saw."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from breaker_sim import MS, Plan, S, simulate
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.evidence.history import History, table
from harness.laws import LAWS
from harness.laws.breaker_state import events_of, infer_breaker
from harness.laws.case import Case
from harness.policy import Breaker, Policy, Promise, merge

STEP = 5 * MS


def policy_of(plan: Plan) -> Policy:
    return Policy(breaker=Breaker(plan.fail_max, plan.reset_s, success_threshold=plan.success_threshold))


def inferred(plan: Plan, history: History) -> list[tuple[int, str, int, int]]:
    found = infer_breaker(history, policy_of(plan))
    return [(r["worker"], r["state"], r["from_ns"], r["to_ns"]) for r in found.rows()]


def disagreement(one: list[tuple[int, str, int, int]], other: list[tuple[int, str, int, int]], end_ns: int) -> float:
    """The share of time in which the two timelines name different states."""
    times = np.arange(0, end_ns, STEP)

    def states(spans: list[tuple[int, str, int, int]]) -> list[str]:
        ordered = sorted(spans, key=lambda span: span[2])
        at = np.searchsorted([span[2] for span in ordered], times, side="right") - 1
        return [ordered[i][1] for i in at]

    return float(np.mean([a != b for a, b in zip(states(one), states(other), strict=True)]))


def allowance(plan: Plan, history: History, spans: list[tuple[int, str, int, int]]) -> float:
    """One inter-arrival + 50 ms a change, as a share of the run (the longest gap between calls counts)."""
    gap = float(np.diff(np.sort(history.calls["start_ns"])).max())
    return max(len(spans) - 1, 0) * (gap + 50 * MS) / (plan.length_s * S)


schedules = st.builds(
    Plan,
    seed=st.integers(0, 10_000),
    rate=st.sampled_from([5.0, 20.0, 100.0]),
    down=st.lists(st.tuples(st.floats(1, 20), st.floats(0.2, 10)), min_size=0, max_size=3).map(
        lambda pairs: tuple((at, at + length) for at, length in pairs)
    ),
    fail_max=st.integers(1, 8),
    reset_s=st.sampled_from([0.5, 1.0, 3.0]),
    success_threshold=st.integers(1, 3),
    failing_s=st.sampled_from([0.002, 0.2, 1.0]),
    service_s=st.sampled_from([0.01, 0.3]),
    fallback=st.booleans(),
    how=st.sampled_from(["connect_error", "503", "read_timeout"]),
)


@settings(max_examples=60, deadline=None)
@given(schedules)
def test_inferred_states_agree_with_the_listener(plan: Plan) -> None:
    """Every change is found within one inter-arrival + 50 ms."""
    history, truth = simulate(plan)
    found = inferred(plan, history)
    if not any(state == "open" for _, state, _, _ in truth):
        assert found == []
        return
    if not found:  # it opened after the last call: nobody could see
        return
    assert disagreement(found, truth, int(plan.length_s * S)) <= allowance(plan, history, truth)


@settings(max_examples=30, deadline=None)
@given(schedules)
def test_inferred_states_have_no_gaps(plan: Plan) -> None:
    """The spans of a worker follow each other from the start to the end of the run."""
    history, _ = simulate(plan)
    found = inferred(plan, history)
    assert all(a[3] == b[2] for a, b in itertools.pairwise(found))
    assert all(span[2] <= span[3] for span in found)


def test_a_bulkhead_behind_a_fallback_is_no_breaker() -> None:
    """It answers with a substitute while its two places are taken by calls that time out: nothing was open."""
    calls, attempts = ["call op start_ms end_ms outcome error marked"], ["call attempt start_ms end_ms result"]
    for n in range(1, 61):
        at = 100 * n
        if n % 10 in (1, 2):
            calls.append(f"{n} observe {at} {at + 950} timeout read_timeout 0")
            attempts.append(f"{n} 1 {at} {at + 950} read_timeout")
        else:
            calls.append(f"{n} observe {at} {at} degraded - 1")
    history = History.literal(calls="\n".join(calls), attempts="\n".join(attempts))
    assert len(infer_breaker(history, policy_of(Plan()))) == 0


def test_an_attempt_that_its_time_out_cancelled_is_a_failure() -> None:
    """asyncio cancels what takes too long: the call says that it was a time-out."""
    calls = [f"{n} observe {200 * n} {200 * n + 100} timeout read_timeout" for n in range(1, 6)]
    attempts = [f"{n} 1 {200 * n} {200 * n + 100} cancelled" for n in range(1, 6)]
    history = History.literal(
        calls="\n".join(["call op start_ms end_ms outcome error", *calls]),
        attempts="\n".join(["call attempt start_ms end_ms result", *attempts]),
    )
    (events,) = events_of(Case(history, Promise(policy_of(Plan()))))
    assert events.failed.all()


def test_states_are_told_apart_by_worker() -> None:
    """Each process has a breaker of its own."""
    plan = Plan(workers=2, rate=40.0)
    history, truth = simulate(plan)
    for worker in (0, 1):
        mine = [span for span in inferred(plan, history) if span[0] == worker]
        assert disagreement(mine, [span for span in truth if span[0] == worker], int(plan.length_s * S)) < 0.02


@pytest.mark.parametrize("fallback", [False, True])
def test_a_client_that_was_never_rejected_has_no_states(fallback: bool) -> None:
    """Without a rejection nothing is said of a breaker."""
    plan = Plan(down=(), fallback=fallback)
    assert inferred(plan, simulate(plan)[0]) == []


def test_a_trial_that_is_refused_at_once_is_one_all_the_same() -> None:
    """In virtual time a refused connection takes no time at all: the half-open span is empty, and still there."""
    history = History.literal(
        calls="""
call op start_ms end_ms outcome error
0 observe 10 20 ok -
1 observe 1000 1000 error connect_error
2 observe 1100 1100 rejected breaker_open
3 observe 2200 2200 error connect_error
4 observe 2300 2300 rejected breaker_open
""",
        attempts="""
call attempt start_ms end_ms result
0 1 10 20 -
1 1 1000 1000 connect_error
3 1 2200 2200 connect_error
""",
    )
    found = infer_breaker(history, Policy(breaker=Breaker(1, 1.0)))
    assert [row["state"] for row in found.rows()] == ["closed", "open", "half_open", "open"]


def together(*parts: tuple[str, Plan]) -> History:
    """Simulated clients as one process: each part's calls are of its operation, behind a breaker of its own."""
    tables: dict[str, list[dict[str, Any]]] = {"calls": [], "attempts": []}
    for number, (op, plan) in enumerate(parts):
        history, _ = simulate(plan)
        for name, rows in tables.items():
            for row in getattr(history, name).rows():
                own = {"op": op} if name == "calls" else {}
                rows.append(row | own | {"call": row["call"] + 100_000 * number})
    columns = {name: {key: [row[key] for row in rows] for key in rows[0]} for name, rows in tables.items()}
    calls = table("calls", columns["calls"]).sorted_by("start_ns")
    return History(calls=calls, attempts=table("attempts", columns["attempts"]), facts={"hooks": ["httpx"]})


def test_operations_with_a_breaker_each_are_told_apart() -> None:
    """Predictions go on while observes are rejected: no leak, and no trial."""
    history = together(("observe", Plan(down=((5.0, 20.0),))), ("predict", Plan(seed=2, down=((24.0, 24.5),))))
    found = infer_breaker(history, policy_of(Plan()))
    opened = [(row["from_ns"], row["to_ns"]) for row in found.rows() if row["state"] == "open"]
    assert min(at for at, _ in opened) < 6 * S
    promised = merge({"breaker": {"fail_max": 5, "reset_timeout": 3.0}}, {}, {})
    failing = [law for law in LAWS if law[0] == "B" and LAWS[law].judge(Case(history, promised)).status == "fail"]
    assert failing == []


def test_operations_that_share_a_breaker_are_one() -> None:
    """Rejected together, tried together."""
    history, _ = simulate(Plan(down=((5.0, 20.0),)))
    ops = ["observe" if n % 3 else "predict" for n in range(len(history.calls))]
    shared = History(calls=table("calls", {**history.calls.columns, "op": ops}), attempts=history.attempts)
    (events,) = events_of(Case(shared, Promise(policy_of(Plan()))))
    assert set(events.ops) == {"observe", "predict"}


def beside(one: History, other: History, op: str) -> History:
    """Both histories in one, the other's calls as another operation."""
    offset = len(one.calls)
    calls, tries = list(one.calls.rows()), list(one.attempts.rows())
    calls += [{**row, "call": row["call"] + offset, "op": op} for row in other.calls.rows()]
    tries += [{**row, "call": row["call"] + offset} for row in other.attempts.rows()]
    names = ("call", "op", "start_ns", "end_ns", "ready_ns", "intended_ns", "outcome", "error", "worker", "phase")
    parts = ("call", "attempt", "start_ns", "end_ns", "result", "status", "worker")
    return History(
        calls=table("calls", {name: [row[name] for row in calls] for name in names}),
        attempts=table("attempts", {name: [row[name] for row in tries] for name in parts}),
        phases=one.phases,
        facts=one.facts,
    )


@pytest.mark.parametrize("how", ["connect_error", "503"])
def test_operations_with_breakers_of_their_own_are_told_apart(how: str) -> None:
    """In one outage each opens by its own count and tries by its own clock; nobody breaks a law by that."""
    plans = [Plan(seed=seed, rate=rate, how=how) for seed, rate in ((1, 14.0), (2, 6.0))]
    together = beside(*(simulate(plan)[0] for plan in plans), "predict")
    assert len(events_of(Case(together, Promise(policy_of(plans[0]))))) == 2
    for law in ("B1", "B2", "B3", "B5", "B6", "B7"):
        ruling = LAWS[law].judge(Case(together, Promise(policy_of(plans[0]))))
        assert ruling.status != "fail", (law, ruling.reason)


def test_operations_behind_one_breaker_stay_together() -> None:
    """A breaker that opens after three of five failures can't excuse itself with operations of its own."""
    plan = Plan(fail_max=3)
    history, _ = simulate(plan)
    rows = list(history.calls.rows())
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    mixed = {**columns, "op": ["predict" if row["call"] % 3 == 0 else "observe" for row in rows]}
    history = History(table("calls", mixed), history.attempts, phases=history.phases, facts=history.facts)
    ruling = LAWS["B2"].judge(Case(history, Promise(policy_of(Plan()))))
    assert ruling.status == "fail"


def test_work_in_the_background_excuses_what_nobody_saw() -> None:
    """A replay that failed behind the same breaker may have filled its count."""
    plan = Plan(fail_max=3)
    history, _ = simulate(plan)
    tries = list(history.attempts.rows())
    replay = {**tries[0], "call": 0, "result": "connect_error", "status": 0}
    moments = [{**replay, "start_ns": at * S // 10, "end_ns": at * S // 10 + MS} for at in range(290)]
    columns = {name: [row[name] for row in [*tries, *moments]] for name in tries[0]}
    history = History(history.calls, table("attempts", columns), phases=history.phases, facts=history.facts)
    assert LAWS["B2"].judge(Case(history, Promise(policy_of(Plan())))).status != "fail"
