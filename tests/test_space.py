"""The space that `explore` looks through, and the traces that it prunes by."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.explore import space
from harness.explore.coverage import Place, counted, grid
from harness.explore.draft import Draft, yaml
from harness.explore.trace import Did, Trace
from harness.policy import Policy
from harness.scenario import load_scenario, resolve

NUMBERS = space.Numbers(read=1.0, call=3.2, reset=6.0)
KEYS = {"seed": 1, "integration": {"use": "reference", "scale": 0.1}}
SECOND = 1_000_000_000


def read_back(draft: Draft) -> Draft:
    timeline = resolve(load_scenario(Path("schedule.yaml"), text=yaml(draft)), Policy(), scale=0.1)
    return Draft(timeline.load, timeline.faults, KEYS)


@pytest.mark.parametrize("variant", space.variants(NUMBERS), ids=lambda v: f"{v.phase}-{v.name}")
def test_every_place_is_a_scenario_that_reads_back_as_meant(variant: space.Variant) -> None:
    flow, crowd = space.flow(KEYS, NUMBERS), space.crowd(KEYS, NUMBERS)
    single = space.once(flow, variant, "observe", 30 * SECOND, NUMBERS)
    pair = space.again(single, space.variants(NUMBERS)[3], "observe", 31 * SECOND, NUMBERS)
    for draft in (single, pair, space.always(crowd, variant, "predict", NUMBERS)):
        assert read_back(draft) == draft


def test_the_phases_of_a_request_are_all_there() -> None:
    phases = {variant.phase for variant in space.variants(NUMBERS)}
    assert phases == {"before arrival", "before commit", "after commit", "in the body"}


def did(call: int, op: str = "observe", attempts: int = 1, outcome: str = "ok") -> Did:
    return Did(call, op, outcome, "", tuple((200 * number, "", 200) for number in range(attempts)), 1)


def test_a_fault_is_set_on_a_request_with_no_other_just_before_it() -> None:
    requests = (("open_session", 5 * SECOND), ("observe", 5 * SECOND), ("observe", 9 * SECOND))
    trace = Trace(requests=requests)
    assert trace.first("observe", 0) == 9 * SECOND
    assert trace.first("open_session", 0) == 5 * SECOND
    assert trace.first("predict", 0) is None


def test_a_retry_is_where_the_second_attempt_began() -> None:
    trace = Trace((did(1), did(2, attempts=2)), (SECOND, 3 * SECOND))
    assert trace.retried_ns("observe", 0) == 3 * SECOND + 200_000_000
    assert trace.retried_ns("observe", 4 * SECOND) is None


def test_what_goes_on_as_before_after_one_hit_call_carries_nothing_over() -> None:
    control = Trace((did(1), did(2), did(3)), (SECOND, 2 * SECOND, 3 * SECOND))
    hit = Trace((did(1), did(2, outcome="error"), did(3)), control.starts_ns)
    carried = Trace((did(1), did(2, outcome="error"), did(3, outcome="error")), control.starts_ns)
    assert hit.differs_after(control) is None
    assert carried.differs_after(control) == 3 * SECOND


def test_the_grid_has_a_row_a_fault_and_says_what_was_not_tried() -> None:
    places = [
        Place("before commit", "503", "observe", "first", "tried", ("B3",)),
        Place("before commit", "503", "predict", "first", "never called"),
        Place("before commit", "503", "", "every", "left out"),
        Place("in the body", "cut", "observe", "second", "same"),
    ]
    (row,) = [line for line in grid(places).splitlines() if line.startswith("before commit: 503")]
    assert row.split()[3:] == ["B3", "-", "?"]
    assert counted(places) == {"tried": 1, "same": 1, "never called": 1, "left out": 1}
