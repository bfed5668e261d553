"""What stands between the client and KATO: replicas and who balances them, a mesh's sidecar, a registry, stores."""

# ruff: noqa: RUF009 - `key` makes a dataclass field, as `dataclasses.field` does
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.scenario.kinds import Either, ListOf, MapOf, Record, key
from harness.scenario.leaves import PATH, POSITIVE_DURATION, TEXT, Text, choice, integer

MAX_REPLICAS = 64
ADDRESS = Text(pattern=r"[\w.\[\]:-]+:\d{1,5}", meaning="HOST:PORT")
PROXY = Text(pattern=r"auto|[\w.\[\]:-]+:\d{1,5}", meaning="auto or HOST:PORT")
Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Discovery:
    """How the client finds the instances: by itself (none), by asking Consul, or by a DNS name.

    Its times are those of the integration guide; a run with scale shortens them like the client's own.
    """

    kind: str = key(choice("none", "consul", "dns"), "who is asked for addresses", default="none")
    address: str = key(
        choice("service", "node"), "node: Service.Address is empty, so that Node.Address counts", default="service"
    )
    path: str = key(TEXT, "what Consul's check asks each instance for", default="/health")
    interval: float = key(POSITIVE_DURATION, "from one check to the next (s)", default=10.0)
    timeout: float = key(POSITIVE_DURATION, "a check's time-out (s)", default=2.0)
    ttl: float = key(POSITIVE_DURATION, "how long a DNS answer may be kept (s)", default=5.0)


@dataclass(frozen=True, slots=True)
class StoreAt:
    """Toxiproxy before a store of a KATO that we didn't start: a proxy that is there, or one made for the run."""

    proxy: str = key(PROXY, "auto (all proxies that lead to it), or host:port where one listens", default="auto")
    listen: str = key(ADDRESS, "host:port where KATO dials the store, for a proxy of the run's own", default="")
    upstream: str = key(ADDRESS, "host:port of the store itself, with listen", default="")


@dataclass(frozen=True, slots=True)
class Broker:
    """A message broker between load and subject; the names of its queues are what the subject calls them."""

    kind: str = key(choice("none", "rabbitmq"), "a real RabbitMQ of our own", default="none")
    heartbeat: float = key(POSITIVE_DURATION, "what it offers to its clients, in whole seconds (s)", default=60.0)
    queue: str = key(TEXT, "where messages are published", default="observations")
    outputs: str = key(TEXT, "where the subject publishes predictions", default="predictions")
    dead: str = key(TEXT, "where it puts dead letters", default="observations.dead")


@dataclass(frozen=True, slots=True)
class Probes:
    """What an orchestrator asks the subject, else KATO, beside the load; times as they are, never scaled."""

    readiness: str = key(TEXT, "a path, or tcp: a connection is enough", default="")
    liveness: str = key(TEXT, "a path, or tcp", default="")
    period: float = key(POSITIVE_DURATION, "from one probe to the next (s)", default=1.0)
    timeout: float = key(POSITIVE_DURATION, "how long an answer may take (s)", default=1.0)
    failures: int = key(integer(1, 100), "in a row restart a pod, or take it out", default=3)


@dataclass(frozen=True, slots=True)
class Topology:
    """What stands between the client and KATO. `replicas` None: as many as the mesh's files say, else one."""

    replicas: int | tuple[Labels, ...] | None = key(
        Either(scalar=integer(1, MAX_REPLICAS), list=ListOf(MapOf(TEXT), 1)),
        "instances of KATO: a number, or the labels of each",
        default=None,
    )
    balance: str = key(
        choice("round_robin", "session_hash", "least_pending", "first"),
        "who gets a request, where neither mesh nor registry decides",
        default="round_robin",
    )
    mesh: Mapping[str, tuple[str, ...]] = key(
        MapOf(ListOf(PATH, 1), ("istio",), 1), "mesh policy in front of the client", factory=dict
    )
    discovery: Discovery = key(Record(Discovery, short="kind"), "how the client finds KATO", factory=Discovery)
    broker: Broker = key(Record(Broker, short="kind"), "who carries messages to the subject", factory=Broker)
    probes: Probes = key(Record(Probes), "an orchestrator's readiness and liveness", factory=Probes)
    collector: str = key(
        choice("none", "otlp"), "otlp: the client is told of an OTLP collector of ours (`collector`)", default="none"
    )
    stores: Mapping[str, StoreAt] = key(
        MapOf(Record(StoreAt, short="proxy"), ("redis", "clickhouse", "qdrant")),
        "Toxiproxy before the stores of a KATO that we didn't start",
        factory=dict,
    )

    @property
    def count(self) -> int | None:
        """How many instances the file asks for; None where it leaves that to the mesh's files."""
        if isinstance(self.replicas, tuple):
            return len(self.replicas)
        return self.replicas if self.replicas is not None or self.mesh else 1
