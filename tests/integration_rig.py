"""The built-in clients before a KATO whose answers a test dictates: fixtures, and which clients keep what."""

from __future__ import annotations

import asyncio
import gc
import inspect
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from loopback import Attempts, Server

from harness.integrations import REGISTRY, build, is_async
from harness.load import hooks
from harness.load.outcomes import classify, shape
from harness.policy import scaled

SCALE = 0.04
"""The guide's 10 s are 0.4 s here."""
SLACK_S = 0.25
"""laws.md, "Evidence": ε."""

PATIENT = {"read": 2.0, "total": 4.0}

EVENT = {"strings": ["view:1"], "vectors": [], "emotives": {}}


class Blocking:
    """An async integration with `def` methods, on a loop of its own."""

    def __init__(self, integration: Any) -> None:
        self._integration = integration
        self._runner = asyncio.Runner()
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._integration, name)
        if not is_async(found):
            return found
        return lambda *args: self._runner.run(found(*args))

    def close(self) -> None:
        self._runner.run(self._integration.close())
        self._runner.close()
        with warnings.catch_warnings():
            # what guide-httpx leaves open is collected here, not in somebody else's test
            warnings.simplefilter("ignore", ResourceWarning)
            del self._integration
            gc.collect()


Make = Callable[..., Any]


@pytest.fixture
def kato() -> Iterator[Server]:
    with Server() as server:
        yield server


@pytest.fixture
def attempts() -> Iterator[Attempts]:
    recorder = Attempts()
    yield recorder
    hooks.uninstall()


@pytest.fixture
def make(kato: Server, attempts: Attempts) -> Iterator[Make]:
    made: list[Any] = []

    def make(name: str, url: str = "", scale: float = SCALE, **changes: Any) -> Any:
        policy = scaled(REGISTRY[name].policy, scale)
        for key, value in changes.items():
            policy[key] = policy.get(key, {}) | value
        context = {"policy": policy, "headers": {"x-team": "tests"}, "seed": 1, "recorder": attempts}
        integration = build(REGISTRY[name], url or kato.url, context)
        hooks.install(attempts)
        made.append(Blocking(integration) if inspect.iscoroutinefunction(integration.observe) else integration)
        return made[-1]

    yield make
    for integration in made:
        integration.close()


def outcome_of(function: Callable[..., Any], *arguments: Any) -> tuple[str, str]:
    """Outcome and error word of one call; the result's shape where it gave one."""
    try:
        return "ok", shape(function(*arguments))
    except Exception as error:  # noqa: BLE001 - that is what is asked
        failure = classify(error)
        return failure.outcome, failure.error


DIRECT = [name for name in REGISTRY if not name.endswith(("consul", "dns", "shop", "chatbot", "front"))]
"""Those that speak to the URL given and answer as KATO does; who asks a registry or watches a name has tests of its
own, and so have services with answers of their own (test_service_patterns)."""
FIXED = [name for name in DIRECT if not name.startswith("guide")]
RETRYING = ["fixed-otel", "fixed-tenacity", "reference"]
BREAKING = ["fixed-pybreaker", "reference"]
leaky = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
"""guide-httpx leaves its clients to the garbage collector, whenever that comes."""
each = pytest.mark.parametrize("name", [pytest.param(n, marks=leaky) if n == "guide-httpx" else n for n in DIRECT])
each_fixed = pytest.mark.parametrize("name", FIXED)
each_retrying = pytest.mark.parametrize("name", RETRYING)
each_breaking = pytest.mark.parametrize("name", BREAKING)
