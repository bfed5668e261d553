"""`witness`: record and judge traffic that something else generates."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command()
@click.option("--listen", default="127.0.0.1:0", show_default=True, help="HOST:PORT for the traffic; 0: a free port.")
@click.option("--target", required=True, metavar="URL", help="The KATO that it goes on to.")
@click.option("--for", "length", metavar="DURATION", help="How long, such as 10m; default: until a signal.")
@click.option("--slo", "slos", multiple=True, metavar="EXPR", help='An objective, such as "p(95) < 50ms".')
@click.option("--out", type=click.Path(path_type=Path), help="The run folder.")
@click.option("--format", "formats", multiple=True, default=["html"], show_default=True, help="See `list formats`.")
@click.option("--allow-target", "allow_targets", multiple=True, metavar="HOST", help="A host that traffic may go to.")
@click.option("--json", "as_json", is_flag=True, help="Print verdicts.json instead of the table.")
def witness(listen: str, target: str, length: str | None, slos: tuple[str, ...], out: Path | None,
            formats: tuple[str, ...], allow_targets: tuple[str, ...], as_json: bool) -> int:  # fmt: skip
    """Forward traffic to a KATO, write down each request with what became of it, and judge it at the end.

    The first line on stdout is the URL to send traffic to. What arrivals alone can carry is judged: writes that were
    acknowledged and lost, doubled, or lost to another, and your objectives.
    """
    from harness.errors import UsageError
    from harness.judge import judge_folder, write_reports
    from harness.report.terminal import show
    from harness.run.witnessed import Watch
    from harness.run.witnessed import witness as run_witness
    from harness.slo import parse
    from harness.units import TextError, duration_s

    try:
        seconds = duration_s(length) if length else None
        for expr in slos:
            parse(expr)
    except TextError as error:
        raise UsageError(str(error), error.cure) from None
    folder = run_witness(Watch(listen, target, out, seconds, slos, allow_targets))
    judged = judge_folder(folder)
    paths = write_reports(judged, formats)
    if as_json:
        sys.stdout.write(judged.json_text)
    else:
        show(judged.run, judged.judgement, sys.stdout, report=" ".join(map(str, paths)))
    return judged.exit_code
