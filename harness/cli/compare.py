"""`compare`: is one group of runs slower than another, and are there runs enough to say so?"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from harness.errors import EXIT_FAILED, EXIT_OK, EXIT_UNPROVEN, UsageError
from harness.units import TextError, duration_s, ratio

if TYPE_CHECKING:
    from harness.compare import Comparison, Group

T = TypeVar("T")


@click.command()
@click.argument("runs", nargs=-1, metavar="RUN… [vs RUN…]")
@click.option("--baseline", metavar="NAME", help="Compare RUN… with this committed baseline (reports/baselines).")
@click.option("--save", metavar="NAME", help="Write RUN… as a baseline.")
@click.option("--history", type=click.Path(path_type=Path), help="Append RUN… to this CSV, for Apache Otava.")
@click.option("--commit", default="", help="What the history calls the code that ran.")
@click.option("--slo", "slos", multiple=True, help="One more thing to compare, such as 'p(99) where op=observe < 1s'.")
@click.option("--floor", default="5%", show_default=True, help="Smaller relative shifts don't count.")
@click.option("--floor-time", default="1ms", show_default=True, help="Nor do smaller shifts of a time.")
@click.option("--despite", multiple=True, metavar="KEY", help="A condition that may differ, such as packages.httpx.")
@click.option("--run", "scenario", metavar="SCENARIO", help="Make the runs: A B B A … with --base and --new.")
@click.option("--base", metavar="NAME|FILE:FACTORY", help="With --run: the client to compare with.")
@click.option("--new", metavar="NAME|FILE:FACTORY", help="With --run: the client that is compared.")
@click.option("--pairs", type=click.IntRange(1, 50), default=8, show_default=True, help="With --run: how many of each.")
@click.option("--out", type=click.Path(path_type=Path), help="With --run: where the run folders go.")
@click.option("--virtual", is_flag=True, help="With --run: in virtual time.")
@click.option("--gate", is_flag=True, help="Exit 1 when something is worse, 5 when nothing can be told.")
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as JSON.")
def compare(runs: tuple[str, ...], baseline: str | None, save: str | None, history: Path | None, commit: str,
            slos: tuple[str, ...], floor: str, floor_time: str, despite: tuple[str, ...], scenario: str | None,
            base: str | None, new: str | None, pairs: int, out: Path | None, virtual: bool, gate: bool,
            as_json: bool) -> int:  # fmt: skip
    """Compare run folders (or folders of them): those before the word `vs` with those after it."""
    from harness.run import comparison as io

    if scenario is None and (base or new or out or virtual):
        raise UsageError("--base, --new, --out and --virtual make runs", "name what to run with --run SCENARIO")
    before, after = _sides(runs) if scenario is None else _made(scenario, base, new, pairs, out, virtual)
    if save or history:
        group = _group("the runs", before + after, slos, despite)
        if save:
            sys.stdout.write(f"{io.write_baseline(save, group)}\n")
        if history:
            sys.stdout.write(f"{io.add_to_history(history, group, commit)}\n")
        return EXIT_OK
    if baseline:
        old = io.read_baseline(baseline)
        fresh = io.read_group("the new runs", before + after, old.objectives, despite)
    else:
        if not after:
            raise UsageError(
                "there is nothing to compare with", "kato-harness compare RUN… vs RUN…, or --baseline NAME"
            )
        objectives = _read(lambda: io.shared_objectives(before + after, slos), "--slo")
        old = io.read_group("the base", before, objectives, despite)
        fresh = io.read_group("the new runs", after, objectives, despite)
    relative, least_s = _read(lambda: ratio(floor), "--floor"), _read(lambda: duration_s(floor_time), "--floor-time")
    return _show(io.compare_groups(old, fresh, relative, least_s * 1e3, despite), gate, as_json)


def _sides(runs: Sequence[str]) -> tuple[list[Path], list[Path]]:
    """The run folders before and after `vs`; two arguments without it are one each."""
    from harness.run.comparison import folders_of

    if not runs:
        raise UsageError("no run was named", "kato-harness compare RUN… vs RUN…")
    if "vs" in runs:
        at = runs.index("vs")
        before, after = runs[:at], runs[at + 1 :]
        if not before or not after or "vs" in after:
            raise UsageError("`vs` stands once, between runs", "kato-harness compare RUN… vs RUN…")
    else:
        before, after = (runs[:1], runs[1:]) if len(runs) == 2 else (runs, ())
    return folders_of([Path(run) for run in before]), folders_of([Path(run) for run in after])


def _made(
    scenario: str, base: str | None, new: str | None, pairs: int, out: Path | None, virtual: bool
) -> tuple[list[Path], list[Path]]:
    """The runs of both clients, made now in turns."""
    from harness.run import Options, shipped_scenario
    from harness.run.comparison import make_runs

    file = shipped_scenario(scenario)
    folder = out or Path("reports/runs") / f"{time.strftime('%Y%m%d-%H%M%S')}-compare-{file.stem}"
    one, other = Options(integration=base, virtual=virtual), Options(integration=new, virtual=virtual)
    return make_runs(file, one, other, pairs, folder, lambda words: click.echo(words, err=True))


def _group(name: str, folders: list[Path], slos: Sequence[str], despite: Sequence[str]) -> Group:
    from harness.run.comparison import read_group, shared_objectives

    return read_group(name, folders, _read(lambda: shared_objectives(folders, slos), "--slo"), despite)


def _read(reader: Callable[[], T], flag: str) -> T:
    """What a flag's text means; raises UsageError that names the flag."""
    try:
        return reader()
    except TextError as error:
        raise UsageError(f"{flag}: {error.what}", error.cure) from None


def _show(found: Comparison, gate: bool, as_json: bool) -> int:
    from harness.compare.render import as_json as plain
    from harness.compare.render import text

    sys.stdout.write(json.dumps(plain(found), indent=1) + "\n" if as_json else text(found))
    if not gate:
        return EXIT_OK
    answers = {each.answer for each in found.shifts}
    return EXIT_FAILED if "worse" in answers else EXIT_UNPROVEN if answers <= {"can't tell"} else EXIT_OK
