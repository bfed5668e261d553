"""What KATO reads, serves and needs: the facts that manifests are held against (KATO 3.10.1, recorded and measured)."""

from __future__ import annotations

import difflib
import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

GET_PATHS = frozenset(
    [
        "/",
        "/health",
        "/status",
        "/metrics",
        "/stats",
        "/concurrency",
        "/connection-pools",
        "/cache/stats",
        "/distributed-stm/stats",
        "/sessions/count",
        "/symbols/stats",
        "/symbols/affinity",
        "/docs",
        "/redoc",
        "/openapi.json",
    ]
)
"""What answers a plain GET with 200; there is no /ready, /healthz or /live."""

WORKERS = 4
"""Worker processes that the image starts (KATO_WORKERS)."""
MIB_PER_WORKER = 128
"""Four workers take about 512 MiB before any work."""
CONNECTIONS_PER_WORKER = 100
"""KATO_LIMIT_CONCURRENCY counts open connections, idle ones too; the last one is refused."""
KEEP_ALIVE_S = 5
"""KATO closes an idle connection after this."""
GRACE_S = 30
"""KATO waits this long for requests in flight when it is told to stop."""
CLICKHOUSE_HTTP = 8123
"""KATO speaks ClickHouse's HTTP interface, never its native one (9000)."""

WITHOUT_EFFECT = {
    "REQUEST_TIMEOUT": "KATO reads it and has no request time-out at all",
    "MAX_REQUEST_SIZE": "KATO reads it and has no body limit at all",
}
_TRUTHS = frozenset(["true", "false", "1", "0", "yes", "no", "on", "off", "t", "f", "y", "n"])


@dataclass(frozen=True, slots=True)
class Setting:
    """An environment variable that KATO reads."""

    env: str
    kind: str
    default: object
    least: float | None
    most: float | None
    about: str

    def refuses(self, text: str) -> str:
        """Why KATO doesn't take `text` for this variable; "" when it does."""
        if words := re.findall(r"'([^']*)'", self.kind) if self.kind.startswith("Literal") else []:
            return "" if text in words else f"only {', '.join(words)} are taken, in this spelling"
        if "bool" in self.kind:
            return "" if text.lower() in _TRUTHS else "only true and false are taken"
        if "int" in self.kind:
            return self._number(text, r"[+-]?\d+", "a whole number")
        if "float" in self.kind or self.kind == "number":
            return self._number(text, r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", "a number")
        return ""

    def _number(self, text: str, form: str, words: str) -> str:
        if not re.fullmatch(form, text.strip()):
            return f"{words} is needed"
        value = float(text)
        if self.least is not None and value < self.least:
            return f"it must be at least {self.least:g}"
        return f"it must be at most {self.most:g}" if self.most is not None and value > self.most else ""


@functools.cache
def settings() -> Mapping[str, Setting]:
    """Every variable that KATO reads, by name in capitals."""
    rows = json.loads(files("harness.manifests").joinpath("settings.json").read_text(encoding="utf-8"))
    return {
        row["env"]: Setting(
            row["env"], row["type"], row["default"], row["range"].get("ge"), row["range"].get("le"), row["about"]
        )
        for row in rows
    }


def nearest_setting(name: str) -> str:
    """The variable that `name` was probably meant for; "" when none is near."""
    bare = name.upper().removeprefix("KATO_")
    if bare in settings():
        return bare
    starts = [known for known in settings() if known.startswith(f"{bare}_")]
    close = starts or difflib.get_close_matches(bare, settings(), n=1, cutoff=0.75)
    return close[0] if close else ""
