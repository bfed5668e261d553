"""The house: who may import whom, how long files and functions may be, and what no file may say."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "harness"
BASE = {"model", "errors", "clock", "spool", "rng", "channel", "data", "dns", "taxonomy", "units", "syntax"}
"""The bottom row: frozen types, the error tree, the clock, raw records; standard library only."""

MAY_IMPORT = {
    "model": set(),
    "errors": set(),
    "clock": set(),
    "spool": set(),
    "rng": set(),
    "channel": set(),
    "data": set(),
    "dns": set(),
    "taxonomy": set(),
    "units": set(),
    "syntax": set(),
    "plan": BASE,
    "policy": BASE,
    "faults": BASE,
    "scenario": BASE | {"plan", "policy", "faults", "slo"},
    "inject": BASE | {"faults", "stack"},
    "twin": BASE | {"contracts"},
    "contracts": set(),
    "conform": BASE | {"contracts", "twin"},
    "integrations": BASE | {"policy", "load"},
    "load": BASE | {"plan", "policy", "integrations"},
    "messaging": BASE | {"load"},
    "services": set(),
    "simulate": BASE | {"plan", "policy", "faults", "load", "twin", "integrations"},
    "stack": BASE,
    "discovery": BASE,
    "otlp": BASE,
    "mesh": BASE | {"policy"},
    "manifests": BASE | {"policy", "mesh"},
    "evidence": BASE | {"faults"},
    "stats": set(),
    "slo": BASE | {"evidence", "stats"},
    "laws": BASE | {"evidence", "policy", "stats", "slo", "faults"},
    "adapt": BASE,
    "capacity": BASE | {"stats"},
    "explore": BASE | {"plan", "faults"},
    "compare": BASE | {"stats", "evidence", "slo"},
    "report": BASE | {"evidence", "laws", "stats", "policy", "capacity"},
}
"""The design's table; run, judge, demo, cli and pytest_plugin are the edges and may import everything but locust."""

EDGES = {"run", "judge", "demo", "cli", "pytest_plugin", ""}
"""What a user starts; adapt reads source text only."""
STANDARD_ONLY = (
    "model",
    "errors",
    "clock",
    "spool",
    "rng",
    "channel",
    "data",
    "dns",
    "taxonomy",
    "units",
    "syntax",
    "plan",
    "policy",
)
FOREIGN_INTERPRETER = ("load/host.py", "load/session.py", "load/driver.py", "load/driver_async.py", "load/caller.py")


def _modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def _place(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return "" if parts == ("__init__",) else parts[0]


def _imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            if node.module == "harness":
                names |= {f"harness.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", _modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_only_along_the_table(path: Path) -> None:
    """A module imports what the design's table allows its row, its own package, and nothing else of ours."""
    place = _place(path)
    if place in EDGES:
        return
    ours = {name.split(".")[1] for name in _imports(path) if name.startswith("harness.")}
    assert ours - MAY_IMPORT[place] - {place, "__version__"} == set()


def test_only_one_file_imports_locust() -> None:
    """load/locust.py is the only file of the package that imports locust."""
    found = {str(p.relative_to(PACKAGE)) for p in _modules() if "locust" in {n.split(".")[0] for n in _imports(p)}}
    assert found == {"load/locust.py"}


def test_only_one_file_imports_toxiproxy() -> None:
    """inject/toxiproxy.py is the only file of the package that imports toxiproxy."""
    found = {str(p.relative_to(PACKAGE)) for p in _modules() if "toxiproxy" in {n.split(".")[0] for n in _imports(p)}}
    assert found <= {"inject/toxiproxy.py"}


def test_what_runs_in_a_foreign_interpreter_is_standard_library() -> None:
    """The bottom rows and the host import nothing that isn't Python's own or ours."""
    import sys

    chosen = [p for p in _modules() if _place(p) in STANDARD_ONLY or str(p.relative_to(PACKAGE)) in FOREIGN_INTERPRETER]
    for path in chosen:
        tops = {name.split(".")[0] for name in _imports(path)}
        assert tops <= set(sys.stdlib_module_names) | {"harness"}, path


def _readable() -> list[Path]:
    """The package, its tests and its measurements."""
    return sorted(path for folder in ("harness", "tests", "bench") for path in (ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("path", _readable(), ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_stay_readable(path: Path) -> None:
    """No file over 350 lines, no function over 60."""
    text = path.read_text()
    assert text.count("\n") <= 350
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert (node.end_lineno or 0) - node.lineno + 1 <= 60, f"{node.name} in line {node.lineno}"


def test_no_file_names_an_index_or_a_path_of_a_machine() -> None:
    """Nothing that is committed names a package index, a registry host or somebody's home."""
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    hosts = re.compile(
        "py" + r"pi\.org|files\.python" + r"hosted\.org|registry\.npm" + r"js\.org|proxy\.go" + r"lang\.org"
    )
    paths = re.compile(r"(?<![\w.])/(work|farm|root)" + r"/[\w.]")
    for name in filter(None, tracked):
        path = ROOT / name
        if path.is_file():
            text = path.read_bytes().decode("utf-8", "ignore")
            assert not hosts.search(text), name
            assert not paths.search(text), name
