"""Observations that come together (observe-sequence) go on record as if each had come alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from witness_rig import Rig

from harness.data import fingerprint
from harness.model import ATTEMPT_HEADER, OPERATIONS
from harness.twin.kato import Kato
from harness.twin.sequence import counters_in

A, B, C = ({"strings": [name]} for name in "abc")


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path, kato=Kato())


def recorded(rig: Rig, body: Any, **headers: str) -> list[tuple[str, int, int, int, int]]:
    """(operation, call, attempt, payload, commit) of the rows of one request to observe-sequence."""
    client = rig.client()
    client.post("/sessions", b'{"node_id":"ana"}')
    session = json.loads(client.taken().partition(b"\r\n\r\n")[2])["session_id"]
    client.post(f"/sessions/{session}/observe-sequence", json.dumps(body).encode(), **headers)
    return [
        (OPERATIONS[row["op"]], row["call"], row["attempt"], row["payload"], row["commit_seq"])
        for row in rig.arrivals()[1:]
    ]


def test_each_observation_is_a_row_with_a_commit_of_its_own(rig: Rig) -> None:
    """In their order, by the name of the request."""
    assert recorded(rig, {"observations": [A, B, C]}, x_kato_attempt="41.2") == [
        ("observe", 41, 2, fingerprint(A), 2),
        ("observe", 41, 2, fingerprint(B), 3),
        ("observe", 41, 2, fingerprint(C), 4),
    ]
    assert len({row["arrive_ns"] for row in rig.arrivals()[1:]}) == 1


def test_observations_may_carry_names_of_their_own(rig: Rig) -> None:
    """As messages of a queue do that a consumer gathers."""
    held = [{**A, ATTEMPT_HEADER: "7.1"}, {**B, ATTEMPT_HEADER: "8.3"}, {**C, ATTEMPT_HEADER: 9}]
    assert [row[1:3] for row in recorded(rig, {"observations": held}, x_kato_attempt="41.2")] == [
        (7, 1), (8, 3), (41, 2),
    ]  # fmt: skip


def test_a_sequence_that_holds_nothing_observes_nothing(rig: Rig) -> None:
    """KATO answers it with 200; it is on record, and commits nothing."""
    ((op, call, attempt, _, commit),) = recorded(rig, {"observations": []}, x_kato_attempt="41.2")
    assert (op, call, attempt, commit) == ("other", 41, 2, 0)


@pytest.mark.parametrize("body", [{}, [], {"observations": None}, {"observations": {"strings": ["a"]}}])
def test_what_is_no_sequence_is_one_refused_observe(rig: Rig, body: Any) -> None:
    """A row, so that the attempt is known, without words and without a commit."""
    ((op, call, attempt, payload, commit),) = recorded(rig, body, x_kato_attempt="41.2")
    assert (op, call, attempt, commit) == ("observe", 41, 2, 0)
    assert payload < 1 << 16


def test_all_of_a_sequence_is_committed_or_none(rig: Rig) -> None:
    """One observation that KATO refuses refuses the others (contract, section 1)."""
    assert [row[-1] for row in recorded(rig, {"observations": [A, {"strings": 3}]})] == [0, 0]


@pytest.mark.parametrize(
    ("said", "counters"),
    [
        ({"time": 3, "stm_length": 2}, (3, 2, 1)),
        ({"results": [{"time": 4}, {"time": 5}], "final_stm_length": 0}, (5, 0, 2)),
        ({"results": [], "final_stm_length": 3}, None),
        ({"results": [{"time": 4}]}, None),
        ({"results": [None], "final_stm_length": 1}, None),
        ({"time": "3", "stm_length": 2}, None),
    ],
)
def test_an_answer_tells_the_counters_of_its_session(
    said: dict[str, Any], counters: tuple[int, int, int] | None
) -> None:
    """Both of them, or nothing."""
    assert counters_in(said) == counters
