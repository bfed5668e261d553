"""The GitHub action: what it calls exists."""

from __future__ import annotations

import re
from pathlib import Path

from ruamel.yaml import YAML

from harness.cli.page import VERBS
from harness.report import FORMATS

ROOT = Path(__file__).resolve().parent.parent


def test_the_action_calls_what_there_is() -> None:
    """Its verb, its formats and the files it reads are the harness's own."""
    steps = YAML(typ="safe").load((ROOT / "action.yml").read_text())["runs"]["steps"]
    script = steps[-1]["run"]
    assert re.findall(r"kato-harness (\w+)", script) == ["run"]
    assert "run" in VERBS
    formats = re.findall(r"--format (\w+)", script)
    assert set(formats) <= set(FORMATS)
    files = {FORMATS[name].file for name in formats}
    assert {"summary.md", "annotations.txt"} <= files
