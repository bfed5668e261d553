"""`shrink`: the smallest schedule that still fails what failed a run, as a scenario that anybody can run."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.errors import EXIT_OK, EXIT_UNPROVEN

if TYPE_CHECKING:
    from harness.run.shrink import Shrunk


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--law", "laws", multiple=True, metavar="LAW", help="Shrink for this law; default: each that failed.")
@click.option("--most", type=click.IntRange(1, 10_000), default=200, show_default=True, help="Simulated runs a law.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the schedules; default: RUN/shrunk.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
def shrink(run: Path, laws: tuple[str, ...], most: int, out: Path | None, as_json: bool) -> int:
    """Shrink the failures of a run folder RUN to minimal fault schedules that replay in virtual time.

    Exit codes: 0 each failure has its schedule · 5 one did not come back in five seeds · 4 nothing failed, or virtual
    time can't carry the run.
    """
    from harness.run import shrink as search

    found = []
    wanted = search.failed_laws(run, laws)
    for each in search.shrink(run, wanted, most, lambda words: click.echo(words, err=True)):
        path = search.write(each, out or run / "shrunk") if each.found else None
        found.append(_plain(each, path))
        if not as_json:
            sys.stdout.write(_text(each, path))
            sys.stdout.flush()
    if as_json:
        sys.stdout.write(json.dumps({"format": 1, "shrunk": found}, indent=1) + "\n")
    return EXIT_OK if all(each["file"] for each in found) else EXIT_UNPROVEN


def _text(each: Shrunk, path: Path | None) -> str:
    if each.found is None or each.verdict is None:
        return f"{each.law}: {each.why}: it may need real time or another machine; its evidence is the run itself\n"
    tried = f"{each.found.tried} schedules tried" + ("" if each.found.minimal else ", more could be taken away")
    return f"{each.law}: {each.found.draft.told()} ({tried})\n  {each.verdict.reason}\n  {path}\n"


def _plain(each: Shrunk, path: Path | None) -> dict[str, Any]:
    plain: dict[str, Any] = {"law": each.law, "file": str(path) if path else None, "why": each.why}
    if each.found is not None and each.verdict is not None:
        draft = each.found.draft
        plain |= {
            "schedule": draft.told(),
            "faults": len(draft.faults),
            "calls": round(draft.calls),
            "seed": draft.keys["seed"],
            "tried": each.found.tried,
            "minimal": each.found.minimal,
            "reason": each.verdict.reason,
        }
    return plain
