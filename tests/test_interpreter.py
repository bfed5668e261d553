"""A client's own interpreter is refused before the run where no host process can run on it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.run.interpreter import check_interpreter


def script(tmp_path: Path, says: str) -> str:
    """A program that answers so, whatever it is asked."""
    path = tmp_path / "python"
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return str(path)


def test_our_own_interpreter_will_do() -> None:
    """It runs this test."""
    check_interpreter(sys.executable)


@pytest.mark.parametrize(("says", "words"), [("3 9", "is Python 3.9"), ("hello", "no Python")])
def test_an_old_one_and_another_program_are_named(tmp_path: Path, says: str, words: str) -> None:
    """With the version that is there, and the one that is needed."""
    with pytest.raises(UsageError, match=words) as refused:
        check_interpreter(script(tmp_path, says))
    assert "3.11 or later" in refused.value.cure


def test_a_missing_one_is_named(tmp_path: Path) -> None:
    """With the system's reason."""
    with pytest.raises(UsageError, match="No such file"):
        check_interpreter(str(tmp_path / "nowhere"))
