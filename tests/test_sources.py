"""Which files of a client's own were loaded."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

import harness
from harness.load.sources import own_files


def test_only_the_clients_own_files_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative to the current folder; no library, nothing installed, nothing of ours."""
    (tmp_path / "somebodys.py").write_text("import json\nimport httpx\nimport harness.model\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.import_module("somebodys")
    try:
        found = own_files()
    finally:
        del sys.modules["somebodys"]
    assert "somebodys.py" in found
    ours = str(Path(harness.__file__).parent)
    assert not [file for file in found if "site-packages" in file or "/json/" in file or file.startswith(ours)]
