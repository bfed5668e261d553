"""Thirty deliberately starved generators: each run must be invalid, and none may pass.

    python bench/starved.py [FIRST] [COUNT]

A generator is paused once, stopped and continued again and again, given a hundredth of a core among hogs, or denied
sockets, while the client and KATO are healthy. One JSON line a run; exit 1 where a run was not invalid.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import psutil

HARNESS = [sys.executable, "-c", "from harness.cli import main; main()"]
SCENARIO = """
format: kato-harness/1
target: {{twin: {{service: 50ms, workers: parallel}}}}
load: {{rate: {rate}/s, mix: {{observe: 2, predict: 1}}}}
phases: {{warmup: 1s, baseline: 6s, recovery: 0s, cooldown: 0s}}
"""
LASTS_S = 6.0
HOG = "while True: pass"

Starve = Callable[[int], None]


def pause(length_s: float, pid: int) -> None:
    """Once, in the middle."""
    time.sleep(2.0)
    os.kill(pid, signal.SIGSTOP)
    time.sleep(length_s)
    os.kill(pid, signal.SIGCONT)


def stutter(stopped_s: float, running_s: float, pid: int) -> None:
    """All the time, as a container out of its CPU quota is."""
    end = time.monotonic() + LASTS_S
    while time.monotonic() < end:
        os.kill(pid, signal.SIGSTOP)
        time.sleep(stopped_s)
        os.kill(pid, signal.SIGCONT)
        time.sleep(running_s)


def squeeze(hogs: int, pid: int) -> None:
    """On one core among others that count a hundred times as much (nice 19 against 0, 15 : 1024)."""
    core = {max(os.sched_getaffinity(0))}
    for thread in psutil.Process(pid).threads():
        with suppress(ProcessLookupError):
            os.sched_setaffinity(thread.id, core)
            os.setpriority(os.PRIO_PROCESS, thread.id, 19)
    # the session's weight among others counts too (sched(7), "The autogroup feature")
    with suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text("19")
    others = [subprocess.Popen([sys.executable, "-c", HOG]) for _ in range(hogs)]
    for other in others:
        os.sched_setaffinity(other.pid, core)
    time.sleep(LASTS_S)
    for other in others:
        other.kill()


def deny(more: int, pid: int) -> None:
    """So few descriptors more than it has before its clients connect."""
    used = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + more, used + more))


STUTTERS = ((0.06, 0.04), (0.1, 0.05), (0.2, 0.1), (0.3, 0.3), (0.15, 0.05), (0.5, 0.25), (0.08, 0.02))
CASES: list[tuple[str, int, Starve]] = [
    *((f"paused {s:g} s", rate, partial(pause, s)) for rate in (40, 150) for s in (1.5, 2.0, 3.0)),
    *((f"stopped {a:g} s of {a + b:g}", rate, partial(stutter, a, b)) for rate in (40, 150) for a, b in STUTTERS),
    *((f"among {hogs} hogs", 150, partial(squeeze, hogs)) for hogs in (3, 4, 5, 6, 8)),
    *((f"{more} descriptors more", 150, partial(deny, more)) for more in (0, 1, 2, 3, 4)),
]


def generator_of(harness: int, spool: Path, begun: bool) -> int:
    """The generator's process id, once its load has begun (or as soon as it is there)."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with suppress(psutil.Error):
            for child in psutil.Process(harness).children(recursive=True):
                ready = spool.exists() and (not begun or spool.stat().st_size > 20_000)
                if "harness.load.generator" in child.cmdline() and ready:
                    return child.pid
        time.sleep(0.02)
    raise SystemExit("the generator never began")


def run(name: str, rate: int, starve: Starve) -> dict[str, object]:
    """One starved run: its exit code, and what X3 said."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "s.yaml").write_text(SCENARIO.format(rate=rate))
        command = [*HARNESS, "run", "s.yaml", "--integration", "fast", "--out", "run", "--json"]
        harness = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        spool = folder / "run" / "spool" / "generator-0.raw"
        starve(generator_of(harness.pid, spool, begun=not name.endswith("more")))
        out, err = harness.communicate(timeout=120)
        gates = {v["law"]: v for v in json.loads(out)["verdicts"]} if out.strip() else {}
        said = gates.get("X3", {})
        return {"case": name, "rate": rate, "exit": harness.returncode, "x3": said.get("status"),
                "reason": said.get("reason", err[-300:]), "measured": said.get("measured")}  # fmt: skip


def main(first: int, count: int) -> int:
    """Run some of the cases; 0 when every one was invalid."""
    codes = []
    for name, rate, starve in CASES[first : first + count]:
        found = run(name, rate, starve)
        codes.append(found["exit"])
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()
    return 0 if all(code == 6 for code in codes) else 1


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:]]
    sys.exit(main(*(numbers or [0, len(CASES)])))
