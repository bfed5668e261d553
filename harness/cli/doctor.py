"""`doctor`: which parts are there, and what a dead run left over."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from shutil import which

import click

from harness.errors import EXIT_ENVIRONMENT, PartMissing


@click.command()
@click.option("--clear", is_flag=True, help="Undo what dead runs left over.")
@click.option("--runs", type=click.Path(path_type=Path), default=Path("reports/runs"), show_default=True)
def doctor(clear: bool, runs: Path) -> int:
    """Print a line for each part; exit 7 when one that every run needs is missing."""
    missing = [name for name, found in (("Toxiproxy", _toxiproxy()),) if not found]
    for name in ("envoy", "rabbitmq-server", "redis-server", "consul", "chromium"):
        _line(name, which(name) or "not on PATH", "optional")
    for package in ("locust", "httpx", "pybreaker", "pandas", "pyarrow"):
        _line(package, "installed" if find_spec(package) else "missing", "required")
    left = _leftovers(runs, clear)
    _line("left over", f"{left} undone" if clear else f"{left} leases outstanding", str(runs))
    return EXIT_ENVIRONMENT if missing else 0


def _line(name: str, state: str, note: str) -> None:
    sys.stdout.write(f"{name:<16} {state} ({note})\n")


def _toxiproxy() -> bool:
    from harness.stack.toxiproxy import VERSION, find

    try:
        _line("Toxiproxy", str(find()), VERSION)
    except PartMissing as error:
        _line("Toxiproxy", "missing", str(error))
        return False
    return True


def _leftovers(runs: Path, clear: bool) -> int:
    from harness.inject.lease import outstanding
    from harness.inject.watchdog import undo_all

    count = 0
    for journal in runs.glob("*/leases.jsonl"):
        count += len(outstanding(journal))
        if clear:
            for words in undo_all(journal):
                sys.stdout.write(f"  {words}\n")
    return count
