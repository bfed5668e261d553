"""The machine and versions that a committed figure was taken with."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("locust", "gevent", "httpx", "httptools", "numpy", "pandas", "pyarrow", "matplotlib")


def described() -> dict[str, object]:
    """CPU, cores, memory, kernel, load of the last minute, and versions."""
    return {
        "cpu": _of("/proc/cpuinfo", "model name") or platform.processor(),
        "cores": os.cpu_count(),
        "memory": _of("/proc/meminfo", "MemTotal"),
        "kernel": platform.release(),
        "load_1min": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
    }


def _of(path: str, key: str) -> str:
    file = Path(path)
    lines = file.read_text().splitlines() if file.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "")
