"""Faults of a registry: carried by stand-ins of ours, proved by looking, and refused where a real one tells no lies."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.discovery import StubResolver
from harness.errors import PartMissing, UsageError
from harness.faults import KINDS, Probe
from harness.inject.registry import RegistryPlane, dns_look
from harness.model import Fault
from harness.stack import consul

MODES = ("missing", "error", "slow", "moved")


class StandIn:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, float]] = []

    def misbehave(self, mode: str, slow_s: float = 0.0) -> None:
        self.told.append((mode, slow_s))


def fault(mode: str, name: str = "f", **params: float) -> Fault:
    return Fault(name, "registry", 0, 10**9, {"mode": mode, **params})


def test_of_several_faults_the_one_that_began_last_acts() -> None:
    """And the earlier one again, once that is over."""
    registry = StandIn()
    plane, late, missing = RegistryPlane(registry, MODES), fault("slow", "late", slow=0.5), fault("missing")
    plane.apply(late)
    plane.apply(missing)
    plane.clear(missing)
    plane.clear(late)
    plane.clear(late)
    assert [mode for mode, _ in registry.told] == ["slow", "missing", "slow", ""]
    assert registry.told[0] == ("slow", 0.5)


@pytest.mark.parametrize(("plane", "mode", "cure"), [
    (RegistryPlane(None, ()), "missing", "part: registry"),
    (RegistryPlane(StandIn(), ("missing", "error")), "moved", "missing, error"),
])  # fmt: skip
def test_what_a_registry_cannot_do_is_refused_with_what_it_can(plane: RegistryPlane, mode: str, cure: str) -> None:
    """A real Consul tells no lies, and Consul's stand-in does not move."""
    with pytest.raises(UsageError) as caught:
        plane.apply(fault(mode))
    assert cure in caught.value.cure


@pytest.fixture
def resolver() -> Iterator[StubResolver]:
    found = StubResolver("kato.test", ("127.0.0.2", "127.0.0.3"), ttl=1)
    yield found
    found.stop()


def look(resolver: StubResolver, within_s: float = 30.0) -> Probe:
    return dns_look(resolver.address, "kato.test", ("127.0.0.2",), time.monotonic_ns, within_s)


@pytest.mark.sockets
@pytest.mark.parametrize("planned", [fault("missing"), fault("error"), fault("slow", slow=0.1), fault("moved")])
def test_each_mode_is_proved_while_it_acts_and_not_before_or_after(resolver: StubResolver, planned: Fault) -> None:
    kind, plane = KINDS["registry"], RegistryPlane(resolver, MODES)
    params = kind.complete(planned.params)
    assert not kind.effective(params, [look(resolver)])
    plane.apply(planned)
    assert kind.effective(params, [look(resolver)])
    plane.clear(planned)
    assert not kind.effective(params, [look(resolver)])


@pytest.mark.sockets
def test_a_resolver_that_is_gone_is_a_probe_too(resolver: StubResolver) -> None:
    resolver.misbehave("slow", 5.0)
    assert look(resolver, 0.05).outcome == "read_timeout"


SCRIPT = "#!/bin/sh\necho '{}'\n"


@pytest.mark.parametrize(("said", "version"), [("Consul v1.20.1", "1.20.1"), ("no such thing", "unknown")])
def test_the_version_of_a_real_consul_is_what_it_says(said: str, version: str, tmp_path: Path) -> None:
    program = tmp_path / "consul"
    program.write_text(SCRIPT.format(said))
    program.chmod(0o755)
    assert consul.version_of(program) == version


@pytest.mark.sockets
def test_a_consul_that_does_not_come_up_is_named_with_its_last_words(tmp_path: Path) -> None:
    program = tmp_path / "consul"
    program.write_text(SCRIPT.format("Consul v1.20.1") + "exit 1\n")
    program.chmod(0o755)
    with pytest.raises(PartMissing) as caught:
        consul.start(program, tmp_path / "consul.log")
    assert "Consul" in caught.value.what
