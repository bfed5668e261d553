"""`twin` and `conform`: the embedded KATO for anybody's tests, and the question whether a server is a KATO."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from harness.contracts import LATEST, releases
from harness.errors import UsageError
from harness.twin.profiles import MAX_WORKERS

RELEASE = click.Choice(releases())


@click.command()
@click.option("--port", type=int, default=0, help="Port to listen on; default: a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--profile", default="instant", show_default=True, help="instant, kato-1w, kato-4w or a JSON file.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of service times.")
@click.option("--kato", "release", type=RELEASE, default=LATEST, show_default=True, help="The release to imitate.")
@click.option("--spool", type=click.Path(path_type=Path), help="File that gets a record of each arrival.")
def twin(port: int, host: str, profile: str, seed: int, release: str, spool: Path | None) -> int:
    """Run the embedded KATO until a signal; its URL is the first line on stdout."""
    from harness.twin.__main__ import main

    arguments = ["--host", host, "--port", str(port), "--profile", profile, "--seed", str(seed), "--kato", release]
    return main([*arguments, "--spool", str(spool)] if spool else arguments)


@click.command()
@click.argument("url")
@click.option("--cases", type=click.Path(exists=True, path_type=Path), help="Other cases than the shipped ones.")
@click.option("--kato", "release", type=RELEASE, default=LATEST, show_default=True, help="The release to be like.")
@click.option("--record", "recording", is_flag=True, help="Write down how URL answers the cases, as cases.")
@click.option("--out", type=click.Path(path_type=Path), help="The file that --record writes; default: stdout.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def conform(url: str, cases: Path | None, release: str, recording: bool, out: Path | None, as_json: bool) -> int:
    """Run KATO's contract cases against URL; 0 when every case answers as recorded."""
    from harness.conform import conform as run_cases
    from harness.conform import load_cases, record

    _check_folder(out)
    if recording:
        text = record(url, load_cases(cases, release))
        _write(out, text)
        return 0
    if out is not None:
        raise UsageError("--out is where --record writes", "add --record, or leave --out out")
    report = run_cases(url, cases, release)
    sys.stdout.write(json.dumps(report.as_json(), indent=1) + "\n" if as_json else report.render())
    return 0 if report.passed else 1


@click.command()
@click.argument("url")
@click.option("--rounds", type=int, default=60, show_default=True, help="Requests of each kind.")
@click.option(
    "--workers",
    type=click.IntRange(1, MAX_WORKERS),
    default=1,
    show_default=True,
    help="Worker processes that it runs.",
)
@click.option("--out", type=click.Path(path_type=Path), help="The profile's file; default: stdout.")
@click.option("--allow-target", "allow_targets", multiple=True, metavar="HOST", help="A host that may be loaded.")
@click.option("--allow-writes", is_flag=True, help="Let `learn` leave 20 patterns on a node of its own.")
def calibrate(
    url: str, rounds: int, workers: int, out: Path | None, allow_targets: tuple[str, ...], allow_writes: bool
) -> int:
    """Measure the service times of the KATO at URL and write them as a profile for `twin` and scenarios."""
    from harness.conform.calibrate import calibrate as measure
    from harness.scenario.guards import host_of, loopback

    host = host_of(url)
    if not loopback(host) and host not in allow_targets:
        raise UsageError(f"{host} is not a target that may be loaded", f"--allow-target {host}")
    if not loopback(host) and not allow_writes:
        raise UsageError("calibrating learns 20 patterns that stay on that KATO", "--allow-writes")
    _check_folder(out)
    found = measure(url, rounds)
    for kind, patterns, count, middle, high in found.rows():
        click.echo(f"{kind:20} {patterns:4} patterns  n {count:4}  p50 {middle:8.2f} ms  p95 {high:8.2f} ms", err=True)
    click.echo(f"left behind: {', '.join(found.left)}", err=True)
    _write(out, json.dumps(found.profile(workers), indent=1) + "\n")
    return 0


@click.command()
@click.option("--runs", type=click.Path(path_type=Path), default=Path("reports/runs"), show_default=True)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=int, default=9464, show_default=True, help="Port to listen on; 0: a free one.")
def exporter(runs: Path, host: str, port: int) -> int:
    """Serve the newest run under --runs at /metrics, in Prometheus's format, until a signal."""
    from harness.run.exporter import exporter as serve

    try:
        server = serve(runs, host, port)
    except OSError as error:
        raise UsageError(f"{host}:{port} can't be listened to: {error.strerror}", "name another --port") from None
    sys.stdout.write(f"http://{host}:{server.server_address[1]}/metrics\n")
    sys.stdout.flush()
    with server:
        server.serve_forever()
    return 0


def _check_folder(out: Path | None) -> None:
    """Before minutes of requests, not after them."""
    if out is not None and not out.parent.is_dir():
        raise UsageError(f"{out.parent} is no folder", "name a file in a folder that exists")


def _write(out: Path | None, text: str) -> None:
    if out is None:
        sys.stdout.write(text)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{out}: {error.strerror}", "name a file in a folder that exists") from None
