"""The command line's edges: what no verb decides for itself."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

from harness import cli
from harness.cli import verbs
from harness.cli.page import ABOUT, VERBS, page


def test_an_error_of_the_harness_itself_is_exit_code_3(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Python's own code for it would be 1, which says that a law was broken."""

    def broken(*_: object, **__: object) -> int:
        raise RuntimeError("out of ideas")

    monkeypatch.setattr(verbs.kato_harness, "main", broken)
    with pytest.raises(SystemExit) as ended:
        cli.main(["list", "laws"])
    assert ended.value.code == 3
    assert "RuntimeError: out of ideas" in capsys.readouterr().err


@pytest.mark.parametrize("needless", ["numpy", "pyarrow", "harness.laws", "harness.evidence"])
def test_nothing_that_only_judges_delays_the_first_request(needless: str) -> None:
    """What is imported before a run's children have started is imported while nobody sends anything."""
    code = f"import sys, harness.run.batch, harness.run.perform; sys.exit({needless!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("columns", [50, 64, 78])
def test_the_first_help_page_is_what_click_would_draw(columns: int) -> None:
    """It is drawn without click, whose import takes most of the time."""
    plain = {name: click.Command(name, short_help=line) for name, (_, line) in VERBS.items()}
    group = click.Group("kato-harness", plain, help="\n\n".join(ABOUT))
    group = click.version_option("1")(group)
    group.list_commands = lambda ctx: list(VERBS)  # type: ignore[method-assign]
    names = ["-h", "--help"]
    with click.Context(group, terminal_width=columns, help_option_names=names, info_name="kato-harness") as context:
        drawn = group.get_help(context)
    drawn = drawn.replace("\nCommands:\n", "\nVerbs:\n")
    assert page("kato-harness", columns) == drawn


@pytest.mark.parametrize("asked", [["-h"], ["--help"]])
def test_the_first_help_page_imports_no_click(asked: list[str]) -> None:
    """Nor anything else that takes longer than Python itself."""
    loaded = "atexit.register(lambda: print('click' in sys.modules))"
    code = f"import atexit, sys; {loaded}; from harness.cli import main; main({asked})"
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert said.splitlines()[-1] == "False"


def test_click_shows_the_same_page_where_it_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    """Help after another flag goes through click, and is the same page."""
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    first = capsys.readouterr().out
    with pytest.raises(SystemExit):
        verbs.obey(["--help"])
    assert capsys.readouterr().out == first
