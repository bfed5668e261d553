"""`python -m harness.twin`: the witness as a process of its own, and the public verb `twin`."""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import gc
import json
import os
import resource
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import uvloop

from harness import contracts
from harness.errors import EXIT_OK, HarnessError
from harness.twin.control import obey
from harness.twin.process import Options, Process, Tls
from harness.twin.profiles import load_profile

GC_THRESHOLD = (5_000, 10, 10)
"""Python's own (700, 10, 10) interrupts the handling of requests seven times as often, for the same garbage."""

_PR_SET_PDEATHSIG = 1
_MAX_COMMAND_BYTES = 1 << 20


def main(argv: Sequence[str] | None = None) -> int:
    """Run until a signal, a `stop`, or the end of the control channel; returns the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        options = Options(
            profile=load_profile(arguments.profile),
            spool=arguments.spool,
            target=arguments.target,
            tls=Tls(arguments.ca, arguments.cert, arguments.key),
            host=arguments.host,
            port=arguments.port,
            seed=arguments.seed,
            replicas=arguments.replicas,
            release=arguments.kato,
        )
        _prepare(child=arguments.control_fd is not None)
        uvloop.run(_run(options, arguments.control_fd))
    except HarnessError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return EXIT_OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kato-harness twin", description="The embedded KATO and its witness.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: loopback)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: a free one)")
    parser.add_argument("--profile", default="instant", help="instant, kato-1w, kato-4w or a JSON file")
    parser.add_argument("--seed", type=int, default=0, help="seed of service times and fault rules")
    parser.add_argument("--kato", choices=contracts.releases(), default=contracts.LATEST, help="the release to imitate")
    parser.add_argument("--spool", type=Path, help="file that gets one record for each arrival")
    parser.add_argument("--replicas", type=int, default=1, help="instances of KATO, each on a port of its own")
    parser.add_argument("--target", default="", help="forward to this KATO instead of answering")
    for name, what in (("ca", "certificates to trust"), ("cert", "client certificate"), ("key", "its key")):
        parser.add_argument(f"--{name}", default="", help=f"{what} for an https target (PEM file)")
    parser.add_argument("--control-fd", type=int, help=argparse.SUPPRESS)
    return parser


def _prepare(child: bool) -> None:
    if child:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLD)


async def _run(options: Options, control_fd: int | None) -> None:
    process = Process(options)
    await process.open()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, process.stop)
    if control_fd is None:
        sys.stdout.writelines(f"{url}\n" for url in process.urls)
        sys.stdout.flush()
        await process.until_stopped()
        return
    controlled = asyncio.create_task(_obey_channel(process, control_fd))
    await process.until_stopped()
    controlled.cancel()


async def _obey_channel(process: Process, control_fd: int) -> None:
    sock = socket.socket(fileno=control_fd)
    reader, writer = await asyncio.open_unix_connection(sock=sock, limit=_MAX_COMMAND_BYTES)

    def send(message: dict[str, object]) -> None:
        writer.write(json.dumps(message, separators=(",", ":")).encode() + b"\n")

    process.on_error = lambda what: send({"event": "error", "what": what})
    process.on_warning = lambda what: send({"event": "warning", "what": what})
    ports = [instance.listener.port for instance in process.instances]
    send({"event": "ready", "port": ports[0], "ports": ports, "pid": os.getpid()})
    try:
        while line := await reader.readline():
            send(await obey(process, json.loads(line)))
    except ConnectionError:
        pass  # the parent is gone, which the end of file says too
    finally:
        process.stop()


if __name__ == "__main__":
    sys.exit(main())
