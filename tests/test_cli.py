"""The command line's edges: what no verb decides for itself."""

from __future__ import annotations

import subprocess
import sys

import pytest

from harness import cli


def test_an_error_of_the_harness_itself_is_exit_code_3(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Python's own code for it would be 1, which says that a law was broken."""

    def broken(*_: object, **__: object) -> int:
        raise RuntimeError("out of ideas")

    monkeypatch.setattr(cli.kato_harness, "main", broken)
    with pytest.raises(SystemExit) as ended:
        cli.main(["list", "laws"])
    assert ended.value.code == 3
    assert "RuntimeError: out of ideas" in capsys.readouterr().err


@pytest.mark.parametrize("needless", ["numpy", "pyarrow", "harness.laws", "harness.evidence"])
def test_nothing_that_only_judges_delays_the_first_request(needless: str) -> None:
    """What is imported before a run's children have started is imported while nobody sends anything."""
    code = f"import sys, harness.run.batch; sys.exit({needless!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
