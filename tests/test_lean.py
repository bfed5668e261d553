"""What a process that runs a client imports of libraries, and when."""

from __future__ import annotations

import subprocess
import sys

import pytest

from harness.load.lean import WITH_FIRST_REQUEST


def said(code: str) -> str:
    """What a new interpreter prints."""
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def test_httpx_is_imported_without_its_command_line() -> None:
    code = (
        "from harness.load import lean; lean.without_command_lines(); import httpx, sys; print('rich' in sys.modules)"
    )
    assert said(code) == "False"
    assert said("import httpx, sys; print('rich' in sys.modules)") == "True"


@pytest.mark.parametrize("library", sorted(WITH_FIRST_REQUEST))
def test_what_the_first_request_would_import_is_there_before_it(library: str) -> None:
    """And nothing of a library that the client doesn't use."""
    parts = WITH_FIRST_REQUEST[library]
    there = f"print(all(part in sys.modules for part in {parts}))"
    rest = "from harness.load import lean; lean.import_the_rest()"
    assert said(f"import sys, {library}; {rest}; {there}") == "True"
    assert said(f"import sys; {rest}; {there}") == "False"


def test_gevent_patches_without_a_search_for_plug_ins() -> None:
    """It would read the entry points of all installed packages for each module that it patches."""
    code = "import sys; from importlib import metadata; metadata.entry_points = None; import harness.load.generator"
    assert said(code + "; print('patched')") == "patched"
