"""What the locustfiles share: one integration for all users of a process, and calls that Locust's statistics show.

`--integration NAME` (or KATO_INTEGRATION) names a built-in client that runs on gevent, or file.py:factory of one;
`--scale` multiplies its durations (0.1: the guide's 10 s are 1 s). The host is KATO's address.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable
from typing import Any

from locust import User, events

from harness.errors import UsageError
from harness.integrations import build, is_async, resolve
from harness.load.outcomes import classify
from harness.policy import scaled

_numbers = itertools.count()
_made: dict[str, Any] = {}


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]
def _options(parser: Any) -> None:
    parser.add_argument("--integration", default="reference", env_var="KATO_INTEGRATION", help="The KATO client.")
    parser.add_argument("--scale", type=float, default=1.0, env_var="KATO_SCALE", help="Factor on its durations.")


def integration_of(environment: Any) -> Any:
    """The process's one integration, made on first use; ends the process with words where it can't be made."""
    host, options = environment.host, environment.parsed_options
    if host not in _made:
        try:
            entry = resolve(options.integration)
            made = build(entry, host, {"policy": scaled(entry.policy, options.scale), "scale": options.scale})
            if is_async(made.observe):
                raise UsageError(f"{entry.name} is async", "drive it with `kato-harness run --integration …`")
        except UsageError as error:
            raise SystemExit(str(error)) from None
        _made[host] = made
    return _made[host]


class KatoUser(User):
    """A user with a KATO session and node of its own."""

    abstract = True

    def on_start(self) -> None:
        """Open the session; where the client owns its sessions, the user's id stands for it."""
        node = f"kh-{os.getpid()}-{next(_numbers)}"
        self.kato = integration_of(self.environment)
        self.session = self.call("open_session", node) if hasattr(self.kato, "open_session") else node

    def call(self, name: str, *arguments: Any) -> Any:
        """Call the integration and report it: a fallback is a failure here. None where it failed."""
        function: Callable[..., Any] = getattr(self.kato, name)
        start, result, failure = time.monotonic(), None, None
        try:
            result = function(*arguments)
            if getattr(self.kato, "degraded", lambda _: False)(result):
                failure = Exception("degraded")
        except Exception as error:  # noqa: BLE001 - whatever the client raises is its answer
            failure = Exception("{0.outcome} {0.error}".format(classify(error)))
        response_ms = (time.monotonic() - start) * 1e3
        self.environment.events.request.fire(
            request_type="KATO", name=name, response_time=response_ms, response_length=0, exception=failure, context={}
        )
        return result
