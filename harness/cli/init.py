"""`init`: an adapter and a scenario for a client of one's own."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from harness.errors import UsageError

ADAPTER = "kato_harness_adapter.py"
SCENARIO = "kato_harness.yaml"


@click.command()
@click.option(
    "--client",
    required=True,
    metavar="FILE:NAME",
    help="The client: a class, an object, a function that makes one, as app/kato.py:KatoClient; FILE for functions.",
)
@click.option("--force", is_flag=True, help="Write over what an earlier `init` wrote.")
def init(client: str, force: bool) -> int:
    """Write an adapter and a scenario for the client, in this folder; both run at once."""
    from harness.adapt import adapter_text, guesses_of, read_client, scenario_text

    source = read_client(client)
    files = {Path(ADAPTER): adapter_text(source), Path(SCENARIO): scenario_text(source, Path(ADAPTER))}
    there = [str(path) for path in files if path.exists()]
    if there and not force:
        raise UsageError(f"{' and '.join(there)} exist already", "move them away, or say --force")
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{path}\n")
    for guess in guesses_of(source):
        sys.stderr.write(f"a guess in {ADAPTER}, look at it: {guess}\n")
    sys.stderr.write(f"now: kato-harness run {SCENARIO}\n")
    return 0
