"""`practices`: the integration guide's eight best practices, each with the laws and rules that prove it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from harness.errors import UsageError


@click.command()
@click.option("--integration", default="", metavar="NAME|FILE:FACTORY", help="The client to judge, in virtual time.")
@click.option(
    "--manifests", multiple=True, type=click.Path(exists=True, path_type=Path), help="Files or folders to audit."
)
@click.option("--seed", type=int, help="Equal seed, equal plan.")
@click.option("--json", "as_json", is_flag=True, help="Print the evidence as JSON.")
def practices(integration: str, manifests: tuple[Path, ...], seed: int | None, as_json: bool) -> int:
    """Hold a client and its manifests to the guide's eight best practices; 1 when one is not kept."""
    from harness.run import Options
    from harness.run.practices import exit_code, plain, words
    from harness.run.practices import practices as judge

    if not integration and not manifests:
        raise UsageError("practices needs something to judge", "give --integration, --manifests, or both")
    held = judge(integration, manifests, Options(integration=integration or None, seed=seed))
    sys.stdout.write(json.dumps(plain(held), indent=1) + "\n" if as_json else words(held))
    return exit_code(held)
