"""`explore`: every small schedule of faults on a client's flow, and the smallest one that breaks each law."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.errors import EXIT_FAILED, EXIT_OK, UsageError
from harness.units import TextError, duration_s

if TYPE_CHECKING:
    from harness.run.explore import Explored


@click.command()
@click.option("--integration", required=True, metavar="NAME|FILE:FACTORY", help="The client under test.")
@click.option("--profile", type=click.Choice(["fast", "true"]), default="fast", show_default=True, help="As for `run`.")
@click.option("--policy", type=click.Path(exists=True, path_type=Path), help="A file with what the client promises.")
@click.option("--depth", type=click.IntRange(1, 2), default=2, show_default=True, help="Faults a schedule at most.")
@click.option("--within", default="5m", show_default=True, help="After this no new schedule is tried.")
@click.option("--shrink", "most", type=click.IntRange(0, 1000), default=40, show_default=True,
              help="Runs spent on making each failed law's schedule smaller.")  # fmt: skip
@click.option("--seed", type=int, default=1, show_default=True, help="Equal seed, equal schedules.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the schedules; default: reports/runs/…")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def explore(integration: str, profile: str, policy: Path | None, depth: int, within: str, most: int, seed: int,
            out: Path | None, as_json: bool) -> int:  # fmt: skip
    """Hit each call of a client's flow (create, observe, predict) with each fault, in virtual time.

    Exit codes: 0 every law held · 1 one failed · 4 virtual time can't carry the client.
    """
    from harness.run.explore import explore as search
    from harness.run.explore import keys_of
    from harness.run.options import Options
    from harness.run.shrink import write

    try:
        within_s = duration_s(within)
    except TextError as error:
        raise UsageError(f"--within: {error.what}", error.cure) from None
    options = Options(profile=profile)
    keys = keys_of(integration, options, policy, seed)
    found = search(options, keys, depth, within_s, most, lambda words: click.echo(words, err=True))
    folder = (
        out
        or Path("reports/runs") / f"{time.strftime('%Y%m%d-%H%M%S')}-explore-{Path(integration.partition(':')[0]).stem}"
    )
    files = {each.law: str(write(each, folder)) for each in found.shrunk}
    sys.stdout.write(json.dumps(_plain(found, files), indent=1) + "\n" if as_json else _text(found, files))
    gates = [each for each in found.shrunk if each.verdict and each.verdict.severity == "gate"]
    return EXIT_FAILED if gates else EXIT_OK


def _text(found: Explored, files: dict[str, str]) -> str:
    from harness.explore.coverage import grid

    lines = [grid(found.places), "ok: every law held · -: not felt, or never called · ?: no time was left", ""]
    lines += [_covered(found, depth) for depth in (1, 2)]
    lines.append(f"{found.runs} runs in {found.took_s:.0f} s{'' if found.in_time else '; the time was up'}")
    lines.append("")
    for each in found.shrunk:
        if each.found and each.verdict:
            always = " (also without a fault)" if each.law in found.control else ""
            lines.append(f"{each.law} {each.verdict.name}{always}: {each.found.draft.told()}")
            lines += [f"  {each.verdict.reason}", f"  {files[each.law]}"]
    if not found.shrunk:
        lines.append("no law failed" if found.in_time else "no law failed in what was tried")
    return "\n".join(lines) + "\n"


def _covered(found: Explored, depth: int) -> str:
    from harness.explore.coverage import counted

    places = [place for place in found.places if (place.attempt == "second") == (depth == 2)]
    states = {"same": "that can't differ"}
    words = ", ".join(f"{count} {states.get(state, state)}" for state, count in counted(places).items())
    return f"{'one fault' if depth == 1 else 'two faults'}: {len(places)} places, {words or 'none'}"


def _plain(found: Explored, files: dict[str, str]) -> dict[str, Any]:
    from harness.explore.coverage import counted, plain

    laws = [
        {
            "law": each.law,
            "schedule": each.found.draft.told(),
            "file": files[each.law],
            "reason": each.verdict.reason,
            "without_fault": each.law in found.control,
        }
        for each in found.shrunk
        if each.found and each.verdict
    ]
    return {
        "format": 1, "runs": found.runs, "in_time": found.in_time, "covered": counted(found.places),
        "laws": laws, "places": plain(found.places),
    }  # fmt: skip
