"""`worker`: this machine generates load for a run on another one."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

from harness.errors import EXIT_ENVIRONMENT, EXIT_INTERRUPTED, UsageError


@click.command()
@click.option("--master", required=True, metavar="HOST:PORT", help="The machine that runs `run --expect-workers N`.")
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), help="Keep the evidence here as well.")
@click.option("--keep", is_flag=True, help="When a run has ended wait for the next one, until interrupted.")
def worker(master: str, folder: Path | None, keep: bool) -> int:
    """Generate load for a run on another machine, which plans it, breaks the network and judges.

    A client that the scenario names by file must be here at the same path from where this is started. Whoever can
    reach the master's port takes part, and a worker runs the client that its master names: a trusted network only.
    """
    host, _, port = master.rpartition(":")
    if not host or not port.isdecimal():
        raise UsageError(f"--master {master!r} is not HOST:PORT", "it is what --master-bind of the run says")
    while True:
        with tempfile.TemporaryDirectory(prefix="kato-harness-worker-") as scratch:
            place = folder / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}" if folder else Path(scratch)
            place.mkdir(parents=True, exist_ok=True)
            click.echo(f"waiting for the run at {master}", err=True)
            code = _serve(host, port, place)
        if not keep or code == EXIT_INTERRUPTED:
            return code


def _serve(host: str, port: str, folder: Path) -> int:
    """One run's load in a process of its own, as Locust patches the whole of one; its exit code."""
    process = subprocess.Popen([sys.executable, "-m", "harness.load.locust", "worker", host, port, str(folder)])
    try:
        code = process.wait()
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        return EXIT_INTERRUPTED
    return code if code >= 0 else EXIT_ENVIRONMENT
