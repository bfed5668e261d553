"""The peers of the comparison: where each program is, or how it is built, and its command for one static observe."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from harness.stack.toxiproxy import cache_folder

USERS = 20
BODY = '{"strings":["view:product-123"],"vectors":[],"emotives":{}}'
GO_MODULES = {"vegeta": "github.com/tsenart/vegeta/v12@v12.13.0", "k6": "go.k6.io/k6@v1.8.1"}
"""Built once with the machine's Go: 15 and 76 s."""

WRK = f"""
wrk.method = "POST"
wrk.body = '{BODY}'
wrk.headers["Content-Type"] = "application/json"
"""
K6 = f"""
import http from 'k6/http';
export const options = {{ discardResponseBodies: true }};
const body = '{BODY}', params = {{ headers: {{ 'Content-Type': 'application/json' }} }};
export default function () {{ http.post(__ENV.URL, body, params); }}
"""

Command = Callable[[Path, str, float], list[str]]
"""The command of a peer: its folder for files, the URL to observe at, and how long it has (s)."""


def _wrk(folder: Path, url: str, seconds: float) -> list[str]:
    (folder / "wrk.lua").write_text(WRK)
    return ["wrk", "-t1", f"-c{USERS}", f"-d{seconds:.0f}s", "-s", str(folder / "wrk.lua"), url]


def _k6(folder: Path, url: str, seconds: float) -> list[str]:
    (folder / "k6.js").write_text(K6)
    options = ["--vus", str(USERS), "--duration", f"{seconds:.0f}s", "--no-usage-report", "--quiet", "--no-summary"]
    return ["k6", "run", *options, "--env", f"URL={url}", str(folder / "k6.js")]


def _vegeta(folder: Path, url: str, seconds: float) -> list[str]:
    (folder / "targets").write_text(f"POST {url}\nContent-Type: application/json\n@{folder}/body\n")
    (folder / "body").write_text(BODY)
    options = ["-rate=0", f"-max-workers={USERS}", f"-workers={USERS}", f"-duration={seconds:.0f}s"]
    return ["vegeta", "attack", *options, f"-targets={folder}/targets", "-output=/dev/null"]


def _locust(user: str) -> Command:
    def command(folder: Path, url: str, seconds: float) -> list[str]:
        file = str(Path(__file__).with_name("peer_locust.py"))
        options = ["--headless", "--only-summary", "-u", str(USERS), "-r", str(USERS), "-t", f"{seconds:.0f}s"]
        return [sys.executable, "-m", "locust", "-f", file, "--host", url, *options, user]

    return command


PEERS: Mapping[str, Command] = {
    "wrk": _wrk,
    "k6": _k6,
    "vegeta": _vegeta,
    "Locust FastHttpUser": _locust("Fast"),
    "Locust HttpUser": _locust("Plain"),
}


def program(name: str) -> str:
    """Where a peer's program is, built first where Go can; '' and words on stderr where it isn't."""
    if name.startswith("Locust"):
        return sys.executable
    folder = cache_folder(os.environ) / "peers"
    found = shutil.which(name) or shutil.which(name, path=str(folder))
    if not found and name in GO_MODULES and (go := shutil.which("go")):
        sys.stderr.write(f"building {name} once, into {folder}\n")
        environment = {**os.environ, "GOBIN": str(folder), "GOFLAGS": "-buildvcs=false"}
        subprocess.run([go, "install", GO_MODULES[name]], env=environment, check=False, stdout=subprocess.DEVNULL)
        found = shutil.which(name, path=str(folder))
    if not found:
        cure = f"go install {GO_MODULES[name]}" if name in GO_MODULES else f"apt-get install {name}"
        sys.stderr.write(f"SKIPPED {name}: not installed; cure: {cure}\n")
    return found or ""


def command_of(name: str, folder: Path, url: str, seconds: float) -> list[str]:
    """The whole command; its first word is the program that `program` found."""
    return [program(name), *PEERS[name](folder, url, seconds)[1:]]
