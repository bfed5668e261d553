"""`kato-harness witness`: a witness before a KATO for traffic that something else generates, and a run folder."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from harness import __version__
from harness.errors import UsageError
from harness.inject.http import WitnessControl
from harness.laws.registry import LAWS
from harness.model import OUTCOMES, RUN_FORMAT
from harness.policy import Policy, to_mapping
from harness.run.folder import machine, make_folder, write_json
from harness.run.foreign import tell_calls
from harness.run.manifest import wall_offset_ns
from harness.run.parts import start_part
from harness.run.signals import stopping
from harness.scenario.guards import host_of, loopback
from harness.twin.forward.target import nobody_at

JUDGED = ("D1", "D2", "D3", "D5", "X1", "X2")
"""The laws that arrivals alone can carry."""

WHY = "the witness sees requests and answers, not the client's own calls; `kato-harness run` with the client judges it"


@dataclass(frozen=True, slots=True)
class Watch:
    """What to put where: `listen` is HOST:PORT (port 0: a free one), `seconds` None: until a signal."""

    listen: str
    target: str
    out: Path | None = None
    seconds: float | None = None
    slos: Sequence[str] = ()
    allow_targets: Sequence[str] = ()


def witness(watch: Watch) -> Path:
    """Forward and record until the end of the time or a signal; the run folder, ready to be judged.

    Raises UsageError for an address or a target that can't be, PartMissing when the witness doesn't start.
    """
    host, port = _address(watch.listen)
    _check_target(watch)
    folder = make_folder(watch.out, "witness")
    with stopping() as stop, ExitStack() as undo:
        arguments = ["--spool", str(folder / "spool" / "witness.raw"), "--target", watch.target]
        arguments += ["--host", host, "--port", str(port)]
        (folder / "logs").mkdir(exist_ok=True)
        log = folder / "logs" / "witness.log"
        part = start_part("the witness", "harness.twin", arguments, log, flag="--control-fd")
        undo.callback(part.stop)
        ready = part.expect("ready")
        start_ns = time.monotonic_ns()
        sys.stdout.write(f"http://{f'[{host}]' if ':' in host else host}:{ready['port']}\n")
        sys.stdout.flush()
        # A KATO may come later than its witness; who misspelt its URL shall learn it before the traffic does.
        if words := nobody_at(watch.target):
            sys.stderr.write(f"nobody listens at {watch.target} yet: {words}\n")
        stop.wait(watch.seconds)
        stats = WitnessControl(part.channel).do("stats")
        end_ns = time.monotonic_ns()
    calls = tell_calls(folder / "spool")
    write_json(folder / "manifest.json", _manifest(watch, folder, stats, calls, (start_ns, end_ns)))
    return folder


def _address(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise UsageError(f"--listen {listen} is no address", "write HOST:PORT, such as 127.0.0.1:8001")
    return host.strip("[]") or "127.0.0.1", int(port)


def _check_target(watch: Watch) -> None:
    host = host_of(watch.target)
    if urlsplit(watch.target).scheme not in ("http", "https"):
        raise UsageError(f"--target {watch.target} is no URL of a KATO", "write http://HOST:PORT")
    if not loopback(host) and host not in watch.allow_targets:
        raise UsageError(f"{host} is not a target that traffic may go to", f"--allow-target {host}")


def _manifest(
    watch: Watch, folder: Path, stats: Mapping[str, Any], calls: Counter[str], span_ns: tuple[int, int]
) -> dict[str, Any]:
    start_ns, end_ns = span_ns
    facts = {key: stats[key] for key in ("arrived", "committed", "added_ms") if key in stats}
    return {
        "format": RUN_FORMAT,
        "run": {
            "id": f"witness-{time.time_ns():x}",
            "name": "witness",
            "question": "What became of the requests that somebody else sent?",
            "integration": "foreign",
            "profile": "true",
            "scale": 1.0,
            "seed": 0,
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "harness": __version__,
            "target": watch.target,
        },
        "policy": {"declared": {}, "read": {}, "default": {}, "effective": to_mapping(Policy()), "sources": {}},
        "scenario": {"listen": watch.listen, "target": watch.target},
        "faults": [],
        "slos": [{"name": f"slo{n}", "expr": expr, "severity": "gate"} for n, expr in enumerate(watch.slos, 1)],
        "steady_state": [],
        "laws": {"require": "auto", "watch": [], "skip": {name: WHY for name in LAWS if name not in JUDGED}},
        "known": [],
        "machine": machine(),
        "facts": {"oracle": "witness", "hooks": [], "leftovers": [], "warnings": [], "keep_alive_s": 5.0, **facts},
        "start_ns": start_ns,
        "end_ns": end_ns,
        "wall_offset_ns": wall_offset_ns(),
        "phases": [{"name": "baseline", "start_ns": start_ns, "end_ns": end_ns}],
        "accounting": {"issued": calls.total()} | {outcome: calls[outcome] for outcome in OUTCOMES[1:]},
        "error": None,
        "finished": True,
    }
