"""`check` and `report`: judge and draw an old run, without load."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print verdicts.json instead of the table.")
@click.option("--strict-known", is_flag=True, help="Fail when an accepted failure is no longer needed.")
def check(run: Path, as_json: bool, strict_known: bool) -> int:
    """Judge the run folder RUN again and exit as its run would have."""
    from harness.judge import judge_folder
    from harness.report.terminal import show

    judged = judge_folder(run, strict_known=strict_known)
    if as_json:
        sys.stdout.write(judged.json_text)
    else:
        show(judged.run, judged.judgement, sys.stdout)
    return judged.exit_code


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--format", "formats", multiple=True, default=["html"], show_default=True, help="See `list formats`.")
@click.option("--out", type=click.Path(path_type=Path), help="The file, for one format; default: in the run folder.")
def report(run: Path, formats: tuple[str, ...], out: Path | None) -> int:
    """Draw the report of the run folder RUN."""
    from harness.judge import judge_folder, write_reports

    for path in write_reports(judge_folder(run), formats, out):
        sys.stdout.write(f"{path}\n")
    return 0
