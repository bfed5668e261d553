"""The plan: equal load and seed give equal calls, on any number of workers."""

from __future__ import annotations

import itertools
import json
from dataclasses import asdict, replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.data import GENERATORS
from harness.model import Load, Stage
from harness.plan import SECOND_NS, Plan, load_from_json, open_call_id

STEADY = Load(stages=(Stage(40, 40, 2 * SECOND_NS),), mix={"observe": 6, "predict": 3, "learn": 1}, sessions=7)

loads = st.builds(
    Load,
    stages=st.lists(
        st.builds(
            Stage,
            st.floats(0, 200),
            st.floats(0, 200),
            st.integers(SECOND_NS // 100, 3 * SECOND_NS),
        ),
        min_size=1,
        max_size=4,
    ).map(tuple),
    arrivals=st.sampled_from(["constant", "poisson"]),
    sessions=st.integers(1, 50),
    events=st.integers(0, 5),
    mix=st.fixed_dictionaries({"observe": st.floats(0.1, 5), "predict": st.floats(0, 5), "learn": st.floats(0, 5)}),
)


def test_constant_arrivals_are_evenly_spaced() -> None:
    """40/s for 2 s is a call each 25 ms, the first one at once."""
    offsets = list(Plan(STEADY, 1).offsets())
    assert offsets == [index * 25_000_000 for index in range(80)]


def test_a_ramp_offers_the_area_under_the_rate() -> None:
    """0/s to 40/s over 10 s is 200 calls, half of them after 1/√2 of the time."""
    offsets = list(Plan(replace(STEADY, stages=(Stage(0, 40, 10 * SECOND_NS),)), 1).offsets())
    assert len(offsets) == 200
    assert offsets[100] == pytest.approx(10 * SECOND_NS / 2**0.5, rel=1e-6)


@settings(max_examples=60, deadline=None)
@given(loads, st.integers(0, 2**64))
def test_workers_together_make_the_plan_of_one(load: Load, seed: int) -> None:
    """The calls of three workers, merged, are the calls of one worker."""
    plan = Plan(load, seed)
    together = sorted((c for w in range(3) for c in plan.calls(w, 3)), key=lambda planned: planned.call)
    assert together == list(plan.calls())


@settings(max_examples=60, deadline=None)
@given(loads, st.integers(0, 2**64))
def test_offsets_ascend_within_the_load(load: Load, seed: int) -> None:
    """Intended starts never go back and never leave the stages."""
    offsets = list(Plan(load, seed).offsets())
    assert offsets == sorted(offsets)
    assert all(0 <= offset <= load.for_ns for offset in offsets)


@settings(max_examples=20, deadline=None)
@given(loads, st.integers(0, 2**64))
def test_equal_seed_gives_a_byte_equal_plan(load: Load, seed: int) -> None:
    """The digest is a function of load and seed, also after the load's trip through JSON."""
    again = load_from_json(json.loads(json.dumps(asdict(load))))
    assert Plan(load, seed).digest() == Plan(again, seed).digest()


def test_another_seed_gives_another_plan() -> None:
    """Two seeds differ."""
    assert Plan(STEADY, 1).digest() != Plan(STEADY, 2).digest()


def test_poisson_gaps_have_the_mean_and_spread_of_the_exponential() -> None:
    """At 100/s the mean gap is 10 ms and the coefficient of variation 1."""
    load = Load(stages=(Stage(100, 100, 200 * SECOND_NS),), arrivals="poisson")
    offsets = list(Plan(load, 3).offsets())
    gaps = [b - a for a, b in pairwise(offsets)]
    mean = sum(gaps) / len(gaps)
    deviation = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    assert mean == pytest.approx(10_000_000, rel=0.03)
    assert deviation / mean == pytest.approx(1, rel=0.03)


def test_sessions_end_after_their_events() -> None:
    """With events: 3 no session is observed more than three times."""
    counts: dict[int, int] = {}
    for planned in Plan(replace(STEADY, events=3, sessions=2), 1).calls():
        if planned.op == "observe":
            counts[planned.session] = counts.get(planned.session, 0) + 1
    assert max(counts.values()) == 3


def test_learn_never_comes_before_two_observes() -> None:
    """KATO refuses to learn an empty STM, so the plan never asks for it."""
    since: dict[int, int] = {}
    for planned in Plan(replace(STEADY, mix={"observe": 1, "learn": 5}), 1).calls():
        if planned.op == "learn":
            assert since[planned.session] >= 2
            since[planned.session] = 0
        else:
            since[planned.session] = since.get(planned.session, 0) + 1


def test_no_session_is_opened_that_no_call_will_use() -> None:
    """300 sessions for 40 calls: 40 are opened."""
    plan = Plan.of(Load((Stage(20.0, 20.0, 2 * SECOND_NS),), sessions=300, mix={"observe": 1}), seed=1)
    assert [planned.session for planned in plan.openings()] == list(range(40))


def test_openings_never_come_faster_than_twice_the_calls() -> None:
    """100 sessions at 20/s with 1 s of warm-up are opened over 2.5 s, each before its first call."""
    load = Load(stages=(Stage(20, 20, 10 * SECOND_NS),), sessions=100, warmup_for_ns=SECOND_NS)
    plan = Plan(load, 1)
    openings = [planned.offset_ns for planned in plan.openings()]
    assert openings == [slot * 25_000_000 for slot in range(100)]
    assert all(opening <= call for opening, call in zip(openings, plan.offsets(), strict=False))


def test_open_calls_never_share_an_id_with_planned_calls() -> None:
    """Ids of session opens lie above any plan's ids and differ by session and try."""
    tries = (0, 1, 255, 256, 257, 4_000_000)
    sessions = (0, 1, 49, 3_600_000)
    ids = {open_call_id(session, attempt) for session in sessions for attempt in tries}
    assert len(ids) == len(sessions) * len(tries)
    assert 10**12 < min(ids) < max(ids) < 2**53


def test_kinds_of_users_have_their_shares_and_their_headers() -> None:
    """Of 40 users about 10 % are premium; the number is in the header, and the header names the user."""
    kinds = (
        {"share": 0.9, "headers": {"X-User-Id": "std-{n}"}},
        {"share": 0.1, "headers": {"X-User-Id": "premium-{n}"}},
    )
    plan = Plan(Load(stages=(Stage(10.0, 10.0, 10**9),), sessions=40, users_are=kinds), seed=1)
    names = [plan.user(session) for session in range(40)]
    assert 3 <= sum(name.startswith("premium-") for name in names) <= 5
    assert plan.headers(41) == plan.headers(1) == {"x-user-id": plan.user(1)}
    assert {name.rpartition("-")[2] for name in names} == {str(number) for number in range(40)}


def test_users_without_kinds_have_no_headers() -> None:
    """They are called by their number alone."""
    plan = Plan(Load(stages=(Stage(10.0, 10.0, 10**9),), sessions=40), seed=1)
    assert (plan.user(3), plan.headers(3)) == ("user-3", {})


CLOSED = replace(STEADY, users=3, sessions=3)
FEED = tuple({"strings": [f"row-{number}"], "vectors": [], "emotives": {}} for number in range(7))
PAYLOADS = {data: (replace(CLOSED, data=data), ()) for data in GENERATORS}
PAYLOADS |= {order: (replace(CLOSED, feed="rows", feed_order=order), FEED) for order in ("sequence", "shuffle")}


@pytest.mark.parametrize("what", PAYLOADS)
def test_a_users_calls_come_with_what_tells_their_payloads(what: str) -> None:
    """Over several chunks of random numbers: the choice that comes with a call is the call's, and gives its payload."""
    load, feed = PAYLOADS[what]
    plan = Plan(load, 3, feed)
    for user in range(load.users):
        for call, _, _, _, choice in itertools.islice(plan.user_calls(user), 600):
            assert choice == plan.choice(call)
            assert plan.chosen(choice) == plan.observation(call)


@pytest.mark.parametrize("data", [data for data in GENERATORS if data != "product_views"])
def test_no_two_calls_draw_the_same_numbers(data: str) -> None:
    """Neither of one user nor of two."""
    plan = Plan(replace(CLOSED, data=data), 3)
    choices = [plan.choice(call) for call in range(1, 2000)]
    assert len(set(choices)) == len(choices)
