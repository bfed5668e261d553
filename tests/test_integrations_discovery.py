"""Clients that ask a registry first: the guide's, corrected ones, and what those are made of."""

from __future__ import annotations

import itertools
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from loopback import Attempts, Server

from harness.discovery import ConsulStandIn, Instance, StubResolver, register
from harness.errors import UsageError
from harness.integrations import REGISTRY, build
from harness.integrations.members import Address, Members, NoInstanceError
from harness.load import hooks
from harness.load.hooks import names
from harness.policy import scaled

SCALE = 0.1
EVENT = {"strings": ["view:1"], "vectors": [], "emotives": {}}
NEVER_S = 30.0
"""A deadline that only a broken test reaches."""


def until(holds: Callable[[], bool]) -> None:
    """Wait for what another thread does."""
    deadline = time.monotonic() + NEVER_S
    while not holds():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.005)


class Told:
    """A registry that a test dictates: each answer is a list of addresses or an error; the last one stays."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked = 0

    def __call__(self) -> list[Address]:
        self.asked += 1
        told = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(told, Exception):
            raise told
        return list(told)


A, B, C = ("10.0.0.1", 80), ("10.0.0.2", 80), ("10.0.0.3", 80)


@pytest.fixture
def members() -> Iterator[Callable[..., Members]]:
    """Members that look where a test says, with the addresses that are gone in `gone`."""
    started: list[Members] = []

    def make(told: Told, gone: list[Address] | None = None) -> Members:
        started.append(Members(told, 0.001, (gone if gone is not None else []).append))
        started[-1].start()
        return started[-1]

    yield make
    for each in started:
        each.stop()


class TestMembers:
    """The last good answer of a registry."""

    def test_takes_turns(self, members: Callable[..., Members]) -> None:
        known = members(Told([A, B, C]))
        first = [known.in_turn(NEVER_S)[0] for _ in range(9)]
        assert {address: first.count(address) for address in (A, B, C)} == {A: 3, B: 3, C: 3}
        assert all(one != other for one, other in itertools.pairwise(first))

    def test_names_all_of_them_each_time(self, members: Callable[..., Members]) -> None:
        """For the call that finds its first choice closed."""
        assert set(members(Told([A, B, C])).in_turn(NEVER_S)) == {A, B, C}

    def test_one_that_refused_comes_last_for_a_while(self, members: Callable[..., Members]) -> None:
        known = members(Told([A, B, C]))
        known.in_turn(NEVER_S)
        known.refused(B)
        assert {known.in_turn(NEVER_S)[-1] for _ in range(6)} == {B}

    @pytest.mark.parametrize("trouble", [OSError("gone"), [], ValueError("nonsense")])
    def test_the_last_good_answer_holds_whatever_the_registry_does(
        self, trouble: Any, members: Callable[..., Members]
    ) -> None:
        told = Told([A, B], trouble)
        known = members(told)
        until(lambda: told.asked >= 3)
        assert set(known.in_turn(0.0)) == {A, B}

    def test_who_is_gone_is_told_of_once(self, members: Callable[..., Members]) -> None:
        gone: list[Address] = []
        told = Told([A, B], [B, C])
        known = members(told, gone)
        until(lambda: told.asked >= 3)
        assert (gone, set(known.in_turn(0.0))) == ([A], {B, C})

    def test_without_any_answer_there_is_nobody(self, members: Callable[..., Members]) -> None:
        with pytest.raises(NoInstanceError):
            members(Told(OSError("gone"))).in_turn(0.01)


@pytest.fixture
def attempts() -> Iterator[Attempts]:
    recorder = Attempts()
    yield recorder
    hooks.uninstall()


Make = Callable[..., Any]


@pytest.fixture
def make(attempts: Attempts) -> Iterator[Make]:
    """Built-in clients with the harness's hooks, as in a run."""
    with ExitStack() as open_ones:

        def make(name: str, base_url: str = "http://unused.invalid", **context: Any) -> Any:
            policy = scaled(REGISTRY[name].policy, SCALE)
            told = {"policy": policy, "headers": {"x-team": "tests"}, "scale": SCALE, "recorder": attempts, **context}
            client = build(REGISTRY[name], base_url, told)
            hooks.install(attempts)
            open_ones.callback(client.close)
            return client

        yield make


@pytest.fixture
def katos() -> Iterator[list[Server]]:
    with ExitStack() as running:
        yield [running.enter_context(Server()) for _ in range(3)]


@pytest.fixture
def agent(katos: list[Server]) -> Iterator[ConsulStandIn]:
    """An agent that knows them all."""
    found = ConsulStandIn("127.0.0.1")
    for number, kato in enumerate(katos):
        register(found.url, Instance(f"kato-{number}", "kato", "127.0.0.1", kato.port))
    yield found
    found.stop()


def served(katos: list[Server]) -> list[int]:
    return [len(kato.seen) for kato in katos]


def nobody_listens() -> int:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        return int(closed.getsockname()[1])


CONSUL = ["guide-consul", "fixed-consul"]


@pytest.mark.sockets
class TestConsul:
    """The guide's pattern and the corrected one."""

    @pytest.fixture(autouse=True)
    def _library(self) -> None:
        pytest.importorskip("consul", reason="py-consul is not installed: pip install 'kato-harness[mesh]'")

    @pytest.mark.parametrize("name", CONSUL)
    def test_a_healthy_kato_is_served(self, name: str, make: Make, katos: list[Server], agent: ConsulStandIn) -> None:
        client = make(name, registry=agent.url)
        session = client.open_session("kh-1")
        assert client.observe(session, EVENT)["status"] == "okay"
        assert client.predict(session)["predictions"] == []
        assert {seen.headers["x-team"] for kato in katos for seen in kato.seen} == {"tests"}

    @pytest.mark.parametrize(("name", "spread"), [("guide-consul", [9, 0, 0]), ("fixed-consul", [3, 3, 3])])
    def test_who_takes_turns(
        self, name: str, spread: list[int], make: Make, katos: list[Server], agent: ConsulStandIn
    ) -> None:
        """What the guide calls round robin is the first of the list."""
        client = make(name, registry=agent.url)
        if name == "fixed-consul":
            until(lambda: len(client.members.in_turn(NEVER_S)) == 3)
        for _ in range(9):
            client.predict("s")
        assert sorted(served(katos), reverse=True) == spread

    @pytest.mark.parametrize("mode", ["missing", "error"])
    @pytest.mark.parametrize("name", CONSUL)
    def test_without_the_registry_the_corrected_one_goes_on(
        self, name: str, mode: str, make: Make, katos: list[Server], agent: ConsulStandIn
    ) -> None:
        client = make(name, registry=agent.url)
        client.predict("s")
        agent.misbehave(mode)
        if name == "fixed-consul":
            assert client.predict("s")["predictions"] == []
        else:
            with pytest.raises(Exception, match=r"No healthy|500"):
                client.predict("s")

    @pytest.mark.parametrize("name", CONSUL)
    def test_an_empty_service_address_means_the_nodes(self, name: str, make: Make, katos: list[Server]) -> None:
        """consul#4599."""
        agent = ConsulStandIn("127.0.0.1")
        try:
            register(agent.url, Instance("kato-0", "kato", "", katos[0].port))
            client = make(name, registry=agent.url)
            if name == "fixed-consul":
                assert client.predict("s")["predictions"] == []
            else:
                with pytest.raises(Exception, match=r"[Nn]o host|Invalid URL"):
                    client.predict("s")
        finally:
            agent.stop()

    def test_a_call_goes_on_to_the_next_where_an_instance_refuses(self, make: Make, katos: list[Server]) -> None:
        """And only there: what may have arrived is not sent again."""
        agent = ConsulStandIn("127.0.0.1")
        try:
            register(agent.url, Instance("closed", "kato", "127.0.0.1", nobody_listens()))
            register(agent.url, Instance("kato-0", "kato", "127.0.0.1", katos[0].port))
            client = make("fixed-consul", registry=agent.url)
            until(lambda: len(client.members.in_turn(NEVER_S)) == 2)
            for _ in range(4):
                assert client.observe("s", EVENT)["status"] == "okay"
            katos[0].next("drop")
            with pytest.raises(Exception, match=r"(?i)closed|aborted|reset"):
                client.observe("s", EVENT)
            assert served(katos)[0] == 5
        finally:
            agent.stop()

    def test_a_deregistered_instance_is_left_with_its_connections(
        self, make: Make, katos: list[Server], agent: ConsulStandIn
    ) -> None:
        """By a blocking query: at once, not at the next poll."""
        client = make("fixed-consul", registry=agent.url)
        until(lambda: len(client.members.in_turn(NEVER_S)) == 3)
        for _ in range(6):
            client.predict("s")
        agent.catalog.deregister("kato-1")
        until(lambda: len(client.members.in_turn(NEVER_S)) == 2)
        before = served(katos)[1]
        for _ in range(6):
            client.predict("s")
        assert served(katos)[1] == before

    def test_look_ups_do_not_hammer_the_agent(self, make: Make, katos: list[Server], agent: ConsulStandIn) -> None:
        """An index of its own makes the second look-up wait for a change."""
        waits: list[int] = []
        wait = agent.catalog.wait
        agent.catalog.wait = lambda index, for_s: waits.append(index) or wait(index, for_s)  # type: ignore[method-assign,func-returns-value]
        make("fixed-consul", registry=agent.url)
        until(lambda: bool(waits))
        assert waits == [agent.catalog.index]

    @pytest.mark.parametrize("name", CONSUL)
    def test_without_a_registry_it_says_what_is_missing(self, name: str, make: Make) -> None:
        with pytest.raises(UsageError) as caught:
            make(name)
        assert "discovery: consul" in caught.value.cure


NAME = "kato.default.svc.cluster.local"


@pytest.fixture
def resolver() -> Iterator[StubResolver]:
    """The name is here; moved, it is where nobody listens."""
    found = StubResolver(NAME, ("127.0.0.1", "127.0.0.9"), ttl=1)
    yield found
    found.stop()


@pytest.fixture
def named(resolver: StubResolver, attempts: Attempts) -> None:
    names.install(resolver.address, "svc.cluster.local", 0.2)


@pytest.mark.sockets
@pytest.mark.usefixtures("named")
class TestNames:
    """`getaddrinfo` knows the stub's names, and clients that live by them."""

    def test_other_names_go_where_they_always_went(self) -> None:
        assert socket.getaddrinfo("127.0.0.1", 80)[0][4] == ("127.0.0.1", 80)

    def test_a_name_gives_what_getaddrinfo_gives(self) -> None:
        for host in (NAME, f"{NAME}.", NAME.encode()):
            found = socket.getaddrinfo(host, 8000, socket.AF_INET, socket.SOCK_STREAM)
            assert found == [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", 8000))]

    @pytest.mark.parametrize(
        ("mode", "number"),
        [("missing", socket.EAI_NONAME), ("error", socket.EAI_AGAIN), ("slow", socket.EAI_AGAIN)],
    )
    def test_a_failure_is_the_resolvers_own(self, resolver: StubResolver, mode: str, number: int) -> None:
        resolver.misbehave(mode, 5.0)
        with pytest.raises(socket.gaierror) as caught:
            socket.getaddrinfo(NAME, 8000)
        assert caught.value.errno == number

    @pytest.mark.parametrize("name", ["guide-requests", "fixed-requests", "fixed-dns"])
    def test_a_client_by_name_is_served(self, name: str, make: Make, katos: list[Server]) -> None:
        client = make(name, f"http://{NAME}:{katos[0].port}")
        assert client.observe("s", EVENT)["status"] == "okay"

    def test_the_guides_client_stays_with_an_address_that_its_name_no_longer_has(
        self, resolver: StubResolver, make: Make, katos: list[Server]
    ) -> None:
        client = make("guide-requests", f"http://{NAME}:{katos[0].port}")
        client.predict("s")
        resolver.misbehave("moved")
        client.predict("s")
        assert (served(katos)[0], katos[0].connections) == (2, 1)

    def test_the_corrected_one_leaves_it(self, resolver: StubResolver, make: Make, katos: list[Server]) -> None:
        client = make("fixed-dns", f"http://{NAME}:{katos[0].port}")
        client.predict("s")
        resolver.misbehave("moved")
        until(lambda: client.members.in_turn(NEVER_S) == (("127.0.0.9", katos[0].port),))
        with pytest.raises(Exception, match=r"(?i)refused"):
            client.predict("s")
        assert served(katos)[0] == 1

    @pytest.mark.parametrize("mode", ["missing", "error"])
    def test_the_corrected_one_goes_on_without_an_answer(
        self, resolver: StubResolver, mode: str, make: Make, katos: list[Server]
    ) -> None:
        client = make("fixed-dns", f"http://{NAME}:{katos[0].port}")
        client.predict("s")
        resolver.misbehave(mode)
        assert client.predict("s")["predictions"] == []
