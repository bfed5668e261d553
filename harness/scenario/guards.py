"""What a run may touch: hosts, writes on a KATO that isn't ours, and what is marked destructive."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from harness.errors import UsageError
from harness.faults import KINDS
from harness.scenario.secrets import reveal
from harness.scenario.types import Scenario


def check_permissions(
    scenario: Scenario, *, targets: Collection[str] = (), destructive: bool = False, writes: bool = False
) -> None:
    """Raise UsageError for what the scenario may not do without a word more.

    `targets`, `destructive` and `writes` are --allow-target, --allow-destructive and --allow-writes.
    """
    allowed = {*scenario.guards.allow_target, *targets}
    if scenario.subject.origin and not scenario.subject.command:
        _check_host(host_of(reveal(scenario.subject.origin)), allowed)
    if not scenario.target.embedded:
        _check_host(host_of(str(reveal(scenario.target.origin)).replace("{port}", "0")), allowed)
        if scenario.load.mix.get("learn") and not writes:
            raise UsageError(
                "learn writes patterns that stay on a KATO that we didn't start",
                "--allow-writes, or leave learn out of load.mix",
            )
    marked = destructive_parts(scenario)
    if marked and not destructive:
        raise UsageError(
            f"marked destructive: {', '.join(marked)}", "--allow-destructive, on a target that may be harmed"
        )


def _check_host(host: str, allowed: Collection[str]) -> None:
    if not loopback(host) and host not in allowed:
        cure = f"--allow-target {host}, or guards: {{allow_target: [{host}]}}"
        raise UsageError(f"{host} is not a target that may be loaded", cure)


def destructive_parts(scenario: Scenario) -> tuple[str, ...]:
    """The scenario itself and the faults that need --allow-destructive.

    A kind that is destructive by nature is harmless on a KATO that the harness starts and throws away.
    """
    ours = scenario.target.embedded
    faults = [
        fault.name
        for fault in scenario.faults
        if fault.destructive or (KINDS[fault.kind].destructive and (not ours or fault.kind == "external"))
    ]
    return (*(("the scenario",) if scenario.destructive else ()), *faults)


def host_of(url: str) -> str:
    """The host of a URL; raises UsageError when it has none, or a port that can't be."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"{url} is no URL: {error}", "write http://HOST:PORT") from None
    if not host:
        raise UsageError("the target's URL names no host", "write http://HOST:PORT")
    return host


def loopback(host: str) -> bool:
    """True for this machine's own loopback: 127.0.0.0/8, ::1, localhost."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
