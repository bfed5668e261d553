"""The scenario's records: a field is a key of the file, with its kind, meaning and default (scenario.md, "Everything").

This is the one table of keys: reading and `schema` both come from it.
"""

# ruff: noqa: RUF009 - `key` makes a dataclass field, as `dataclasses.field` does
from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.data import GENERATORS
from harness.scenario.expr import Expr
from harness.scenario.expr import parse as parse_expression
from harness.scenario.faultkeys import FAULTS, FaultSpec
from harness.scenario.kinds import Anything, Either, ListOf, MapOf, Record, key
from harness.scenario.leaves import (
    AT_MOST,
    BOOLEAN,
    COMMAND,
    DATE,
    DURATION,
    EXPRESSION,
    PATH,
    POSITIVE_DURATION,
    POSITIVE_RATE,
    RATIO,
    TEXT,
    VARIABLE,
    Text,
    choice,
    integer,
    number,
)  # fmt: skip
from harness.scenario.nodes import Node, Where
from harness.scenario.policykeys import POLICY
from harness.scenario.special import ABORT, FORMAT, HEALTH, LAW, PROFILE, SLO, STAGES, TARGET_URL, USE, StageSpec
from harness.scenario.subject import Subject
from harness.scenario.topology import Topology

NODE_PREFIX = "kh-"
MAX_NODES = 80
"""A KATO worker keeps 100 nodes and evicting one deletes its vectors (scenario.md); 80 leaves room for others."""


@dataclass(frozen=True, slots=True)
class Twin:
    """A custom service-time profile of the embedded KATO: `workers` 0 is parallel (no queue)."""

    service: float = key(DURATION, "service time of every call (s)", default=0.0)
    workers: str | int = key(
        Text(pattern=r"parallel|[1-9]\d{0,2}", meaning="number of serial workers, or parallel"),
        "parallel, or so many serial workers",
        default="parallel",
    )


@dataclass(frozen=True, slots=True)
class Tls:
    """Files for TLS towards the target."""

    ca: str = key(PATH, "certificates to trust", default="")
    cert: str = key(PATH, "client certificate", default="")
    key: str = key(PATH, "its private key", default="")


@dataclass(frozen=True, slots=True)
class Footprint:
    """What the run may leave on a target that it didn't start."""

    node_prefix: str = key(
        Text(pattern=r"[\w.-]{1,40}", meaning="prefix of letters, digits, . _ -"),
        "start of every node id",
        default=NODE_PREFIX,
    )
    max_nodes: int = key(integer(1, MAX_NODES), "nodes used at most", default=MAX_NODES)
    cleanup: str = key(choice("sessions", "none"), "what is deleted at the end", default="sessions")


@dataclass(frozen=True, slots=True)
class Target:
    """The KATO under the client: embedded, one that runs at `url`, or one that `command` starts for the run."""

    url: str = key(TARGET_URL, "embedded, or the URL of a KATO", default="embedded")
    profile: str = key(
        PROFILE, "service times of the embedded KATO: instant, kato-1w, kato-4w or a file", default="instant"
    )
    twin: Twin | None = key(Record(Twin), "a custom profile in two numbers", default=None)
    env: Mapping[str, str] = key(MapOf(VARIABLE), "variables of its environment, as in a ConfigMap", factory=dict)
    command: str = key(COMMAND, "command line of a real KATO, run in the folder of this file", default="")
    ready: str = key(HEALTH, "answers 2xx once the command is up; load goes to its origin", default="")
    within: float = key(POSITIVE_DURATION, "how long it may take to be ready (s)", default=60.0)
    headers: Mapping[str, str] = key(MapOf(TEXT), "sent with every request; secret", factory=dict)
    tls: Tls | None = key(Record(Tls), "files for TLS", default=None)
    footprint: Footprint = key(Record(Footprint), "limits on a target that we didn't start", factory=Footprint)

    @property
    def embedded(self) -> bool:
        """True when the KATO is the harness's own."""
        return self.url == "embedded" and not self.command

    @property
    def origin(self) -> str:
        """The URL of a real KATO; `{port}` stands for a port that is chosen when its command starts."""
        return "/".join(self.ready.split("/")[:3]) if self.command else self.url


@dataclass(frozen=True, slots=True)
class IntegrationUse:
    """The client under test."""

    use: str = key(USE, "a registered name, or file.py:factory", default="reference")
    python: str = key(PATH, "interpreter of its own", default="")
    runtime: str = key(choice("threads", "asyncio", "gevent"), "how its calls run at once", default="")
    inspect: tuple[str, ...] = key(ListOf(TEXT), "module:object from which promises are read", default=())
    scale: float | None = key(number(0), "passed to factories that take scale", default=None)


@dataclass(frozen=True, slots=True)
class Think:
    """The pause of a closed-model user between calls."""

    mean: float = key(DURATION, "mean pause (s)", default=0.0)
    spread: str = key(choice("constant", "exponential"), "its distribution", default="constant")


@dataclass(frozen=True, slots=True)
class Sessions:
    """KATO sessions of the load. `concurrent` None: as many as the timeline asks for."""

    concurrent: int | None = key(integer(1, 100_000), "sessions alive at once", default=None)
    strategy: str = key(choice("one_per_user", "per_call", "shared"), "whose a session is", default="one_per_user")
    events: int = key(integer(1, 900), "observes of one session before the next", default=0)
    ttl: float = key(POSITIVE_DURATION, "life of a session (s)", default=0.0)
    config: Mapping[str, Any] = key(Anything(), "KATO's session config", factory=dict)


@dataclass(frozen=True, slots=True)
class Data:
    """What users observe: a generator, or a feed of JSON lines."""

    generator: str = key(choice(*GENERATORS), "a generator of payloads", default="product_views")
    feed: str = key(PATH, "one observation a line", default="")
    order: str = key(choice("file", "shuffle"), "order of the feed", default="file")


@dataclass(frozen=True, slots=True)
class UserKind:
    """A share of the users and their headers; `{n}` is the user's number."""

    share: float = key(RATIO, "share of the users", default=0.0, required=True)
    headers: Mapping[str, str] = key(MapOf(TEXT), "their headers", factory=dict)


@dataclass(frozen=True, slots=True)
class LoadSpec:
    """What is offered: `rate` (open model) or `users` (closed model)."""

    rate: float | tuple[StageSpec, ...] | None = key(STAGES, "calls per second, or stages", default=None)
    users: int = key(integer(1, 100_000), "closed model instead of rate", default=0)
    think: Think = key(Record(Think, short="mean"), "pause between a user's calls", factory=Think)
    replay: str = key(PATH, "a recorded schedule instead of rate, an arrival a line", default="")
    arrivals: str = key(choice("constant", "poisson"), "spacing of calls", default="constant")
    duration: float | None = key(POSITIVE_DURATION, "length of load, unless stages or phases give it", default=None)
    sessions: Sessions = key(Record(Sessions), "sessions of the load", factory=Sessions)
    mix: Mapping[str, float] = key(
        MapOf(number(0), ("observe", "predict", "learn"), 1),
        "weights of the calls",
        factory=lambda: {"observe": 2.0, "predict": 1.0},
    )
    data: Data = key(Record(Data, short="generator"), "what is observed", factory=Data)
    users_are: tuple[UserKind, ...] = key(ListOf(Record(UserKind), 1), "kinds of users", default=())


@dataclass(frozen=True, slots=True)
class Length:
    """A length with its bound."""

    for_: Expr = key(EXPRESSION, "how long", default=parse_expression("0"), required=True)
    max_for: float | None = key(POSITIVE_DURATION, "the longest it may come to", default=None)


def _length(text: str) -> Length:
    return Length(parse_expression(text))


_LENGTH = Record(Length, short="for")


@dataclass(frozen=True, slots=True)
class Phases:
    """Lengths of the phases around the faults. `baseline` lasts until the first fault; its length here is what
    `baseline.end` means. `recovery` None: what `duration` leaves, else the breaker's reset time-out + 10 s."""

    warmup: Length = key(_LENGTH, "not judged: connections, caches", default=_length("2s"))
    baseline: Length = key(_LENGTH, "fault-free", default=_length("20s"))
    recovery: Length | None = key(_LENGTH, "after the last fault", default=None)
    cooldown: Length = key(_LENGTH, "not judged: the end", default=_length("0"))


@dataclass(frozen=True, slots=True)
class SloSpec:
    """One objective: an expression of slo grammar and what its failure moves."""

    expr: str = key(SLO, "METRIC … OP VALUE … [in PHASE] [over|for|within DURATION]", default="", required=True)
    severity: str = key(choice("gate", "warn", "info"), "gate moves the exit code", default="gate")
    where: Where = field(default=Where(), compare=False)


@dataclass(frozen=True, slots=True)
class Laws:
    """Which laws are required, watched or left out."""

    require: str | tuple[str, ...] = key(
        Either(scalar=choice("auto"), list=ListOf(LAW)), "auto, or a list", default="auto"
    )
    watch: tuple[str, ...] = key(ListOf(LAW), "shown, never moves the exit code", default=())
    skip: Mapping[str, str] = key(MapOf(TEXT), "law to the reason why it is left out", factory=dict)


@dataclass(frozen=True, slots=True)
class Known:
    """A failure that the team has accepted for a time; past `until` it fails."""

    law: str = key(LAW, "which law", default="", required=True)
    where_: Mapping[str, str] = key(MapOf(TEXT, ("fault", "op", "phase", "integration"), 1), "only there", factory=dict)
    at_most: float | None = key(AT_MOST, "share that is accepted, such as 3 per 1000", default=None)
    reason: str = key(TEXT, "why", default="", required=True)
    issue: str = key(TEXT, "ticket", default="")
    owner: str = key(TEXT, "who mends it", default="")
    until: datetime.date | None = key(DATE, "its end date", default=None, required=True)

    def expired(self, today: datetime.date) -> bool:
        """True from the day after `until`."""
        return self.until is None or today > self.until


@dataclass(frozen=True, slots=True)
class Guards:
    """Ceilings that always hold, and when to stop early."""

    allow_target: tuple[str, ...] = key(ListOf(TEXT), "hosts that may be loaded beside loopback", default=())
    max_rate: float = key(POSITIVE_RATE, "highest rate (calls/s)", default=2000.0)
    max_calls: int = key(integer(1), "most calls", default=1_000_000)
    max_duration: float = key(POSITIVE_DURATION, "longest run (s)", default=3600.0)
    abort_if: tuple[str, ...] = key(ListOf(ABORT), "stop early when one of these SLO lines is true", default=())


@dataclass(frozen=True, slots=True)
class Scenario:
    """One experiment. `path` is its file, `cell` the values of its matrix cell, `tree` the merged YAML."""

    format: str = key(FORMAT, "kato-harness/1, the first key", default="kato-harness/1", required=True)
    question: str = key(TEXT, "the question that this experiment answers", default="")
    seed: int = key(integer(0, 2**63 - 1), "equal seed, equal plan", default=1)
    workers: int = key(integer(1, 64), "generator processes", default=1)
    destructive: bool = key(BOOLEAN, "needs --allow-destructive", default=False)
    target: Target = key(Record(Target, short="url"), "the KATO under the client", factory=Target)
    integration: IntegrationUse = key(
        Record(IntegrationUse, short="use"), "the client under test", factory=IntegrationUse
    )
    subject: Subject = key(Record(Subject), "a service between the load and KATO", factory=Subject)
    topology: Topology = key(Record(Topology), "what stands between", factory=Topology)
    load: LoadSpec = key(Record(LoadSpec, short="rate"), "what is offered", factory=LoadSpec)
    phases: Phases = key(Record(Phases), "lengths around the faults", factory=Phases)
    steady_state: tuple[str, ...] = key(
        ListOf(TEXT), "SLOs that must hold in baseline, else the run is invalid", default=()
    )
    faults: tuple[FaultSpec, ...] = key(FAULTS, "what breaks, and when", default=())
    policy: Mapping[str, Any] = key(POLICY, "what the integration promises (durations in seconds)", factory=dict)
    slos: Mapping[str, SloSpec] = key(MapOf(Record(SloSpec, short="expr")), "objectives by name", factory=dict)
    laws: Laws = key(Record(Laws), "which laws count", factory=Laws)
    known: tuple[Known, ...] = key(ListOf(Record(Known)), "accepted failures, for a time", default=())
    guards: Guards = key(Record(Guards), "ceilings", factory=Guards)
    path: str = ""
    env: str = ""
    cell: Mapping[str, str] = field(default_factory=dict)
    tree: Node = field(default=Node({}), compare=False, repr=False)

    @property
    def name(self) -> str:
        """file[workers=4,seed=2], or the file's stem."""
        stem = self.path.rsplit("/", 1)[-1].rsplit(".", 1)[0] or "scenario"
        cell = ",".join(f"{key}={value}" for key, value in self.cell.items())
        return f"{stem}[{cell}]" if cell else stem
