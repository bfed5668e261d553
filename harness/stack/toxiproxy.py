"""Find Toxiproxy 2.12 (TOXIPROXY_URL, PATH, the cache, else build it once) and start a server of our own.

python -m harness.stack.toxiproxy       makes sure that it is there; exit code 7 where it can't be had
"""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessError, PartMissing
from harness.stack import process
from harness.stack.gobuild import BuildError, build
from harness.stack.ports import free_port

VERSION = "2.12.0"
SERIES = "2.12."
PROGRAM = "toxiproxy-server"
READY_WITHIN_S = 5.0
ANSWER_WITHIN_S = 3.0
START_TRIES = 3

CURE = f"""have Toxiproxy {VERSION} in one of three ways, then run this again:
    1. start one yourself and name it: TOXIPROXY_URL=http://127.0.0.1:8474
    2. put its program on PATH, named {PROGRAM}
    3. have Go 1.23 or later, or pip with access to a package index, so that it can be built once"""


@dataclass(slots=True)
class Server:
    """A Toxiproxy that answers: its URL, and our child that runs it (None: somebody else's, never restarted)."""

    url: str
    program: Path | None = None
    child: process.Child | None = None

    def restart(self) -> None:
        """Kill our server, whatever state it is in, and start it anew at the same URL, without proxies."""
        assert self.program is not None
        assert self.child is not None
        process.stop(self.child, grace_s=0.0)
        self.child = _start_at(self.program, self.url, self.child.log)

    def stop(self) -> None:
        """End the server if it is ours."""
        if self.child is not None:
            process.stop(self.child)


def start(log: Path, environment: Mapping[str, str] = os.environ) -> Server:
    """A Toxiproxy that answers: the one at TOXIPROXY_URL, else our own on a free loopback port (20 ms).

    Raises PartMissing, with the cure, when none can be had.
    """
    url = environment.get("TOXIPROXY_URL")
    if url:
        return Server(checked(url))
    program = find(environment)
    for _ in range(START_TRIES - 1):
        try:
            return _start_once(program, log)
        except PartMissing:
            continue  # somebody took the port between our look and the server's bind
    return _start_once(program, log)


def _start_once(program: Path, log: Path) -> Server:
    url = f"http://127.0.0.1:{free_port()}"
    return Server(url, program, _start_at(program, url, log))


def _start_at(program: Path, url: str, log: Path) -> process.Child:
    host, _, port = url.removeprefix("http://").partition(":")
    child = process.start("Toxiproxy", [str(program), "-host", host, "-port", port], log)
    process.prefer(child)
    try:
        process.wait_until(child, lambda: version_at(url) is not None, READY_WITHIN_S)
    except PartMissing:
        process.stop(child)
        raise
    return child


def find(environment: Mapping[str, str] = os.environ, make: Callable[[str, Path], None] = build) -> Path:
    """The program: on PATH, in the cache, else built into the cache. Raises PartMissing naming all that was tried."""
    tried = []
    on_path = shutil.which(PROGRAM, path=environment.get("PATH"))
    if on_path:
        if (found := program_version(Path(on_path))).startswith(SERIES):
            return Path(on_path)
        tried.append(f"{on_path} is version {found or 'unknown'}, not {VERSION}")
    else:
        tried.append(f"no {PROGRAM} on PATH")
    cached = cache_folder(environment) / f"toxiproxy-{VERSION}" / PROGRAM
    if cached.exists() and program_version(cached).startswith(SERIES):
        return cached
    tried.append(f"no working program at {cached}")
    sys.stderr.write(f"building Toxiproxy {VERSION} once, into {cached} (about 30 s)\n")
    try:
        make(VERSION, cached)
    except (BuildError, OSError) as error:
        tried.append(f"building it with Go failed: {error}")
        raise PartMissing("Toxiproxy is missing. Tried:\n    " + "\n    ".join(tried), CURE) from error
    return cached


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Where the built program is kept (XDG Base Directory Specification: XDG_CACHE_HOME, else ~/.cache)."""
    base = environment.get("XDG_CACHE_HOME") or Path(environment.get("HOME", Path.home())) / ".cache"
    return Path(base) / "kato-harness"


def program_version(program: Path) -> str:
    """What `PROGRAM -version` says, like "2.12.0"; empty when it says nothing of the kind."""
    try:
        said = subprocess.run([program, "-version"], capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.search(r"version (\S+)", said)
    return found[1] if found else ""


def checked(url: str) -> str:
    """`url` without a trailing slash, when a Toxiproxy 2.12 answers there; raises PartMissing otherwise."""
    found = version_at(url)
    if found is None:
        raise PartMissing(f"TOXIPROXY_URL={url} is not answered by a Toxiproxy", f"correct or unset it, or {CURE}")
    if not found.startswith(SERIES):
        raise PartMissing(f"TOXIPROXY_URL={url} is Toxiproxy {found}, not {VERSION}", f"unset it, or {CURE}")
    return url.rstrip("/")


def version_at(url: str) -> str | None:
    """The version that `GET /version` tells, None when what answers (if anything) is no Toxiproxy."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url.rstrip("/") + "/version", timeout=ANSWER_WITHIN_S) as reply:
            said = json.loads(reply.read(1_000))
    except (OSError, ValueError, http.client.HTTPException):
        return None
    version = said.get("version") if isinstance(said, dict) else None
    return version if isinstance(version, str) else None


def main() -> int:
    """Make sure that a Toxiproxy is there."""
    try:
        url = os.environ.get("TOXIPROXY_URL")
        if url:
            checked(url)
        else:
            find()
    except HarnessError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
