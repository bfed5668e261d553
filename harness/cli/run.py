"""`run`: scenarios against an integration, each judged; the worst exit code wins."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from harness.errors import HarnessError, worst


@click.command()
@click.argument("scenarios", nargs=-1, required=True)
@click.option("--integration", metavar="NAME|FILE:FACTORY", help="The client under test.")
@click.option("--target", metavar="embedded|URL", help="The KATO under it.")
@click.option(
    "--profile",
    type=click.Choice(["fast", "true"]),
    default="fast",
    show_default=True,
    help="fast: built-in clients run with a tenth of the guide's times.",
)
@click.option("--seed", type=int, help="Equal seed, equal plan.")
@click.option(
    "--workers", type=click.IntRange(0, 64), default=0, help="Generator processes of this machine.  [default: 1]"
)
@click.option(
    "--expect-workers", type=click.IntRange(0, 64), default=0, help="Generators on other machines (`worker`), instead."
)
@click.option(
    "--master-bind",
    metavar="HOST:PORT",
    default="127.0.0.1:5557",
    show_default=True,
    help="Where they find this one: an address of this machine that they reach.",
)
@click.option("--virtual", is_flag=True, help="In virtual time: the clock jumps, TCP faults are modelled.")
@click.option("--control", is_flag=True, help="Before each run the same one without its faults, to compare with.")
@click.option("--env", "environment", help="An environment of the scenario file.")
@click.option("--out", type=click.Path(path_type=Path), help="The run folder; DIR/<scenario> for several.")
@click.option("--format", "formats", multiple=True, default=["html"], show_default=True, help="See `list formats`.")
@click.option("--allow-target", "allow_targets", multiple=True, metavar="HOST", help="A host that may be loaded.")
@click.option("--allow-writes", is_flag=True, help="Let `learn` run on a target that we didn't start.")
@click.option("--allow-destructive", is_flag=True, help="Let destructive faults and scenarios run.")
@click.option("--strict-known", is_flag=True, help="Fail when an accepted failure is no longer needed.")
@click.option("--bisect", is_flag=True, help="Exit 125 instead of 5, 6 and 7, for `git bisect run`.")
@click.option("--json", "as_json", is_flag=True, help="Print verdicts.json instead of the table.")
def run(scenarios: tuple[str, ...], formats: tuple[str, ...], out: Path | None, strict_known: bool, bisect: bool,
        as_json: bool, allow_targets: tuple[str, ...], **more: object) -> int:  # fmt: skip
    """Run each of SCENARIOS (a file, or the name of a shipped one) and judge it."""
    from harness.run import Options, shipped_scenario
    from harness.run.batch import run_all

    files = [shipped_scenario(name) for name in scenarios]
    options = Options(out=out, allow_targets=allow_targets, **more)  # type: ignore[arg-type]
    codes = []
    for result in run_all(files, options):
        try:
            codes.append(_finish(result, formats, as_json, strict_known))
        except HarnessError as error:
            click.echo(f"kato-harness: {error}", err=True)
            codes.append(error.exit_code)
    code = worst(codes)
    return 125 if bisect and code in (5, 6, 7) else code


def _finish(result: object, formats: tuple[str, ...], as_json: bool, strict_known: bool) -> int:
    """Judge, report and print one executed run; its exit code."""
    from harness.judge import judge_folder, write_reports
    from harness.report.terminal import show
    from harness.run.execute import Executed

    assert isinstance(result, Executed)
    judged = judge_folder(result.folder, strict_known=strict_known)
    paths = write_reports(judged, formats)
    if as_json:
        sys.stdout.write(judged.json_text)
    else:
        show(judged.run, judged.judgement, sys.stdout, report=" ".join(map(str, paths)))
    if result.error is None:
        return judged.exit_code
    click.echo(f"kato-harness: {result.error}", err=True)
    return worst([result.error.exit_code, judged.exit_code])
