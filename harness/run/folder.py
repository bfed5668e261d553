"""The run folder: where a run's evidence lies, and its manifest."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from harness import __version__
from harness.errors import UsageError

PACKAGES = ("locust", "gevent", "httpx", "pybreaker", "tenacity", "requests", "toxiproxy-python")


def default_folder(name: str) -> Path:
    """Where a run of that name goes when nobody says so."""
    return Path("reports") / "runs" / f"{time.strftime('%Y%m%d-%H%M%S')}-{name}-{os.getpid()}"


def make_folder(out: Path | None, name: str) -> Path:
    """A new empty run folder: `out` itself, else the default one. Raises UsageError when it can't be."""
    folder = out or default_folder(name)
    try:
        if folder.exists() and any(folder.iterdir()):
            raise UsageError(f"--out {folder} is not empty", "name a new folder; evidence is never overwritten")
        (folder / "spool").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"the run folder {folder} can't be made: {error.strerror}", "name another with --out"
        ) from error
    return folder.resolve()


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write JSON, whole or not at all (temporary file, then rename)."""
    beside = path.with_suffix(".part")
    beside.write_text(json.dumps(value, indent=1) + "\n")
    beside.replace(path)


@cache
def machine() -> Mapping[str, Any]:
    """Fingerprint of machine and versions, for honest comparison. The same as long as this process lives."""
    installed = {}
    for package in PACKAGES:
        try:
            installed[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            installed[package] = "missing"
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "processors": os.cpu_count(),
        "python": platform.python_version(),
        "harness": __version__,
        "packages": installed,
    }


def _processor() -> str:
    """The model of this machine's processor, where Linux tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
