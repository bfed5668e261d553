"""The catalogue, the stand-in agent and the stub resolver: what they know, and what they say when they misbehave."""

from __future__ import annotations

import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from harness.discovery import Check, ConsulStandIn, Instance, StubResolver, register
from harness.discovery.catalog import CRITICAL, PASSING, Catalog, registered, registration
from harness.discovery.consul import passes
from harness.dns import AAAA, NO_ERROR, NO_SUCH_NAME, SERVER_FAILURE, A, Question, ask, parse_answer
from harness.units import duration_s

NEVER_S = 30.0
"""A deadline that only a broken test reaches."""


def instance(
    number: int, address: str = "127.0.0.1", check: Check | None = None, tags: tuple[str, ...] = ("v3",)
) -> Instance:
    return Instance(f"kato-{number}", "kato", address, 8000 + number, tags, check)


CHECKED = Check("http://127.0.0.1:1/health", 10.0, 2.0)


def ids(entries: list[dict[str, Any]]) -> list[str]:
    return [entry["Service"]["ID"] for entry in entries]


class TestCatalog:
    """What an agent knows."""

    def test_instances_are_named_in_the_order_of_their_registration(self) -> None:
        """A real agent may shuffle its answers, which would make `instances[0]` look like a choice."""
        catalog = Catalog("10.0.0.1")
        for number in (2, 0, 1):
            catalog.register(instance(number))
        assert ids(catalog.health("kato", passing=True)) == ["kato-2", "kato-0", "kato-1"]
        assert catalog.health("other", passing=False) == []

    def test_one_with_a_check_is_critical_until_it_passes(self) -> None:
        catalog = Catalog("10.0.0.1")
        catalog.register(instance(0, check=CHECKED))
        assert catalog.health("kato", passing=True) == []
        assert catalog.health("kato", passing=False)[0]["Checks"][0]["Status"] == CRITICAL
        catalog.checked("kato-0", healthy=True)
        assert catalog.health("kato", passing=True)[0]["Checks"][0]["Status"] == PASSING

    def test_the_index_grows_with_changes_and_with_nothing_else(self) -> None:
        catalog = Catalog("10.0.0.1")
        catalog.register(instance(0, check=CHECKED), PASSING)
        before = catalog.index
        catalog.checked("kato-0", healthy=True)
        catalog.deregister("nobody")
        catalog.checked("nobody", healthy=False)
        assert catalog.index == before
        catalog.checked("kato-0", healthy=False)
        assert catalog.index == before + 1

    def test_a_node_has_an_address_where_the_service_has_none(self) -> None:
        """consul#4599: Service.Address stays empty."""
        catalog = Catalog("10.0.0.1")
        catalog.register(instance(0, address=""))
        (entry,) = catalog.health("kato", passing=True)
        assert (entry["Service"]["Address"], entry["Node"]["Address"]) == ("", "10.0.0.1")

    def test_who_fails_for_too_long_is_forgotten(self) -> None:
        """DeregisterCriticalServiceAfter."""
        catalog = Catalog("10.0.0.1")
        catalog.register(instance(0, check=Check("http://127.0.0.1:1/", 1.0, 1.0, deregister_after_s=1e-9)), PASSING)
        catalog.checked("kato-0", healthy=False)
        catalog.checked("kato-0", healthy=False)
        assert catalog.instances() == ()

    @pytest.mark.parametrize("checked", [None, CHECKED])
    def test_what_is_registered_is_what_was_sent(self, checked: Check | None) -> None:
        told = instance(1, check=checked)
        assert registered(registration(told), duration_s) == (told, PASSING)

    @pytest.mark.parametrize("body", [{}, {"Name": ""}, {"Name": "kato", "Port": "many"}, {"Name": 3}])
    def test_a_registration_that_names_nobody_is_refused(self, body: dict[str, Any]) -> None:
        with pytest.raises((ValueError, TypeError)):
            registered(body, duration_s)

    def test_names_of_a_registration_count_without_regard_to_case(self) -> None:
        """As with the agent; the first check that asks over HTTP counts."""
        body = {"name": "kato", "PORT": 8000, "checks": [{"args": ["true"]}, {"HTTP": "http://x/", "interval": "3s"}]}
        found, status = registered(body, duration_s)
        assert (found.id, found.port, status) == ("kato", 8000, CRITICAL)
        assert found.check == Check("http://x/", 3.0, 10.0)


def until(holds: Callable[[], bool], within_s: float = NEVER_S) -> None:
    """Wait for what another thread does."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.005)


@pytest.fixture
def agent() -> Iterator[ConsulStandIn]:
    found = ConsulStandIn("127.0.0.1")
    yield found
    found.stop()


def get(agent: ConsulStandIn, path: str, method: str = "GET") -> tuple[int, Any, int]:
    """Status, body and index of an answer."""
    request = urllib.request.Request(f"{agent.url}{path}", method=method)
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(request, timeout=NEVER_S) as reply:
            raw, head = reply.read(), reply.headers
            return reply.status, json.loads(raw) if raw else None, int(head.get("x-consul-index") or 0)
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read()), 0


HEALTH = "/v1/health/service/kato?passing=1"


@pytest.mark.sockets
class TestAgent:
    """The HTTP endpoints that discovery uses."""

    def test_three_instances_live_through_their_registration(self, agent: ConsulStandIn) -> None:
        """Registered, found, one deregistered, found no more, and back again."""
        for number in range(3):
            register(agent.url, instance(number))
        assert ids(get(agent, HEALTH)[1]) == ["kato-0", "kato-1", "kato-2"]
        assert get(agent, "/v1/agent/service/deregister/kato-1", "PUT")[0] == 200
        assert ids(get(agent, HEALTH)[1]) == ["kato-0", "kato-2"]
        assert get(agent, "/v1/agent/service/deregister/kato-1", "PUT")[0] == 404
        register(agent.url, instance(1))
        assert ids(get(agent, HEALTH)[1]) == ["kato-0", "kato-2", "kato-1"]
        assert set(get(agent, "/v1/agent/services")[1]) == {"kato-0", "kato-1", "kato-2"}

    def test_a_blocking_query_returns_with_the_change(self, agent: ConsulStandIn) -> None:
        register(agent.url, instance(0))
        _, _, index = get(agent, HEALTH)
        found: list[tuple[int, Any, int]] = []
        asking = threading.Thread(target=lambda: found.append(get(agent, f"{HEALTH}&index={index}&wait=20s")))
        asking.start()
        register(agent.url, instance(1))
        asking.join(NEVER_S)
        ((_, entries, now),) = found
        assert ids(entries) == ["kato-0", "kato-1"]
        assert now > index

    def test_a_blocking_query_returns_without_a_change_when_its_wait_is_over(self, agent: ConsulStandIn) -> None:
        register(agent.url, instance(0))
        _, before, index = get(agent, HEALTH)
        assert get(agent, f"{HEALTH}&index={index}&wait=50ms")[1:] == (before, index)

    def test_a_dead_instance_fails_its_check_and_comes_back_with_it(self, agent: ConsulStandIn) -> None:
        """Checks are really made: here of the agent's own leader endpoint, and of a port where nobody listens."""
        alive = Check(f"{agent.url}/v1/status/leader", 0.05, NEVER_S)
        with socket.create_server(("127.0.0.1", 0)) as closed:
            gone = Check(f"http://127.0.0.1:{closed.getsockname()[1]}/health", 0.05, 1.0)
        register(agent.url, instance(0, check=alive))
        register(agent.url, instance(1, check=gone))
        until(lambda: ids(get(agent, HEALTH)[1]) == ["kato-0"])
        register(agent.url, instance(1, check=alive))
        until(lambda: ids(get(agent, HEALTH)[1]) == ["kato-0", "kato-1"])

    def test_a_check_looks_at_the_status_and_at_nothing_else(self, agent: ConsulStandIn) -> None:
        """Which is why KATO's /health, 200 with every store down, proves nothing."""
        assert passes(f"{agent.url}/v1/status/leader", NEVER_S)
        assert not passes(f"{agent.url}/v1/nothing", NEVER_S)

    def test_it_answers_wrongly_when_told_and_rightly_afterwards(self, agent: ConsulStandIn) -> None:
        register(agent.url, instance(0))
        agent.misbehave("missing")
        assert get(agent, HEALTH)[:2] == (200, [])
        agent.misbehave("error")
        assert get(agent, HEALTH)[0] == 500
        agent.misbehave("slow", 0.05)
        start = time.monotonic()
        assert ids(get(agent, HEALTH)[1]) == ["kato-0"]
        assert time.monotonic() - start >= 0.05
        agent.misbehave("")
        assert ids(get(agent, HEALTH)[1]) == ["kato-0"]

    def test_what_it_does_not_understand_it_refuses(self, agent: ConsulStandIn) -> None:
        request = urllib.request.Request(f"{agent.url}/v1/agent/service/register", b"{", method="PUT")
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request, timeout=NEVER_S)
        assert caught.value.code == 400
        caught.value.close()
        assert get(agent, "/v1/kv/x")[0] == 404

    def test_the_catalog_names_all_who_are_registered_whatever_their_checks_say(self, agent: ConsulStandIn) -> None:
        register(agent.url, instance(0))
        agent.catalog.register(instance(1, check=Check("http://127.0.0.1:9/health", 60, 1)))
        code, told, index = get(agent, "/v1/catalog/service/kato")
        assert (code, index) == (200, agent.catalog.index)
        assert [(each["ServiceID"], each["ServicePort"]) for each in told] == [
            (f"kato-{number}", instance(number).port) for number in range(2)
        ]
        assert all(each["Address"] == "127.0.0.1" for each in told)

    def test_only_those_with_every_asked_tag_are_named(self, agent: ConsulStandIn) -> None:
        register(agent.url, instance(0))
        register(agent.url, instance(1, tags=("v3", "canary")))
        assert ids(get(agent, f"{HEALTH}&tag=v3")[1]) == ["kato-0", "kato-1"]
        assert ids(get(agent, f"{HEALTH}&tag=v3&tag=canary")[1]) == ["kato-1"]

    def test_the_real_client_reads_it(self, agent: ConsulStandIn) -> None:
        """py-consul, which the clients under test use."""
        consul = pytest.importorskip("consul", reason="py-consul is not installed: pip install 'kato-harness[mesh]'")
        register(agent.url, instance(0, address=""))
        index, services = consul.Consul(host="127.0.0.1", port=agent.port).health.service("kato", passing=True)
        assert (int(index), ids(services)) == (agent.catalog.index, ["kato-0"])


@pytest.fixture
def resolver() -> Iterator[StubResolver]:
    found = StubResolver("kato.test", ("127.0.0.2", "127.0.0.3", "127.0.0.4"), ttl=5)
    yield found
    found.stop()


def resolved(resolver: StubResolver, name: str = "kato.test", kind: int = A) -> tuple[int, tuple[str, ...]]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(NEVER_S)
        sock.sendto(ask(Question(7, name, kind)), resolver.address)
        told = parse_answer(sock.recv(2048))
    return told.code, told.addresses


@pytest.mark.sockets
class TestResolver:
    """One name, and how it goes wrong."""

    def test_it_knows_one_name_and_its_ipv4_addresses(self, resolver: StubResolver) -> None:
        assert resolved(resolver) == (NO_ERROR, ("127.0.0.2", "127.0.0.3"))
        assert resolved(resolver, "KATO.test") == (NO_ERROR, ("127.0.0.2", "127.0.0.3"))
        assert resolved(resolver, kind=AAAA) == (NO_ERROR, ())
        assert resolved(resolver, "other.test") == (NO_SUCH_NAME, ())

    def test_a_moved_name_loses_its_first_address(self, resolver: StubResolver) -> None:
        resolver.misbehave("moved")
        assert resolved(resolver) == (NO_ERROR, ("127.0.0.3", "127.0.0.4"))
        resolver.misbehave("")
        assert resolved(resolver) == (NO_ERROR, ("127.0.0.2", "127.0.0.3"))

    def test_it_fails_when_told(self, resolver: StubResolver) -> None:
        resolver.misbehave("missing")
        assert resolved(resolver) == (NO_SUCH_NAME, ())
        resolver.misbehave("error")
        assert resolved(resolver) == (SERVER_FAILURE, ())
        resolver.misbehave("slow", 0.05)
        start = time.monotonic()
        assert resolved(resolver)[0] == NO_ERROR
        assert time.monotonic() - start >= 0.05

    def test_nonsense_goes_unanswered_and_does_no_harm(self, resolver: StubResolver) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"\x00", resolver.address)
        assert resolved(resolver)[0] == NO_ERROR
