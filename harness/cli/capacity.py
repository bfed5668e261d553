"""`capacity`: the highest load within the objectives: searched for with runs, or simulated where none can be made."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.errors import EXIT_FAILED, EXIT_INVALID, EXIT_OK, UsageError
from harness.units import TextError, duration_s, rate_per_s

if TYPE_CHECKING:
    from harness.capacity import Capacity


@click.command()
@click.argument("scenario", required=False)
@click.option("--integration", metavar="NAME|FILE:FACTORY", help="The client that makes the calls.")
@click.option("--target", metavar="embedded|URL", help="The KATO under it.")
@click.option(
    "--profile",
    metavar="fast|true|NAME|FILE",
    help="fast, true: as for `run`; else service times of the embedded KATO, or the planned one: kato-1w, a file.",
)
@click.option("--slo", "slos", multiple=True, help="What must hold; default: the scenario's gates, else p(95) < 50ms.")
@click.option("--from", "start", metavar="RATE", help="Where to begin; default: the scenario's rate.")
@click.option("--probe", "length", default="30s", show_default=True, help="Measured time of a probe.")
@click.option("--longest", help="Of a probe at the boundary, if noise asks for it; default: 20 times --probe.")
@click.option("--most", type=click.IntRange(5, 50), default=12, show_default=True, help="Probes of one search at most.")
@click.option("--under-faults", is_flag=True, help="Search again under each fault of the scenario.")
@click.option("--at-least", metavar="RATE", help="Exit 1 when the capacity (of every search) is below.")
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Generator processes; with --plan-for the workers of a replica.",
)
@click.option("--plan-for", metavar="RATE", help="Simulate the fleet that this load needs, instead of running.")
@click.option("--lose", type=click.IntRange(0), default=0, help="With --plan-for: also with so many replicas lost.")
@click.option("--check", is_flag=True, help="With --plan-for: hold it to runs of 2 and 4 workers in virtual time.")
@click.option("--sessions", type=click.IntRange(1), default=200, show_default=True, help="With --plan-for.")
@click.option("--virtual", is_flag=True, help="In virtual time.")
@click.option("--seed", type=int, help="Seed of the first probe.")
@click.option("--env", "environment", help="An environment of the scenario file.")
@click.option("--out", type=click.Path(path_type=Path), help="Where the run folders of the probes go.")
@click.option("--allow-target", "allow_targets", multiple=True, metavar="HOST", help="A host that may be loaded.")
@click.option("--allow-writes", is_flag=True, help="Let `learn` run on a target that we didn't start.")
@click.option("--allow-destructive", is_flag=True, help="Let destructive faults and scenarios run.")
@click.option("--html", "page", type=click.Path(path_type=Path), help="Write the search as an HTML file, too.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def capacity(scenario: str | None, integration: str | None, target: str | None, profile: str | None,
             slos: tuple[str, ...], start: str | None, length: str, longest: str | None, most: int, under_faults: bool,
             at_least: str | None, workers: int,
             virtual: bool, seed: int | None, environment: str | None, out: Path | None,
             allow_targets: tuple[str, ...], allow_writes: bool, allow_destructive: bool,
             page: Path | None, as_json: bool, plan_for: str | None, lose: int, sessions: int,
             check: bool) -> int:  # fmt: skip
    """Search the highest rate at which the objectives of SCENARIO hold: at most 12 probes, each a run of its own.

    With --plan-for nothing is run: replicas, balancing and a lost replica are simulated on measured service times.
    """
    from harness.capacity.render import as_json as plain
    from harness.capacity.render import text
    from harness.run import Options, shipped_scenario
    from harness.run.limits import search_scenario

    wanted = _rate("--plan-for", plan_for)
    if wanted is not None:
        return _plan(wanted, slos, lose, profile or "kato-1w", workers, sessions, check, as_json)
    if scenario is None:
        raise UsageError("no scenario was named", "kato-harness capacity SCENARIO, or --plan-for RATE")
    times, kato = ("fast", profile) if profile not in (None, "fast", "true") else (profile or "fast", "")
    options = Options(
        integration, target, times, seed, workers, virtual, out, environment, allow_targets, allow_writes,
        allow_destructive,
    )  # fmt: skip
    needed = _rate("--at-least", at_least)
    try:
        found = search_scenario(
            shipped_scenario(scenario),
            options,
            slos=slos,
            length_s=duration_s(length),
            longest_s=duration_s(longest) if longest else None,
            kato=kato or "",
            start=_rate("--from", start),
            faults=under_faults,
            most=most,
            say=lambda words: click.echo(words, err=True),
        )
    except TextError as error:
        raise UsageError(f"--slo, --probe or --longest: {error.what}", error.cure) from None
    if page is not None:
        from harness.report import capacity as show

        page.write_text(show.page(f"How much load {Path(scenario).stem} carries", found))
    sys.stdout.write(json.dumps(plain(found), indent=1) + "\n" if as_json else text(found))
    return _exit_code(found, needed)


def _plan(rate: float, slos: tuple[str, ...], lose: int, profile: str, workers: int, sessions: int,
          check: bool, as_json: bool) -> int:  # fmt: skip
    """The table of `--plan-for`; 1 where no number of replicas serves in any way of balancing."""
    from dataclasses import asdict

    from harness.run.holdout import held_out, line
    from harness.run.planning import MIX, objective, planned

    if rate <= 0:
        raise UsageError(f"--plan-for {rate:g}/s is no load", "give a rate like 2000/s")
    text, answers = planned(rate, slos, lose, profile, workers, sessions, MIX)
    held = held_out(profile, MIX, objective(slos).quantile) if check else iter(())
    if as_json:
        values = {"format": 1, "answers": [*map(asdict, answers)], "held_out": [*map(asdict, held)]}
        sys.stdout.write(json.dumps(values, indent=1) + "\n")
    else:
        click.echo(text, nl=False)
        for each in held:
            click.echo(line(each))
    return EXIT_OK if any(answer.fleet for answer in answers) else EXIT_FAILED


def _rate(flag: str, text: str | None) -> float | None:
    try:
        return rate_per_s(text) if text is not None else None
    except TextError as error:
        raise UsageError(f"{flag}: {error.what}", error.cure) from None


def _exit_code(found: dict[str, Capacity], needed: float | None) -> int:
    """1 when nothing held or too little, 6 when a generator that gave up first leaves that open, else 0."""
    low = [each for each in found.values() if each.ending == "below" or (needed and each.rate < needed)]
    if any(each.ending != "limited" for each in low):
        return EXIT_FAILED
    limited = [each for each in found.values() if each.ending == "limited"]
    return EXIT_INVALID if low or (limited and needed is None) else EXIT_OK
