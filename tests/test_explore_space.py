"""`explore` end to end on two faults: what the client breaks is found and written, the rest accounted for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.explore import space


@pytest.fixture
def two_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    every = space.variants

    def few(numbers: space.Numbers) -> tuple[space.Variant, ...]:
        return tuple(
            v for v in every(numbers) if (v.phase, v.name) in {("before commit", "422"), ("before commit", "503")}
        )

    monkeypatch.setattr(space, "variants", few)


def explored(capsys: pytest.CaptureFixture[str], folder: Path, *more: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    with pytest.raises(SystemExit) as caught:
        main(["explore", "--json", "--out", str(folder), *more])
    return int(caught.value.code or 0), json.loads(capsys.readouterr().out)


@pytest.mark.usefixtures("two_faults")
def test_each_broken_law_is_found_with_a_schedule_of_one_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The guide's breaker hides 422 behind its fallback, and doesn't count 503."""
    code, found = explored(capsys, tmp_path, "--integration", "guide-pybreaker", "--depth", "1", "--shrink", "3")
    laws = {each["law"]: each for each in found["laws"]}
    assert code == 1 and {"B3", "F3"} <= set(laws)
    assert not laws["B3"]["without_fault"] and Path(laws["B3"]["file"]).exists()
    assert found["covered"] == {"tried": 14} and found["in_time"]
    cells = {(each["fault"], each["op"], each["attempt"]): each["laws"] for each in found["places"]}
    assert "F3" in cells["422", "observe", "first"] and "F3" not in cells["503", "observe", "first"]
    assert "B3" in cells["503", "", "every"] and "B3" not in cells["422", "", "every"]


@pytest.mark.usefixtures("two_faults")
def test_a_second_fault_meets_the_retry_and_nothing_that_cannot_differ(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Predictions are tried again after 503; a 422 ends the call, and what follows goes on as without it."""
    code, found = explored(capsys, tmp_path, "--integration", "reference", "--depth", "2", "--shrink", "0")
    pairs = [each for each in found["places"] if each["attempt"] == "second"]
    tried = {(each["before"], each["op"]) for each in pairs if each["state"] == "tried"}
    assert ("before commit: 503 at predict", "predict") in tried
    assert not any(before.endswith("422 at observe") for before, _ in tried)
    assert {each["state"] for each in pairs} <= {"tried", "same", "not felt"} and code in (0, 1)


@pytest.mark.usefixtures("two_faults")
def test_when_the_time_is_up_what_was_left_out_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, found = explored(capsys, tmp_path, "--integration", "reference", "--within", "1ms", "--shrink", "0")
    assert not found["in_time"] and found["covered"] == {"left out": 14}
