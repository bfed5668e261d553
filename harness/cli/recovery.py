"""`recovery`: after which triggers, at which loads, a client comes back."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import click

from harness.errors import EXIT_FAILED, EXIT_OK, UsageError
from harness.units import TextError, duration_s, ratio


@click.command()
@click.option("--integration", required=True, metavar="NAME|FILE:FACTORY", help="The client under test.")
@click.option("--profile", type=click.Choice(["fast", "true"]), default="fast", show_default=True, help="As for `run`.")
@click.option("--policy", type=click.Path(exists=True, path_type=Path), help="A file with what the client promises.")
@click.option("--triggers", default="1s,5s,15s,60s", show_default=True, help="How long the trigger lasts.")
@click.option("--loads", default="50%,70%,85%,95%", show_default=True, help="Shares of KATO's capacity.")
@click.option("--kind", type=click.Choice(["pause", "kill", "refuse"]), default="pause", show_default=True,
              help="The fault that is the trigger.")  # fmt: skip
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="KATO's serial workers.")
@click.option("--service", default="50ms", show_default=True, help="Their service time.")
@click.option("--seed", type=int, default=1, show_default=True, help="Equal seed, equal map.")
@click.option("--html", "page", type=click.Path(path_type=Path), help="Write the map as an HTML file.")
@click.option("--json", "as_json", is_flag=True, help="Print the map as JSON.")
def recovery(integration: str, profile: str, policy: Path | None, triggers: str, loads: str, kind: str, workers: int,
             service: str, seed: int, page: Path | None, as_json: bool) -> int:  # fmt: skip
    """Map a client's recovery: length of a trigger × load, a run in virtual time each.

    Exit codes: 0 it returns in every cell whose load was fine · 1 somewhere it doesn't · 4 virtual time can't carry it.
    """
    from harness.report import recovery_map as show
    from harness.run.explore import keys_of
    from harness.run.options import Options
    from harness.run.recovery_map import Server, recovery_map

    lengths, shares = _list("--triggers", triggers, duration_s), _list("--loads", loads, ratio)
    server = Server(workers, _list("--service", service, duration_s)[0])
    options = Options(profile=profile)
    keys = keys_of(integration, options, policy, seed)
    cells = recovery_map(keys, options, server, kind, lengths, shares, lambda words: click.echo(words, err=True))
    if page is not None:
        page.write_text(show.page(f"Recovery of {integration} after {kind}", cells))
    found = {
        "format": 1,
        "integration": integration,
        "kind": kind,
        "capacity": server.capacity,
        "cells": show.plain(cells),
    }
    sys.stdout.write(json.dumps(found, indent=1) + "\n" if as_json else show.text(cells))
    return EXIT_OK if all(cell.state in ("returns", "overloaded") for cell in cells) else EXIT_FAILED


def _list(flag: str, text: str, read: Callable[[str], float]) -> list[float]:
    try:
        values = [read(word) for word in text.split(",")]
    except TextError as error:
        raise UsageError(f"{flag}: {error.what}", error.cure) from None
    if not all(value > 0 for value in values):
        raise UsageError(f"{flag}: {text!r} has a value of nothing", "give values above 0")
    return values
