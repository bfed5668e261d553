"""The service under test as a subject: a child process of the harness, or one that runs already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.scenario.kinds import MapOf, key
from harness.scenario.leaves import COMMAND, POSITIVE_DURATION, VARIABLE, Text

READY = Text(pattern=r"https?://\S+|queue:[\w.-]+", meaning="URL such as http://127.0.0.1:{port}/health, or queue:NAME")
ORIGIN = Text(pattern=r"https?://[^\s/]+", meaning="URL such as http://127.0.0.1:{port}")


@dataclass(frozen=True, slots=True)
class Subject:
    """A service between the load and KATO. Without `command` it runs already; load goes to `url` where it has one.

    In `command`, `ready`, `url` and `env`, `{port}` is a free port of loopback and `{python}` our own interpreter.
    """

    command: str = key(COMMAND, "its command line; it runs in the folder of this file", default="")
    ready: str = key(READY, "answers 2xx, or queue:NAME has a consumer, once it is up", default="")
    url: str = key(ORIGIN, "where load goes; default: the origin of ready", default="")
    within: float = key(POSITIVE_DURATION, "how long it may take to be ready (s)", default=30.0)
    env: Mapping[str, str] = key(MapOf(VARIABLE), "variables of its environment, over ours", factory=dict)

    @property
    def asked(self) -> bool:
        """Whether there is a subject at all."""
        return bool(self.command or self.ready or self.url)

    @property
    def origin(self) -> str:
        """Where load goes, placeholders unresolved; empty for a service that is not asked over HTTP."""
        if self.url:
            return self.url
        return "/".join(self.ready.split("/")[:3]) if self.ready.startswith("http") else ""
