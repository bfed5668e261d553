"""Schedules that shrink: what is cut is cut everywhere, what is left still fails, and the file says what was tried."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.explore.draft import Draft, cut, of_manifest, yaml
from harness.explore.minimise import minimise
from harness.explore.reductions import REDUCTIONS, cost
from harness.faults import KINDS
from harness.model import Fault, Load, Stage
from harness.policy import Policy
from harness.scenario import load_scenario, resolve

SECOND = 1_000_000_000
NO_WORDS: Callable[[str], None] = lambda words: None  # noqa: E731 - nobody listens


def fault(name: str, kind: str, at_s: float, for_s: float, **more: Any) -> Fault:
    return Fault(name, kind, round(at_s * SECOND), round(for_s * SECOND), KINDS[kind].complete(more))


FAULTS = (
    fault("slow", "latency", 5, 3, latency=0.6),
    fault("burst", "status", 9, 1.5),
    fault("outage", "refuse", 18, 3),
)
DRAFT = Draft(
    Load((Stage(20.0, 20.0, 28 * SECOND),), mix={"observe": 2.0, "predict": 1.0}, warmup_for_ns=SECOND),
    FAULTS,
    {"seed": 3, "integration": {"use": "reference", "scale": 0.1}},
)


def asking(predicate: Callable[[Draft], bool]) -> Callable[[Sequence[Draft]], Iterator[bool]]:
    return lambda drafts: (predicate(draft) for draft in drafts)


def test_one_fault_of_three_is_left_and_hits_one_request_of_one_operation() -> None:
    """A failure that needs the first 503 of an observe, and nothing else."""

    def fails(draft: Draft) -> bool:
        return any(
            each.kind == "status" and each.only.get("op", "observe") == "observe" and "observe" in draft.load.mix
            for each in draft.faults
        )

    found = minimise(DRAFT, asking(fails), 1000, NO_WORDS)
    assert found.minimal
    (left,) = found.draft.faults
    assert left.kind == "status" and left.only["nth"] == 1
    assert found.draft.calls <= 2 and list(found.draft.load.mix) == ["observe"]


def test_what_needs_two_faults_and_their_distance_keeps_both() -> None:
    def fails(draft: Draft) -> bool:
        kinds = {each.kind: each for each in draft.faults}
        both = "status" in kinds and "refuse" in kinds
        return both and kinds["refuse"].at_ns - kinds["status"].until_ns >= 2 * SECOND

    found = minimise(DRAFT, asking(fails), 1000, NO_WORDS)
    first, second = found.draft.faults
    assert (first.kind, second.kind) == ("status", "refuse")
    assert 2 * SECOND <= second.at_ns - first.until_ns < 3 * SECOND


def test_what_fails_without_any_fault_is_told_so() -> None:
    found = minimise(DRAFT, asking(lambda draft: True), 1000, NO_WORDS)
    assert found.draft.faults == () and found.draft.told().startswith("no fault;")


def test_the_tries_are_bounded_and_an_early_end_is_told() -> None:
    asked: list[Draft] = []

    def failing(drafts: Sequence[Draft]) -> Iterator[bool]:
        for draft in drafts:
            asked.append(draft)
            yield len(draft.faults) > 1

    found = minimise(DRAFT, failing, 7, NO_WORDS)
    assert len(asked) <= 7 and not found.minimal


@given(st.randoms(use_true_random=False))
def test_every_candidate_is_simpler_and_is_a_scenario(random: Any) -> None:
    """However the search goes: what it tries is cheaper, and reads back as what was meant."""
    draft = DRAFT
    for _ in range(4):
        candidates = [each for reduction in REDUCTIONS for each in reduction(draft) if cost(each[1]) < cost(draft)]
        if not candidates:
            break
        _, draft = random.choice(candidates)
    assert _read_back(draft) == (draft.load, draft.faults)


def _read_back(draft: Draft) -> tuple[Load, tuple[Fault, ...]]:
    scenario = load_scenario(Path("schedule.yaml"), text=yaml(draft, "words above"))
    timeline = resolve(scenario, Policy(), scale=0.1)
    return timeline.load, timeline.faults


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"external", "registry"}))
def test_every_kind_of_fault_is_written_as_it_is_read(kind: str) -> None:
    values: dict[str, Any] = {
        "duration": 0.123456789, "bytes": 4096, "int": 3, "number": 2.5, "text": "none", "retry_after": {"date": 3},
        "steps": ["cut*4", "status:503"],
    }  # fmt: skip
    chosen: dict[str, Any] = {
        p.name: p.choices[-1] if p.type == "choice" else values[p.type] for p in KINDS[kind].params
    }
    only = {"op": "observe", "nth": 2} if KINDS[kind].plane == "witness" else {}
    chosen |= {"status": 500} if "status" in chosen else {"size_variation": 1} if "size_variation" in chosen else {}
    written = Fault("broken", kind, 1_234_567_891, 987_654_321, chosen, only)
    _, (read,) = _read_back(Draft(DRAFT.load, (written,), DRAFT.keys))
    assert (read.kind, read.at_ns, read.for_ns, read.only) == (kind, written.at_ns, written.for_ns, only)
    assert json.loads(json.dumps(read.params)) == chosen


def test_a_cut_moves_what_comes_later_and_shortens_what_it_meets() -> None:
    left = cut(DRAFT, 8 * SECOND, 10 * SECOND)
    assert left.load.for_ns == 26 * SECOND
    assert [(each.name, each.at_ns, each.until_ns) for each in left.faults] == [
        ("slow", 5 * SECOND, 8 * SECOND),
        ("burst", 8 * SECOND, round(8.5 * SECOND)),
        ("outage", 16 * SECOND, 19 * SECOND),
    ]


@given(st.integers(0, 28), st.integers(0, 28))
def test_a_cut_keeps_the_rate_of_what_is_left(one: int, other: int) -> None:
    start, end = sorted((one, other))
    ramp = Draft(Load((Stage(0.0, 28.0, 28 * SECOND),)), (), {})
    left = cut(ramp, start * SECOND, end * SECOND)
    assert left.load.for_ns == (28 - end + start) * SECOND
    assert left.calls == pytest.approx(28 * 14 - (end * end - start * start) / 2)


def test_a_run_gives_its_schedule_with_repeated_faults_apart(tmp_path: Path) -> None:
    flap = {"name": "flap", "kind": "refuse", "at_ns": SECOND, "for_ns": SECOND, "params": {}, "only": {}}
    manifest = {
        "run": {"integration": "client.py:make", "scale": 1.0, "seed": 9, "file": str(tmp_path / "a.yaml")},
        "scenario": {"policy": {"file": "p.yaml"}, "target": {"profile": "kato-1w", "headers": {"a": "b"}}},
        "load": {"stages": [{"start_rate": 5.0, "end_rate": 5.0, "for_ns": 9 * SECOND}], "mix": {"observe": 1.0}},
        "faults": [flap, flap | {"at_ns": 3 * SECOND}],
    }
    draft = of_manifest(manifest)
    assert [(each.name, each.at_ns) for each in draft.faults] == [("flap", SECOND), ("flap_2", 3 * SECOND)]
    assert draft.keys["target"] == {"profile": "kato-1w"}
    assert draft.keys["policy"] == {"file": str(tmp_path / "p.yaml")}
    assert Path(draft.keys["integration"]["use"].partition(":")[0]).is_absolute()
