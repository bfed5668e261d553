"""Everything that one KATO worker and its stores hold."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from harness import contracts
from harness.twin.kato.config import Config, created_with
from harness.twin.kato.knowledge import Knowledge
from harness.twin.kato.messages import CrashError, encode
from harness.twin.kato.monitor import Monitor
from harness.twin.kato.neighbours import Collection
from harness.twin.kato.node import Node, processor_id
from harness.twin.kato.sessions import Session, SessionTable
from harness.twin.kato.settings import Settings
from harness.twin.kato.stores import Stores

MAX_NODES = 100
_NEW_NODE_REQUESTS = 2
_TEST_PREFIX = "test_"

T = TypeVar("T")


class _Cached(Generic[T]):
    """A value that is made anew when it is too old."""

    __slots__ = ("_until", "_value")

    def __init__(self) -> None:
        self._value: T | None = None
        self._until = 0.0

    def get(self, now: float, lifetime: float, make: Callable[[], T]) -> T:
        if self._value is None or now >= self._until:
            self._value = make()
            self._until = now + lifetime
        return self._value


class State:
    """Sessions (Redis), what nodes learned (ClickHouse, Redis, Qdrant), and the processors that the worker caches.

    `now` gives wall-clock seconds, `identifiers` 32 hexadecimal digits that never repeat.
    """

    def __init__(
        self,
        settings: Settings,
        now: Callable[[], float],
        identifiers: Callable[[], str],
        release: str = contracts.LATEST,
    ) -> None:
        self.settings = settings
        self.release = release
        self.now = now
        self.identifiers = identifiers
        self.started_at = now()
        self.sessions = SessionTable(now, settings.session_auto_extend)
        self.nodes: OrderedDict[str, Node] = OrderedDict()
        self.monitor = Monitor(self.started_at)
        emptied = {"redis": self._lose_redis, "clickhouse": self._lose_clickhouse, "qdrant": self._lose_qdrant}
        self.stores = Stores(emptied)
        self.nodes_made = 0
        self._default_config = Config({}, settings)
        self._knowledge: dict[str, Knowledge] = {}
        self._collections: dict[str, Collection] = {}
        self._count = _Cached[int]()
        self._metrics = _Cached[dict[str, Any]]()

    def counted_sessions(self) -> int:
        """The active-session count, at most `session_count_cache_ttl_seconds` old."""
        return self._count.get(self.now(), self.settings.session_count_cache_ttl_seconds, self.active_sessions)

    def active_sessions(self) -> int:
        """What Redis has in its index, or without Redis the sessions that the worker knows."""
        return len(self.sessions) if self.stores.redis_fails else self.sessions.indexed

    def session(self, session_id: str) -> Session | None:
        """The live session; None where there is none or Redis fails."""
        return None if self.stores.redis_fails else self.sessions.get(session_id)

    def cached_metrics(self, make: Callable[[State], dict[str, Any]]) -> dict[str, Any]:
        """The metrics that `make` makes, at most `metrics_cache_ttl_seconds` old."""
        return self._metrics.get(self.now(), self.settings.metrics_cache_ttl_seconds, lambda: make(self))

    def open_session(
        self,
        node_id: str,
        metadata: Mapping[str, Any] | None,
        ttl_seconds: int | None,
        config: Mapping[str, Any] | None,
    ) -> Session:
        """Store a new session; raises CrashError for an impossible lifetime, or where Redis fails."""
        if self.stores.redis_fails:
            raise CrashError
        now = self.now()
        session = Session(
            f"session-{self.identifiers()}-{int(now * 1000)}",
            node_id,
            processor_id(node_id, self.settings.service_name),
            self.configured(created_with(config)),
            now,
        )
        session.metadata = metadata or session.metadata
        session.node_json = encode(node_id).decode() if node_id.isascii() else ""
        self.sessions.add(session, ttl_seconds or self.settings.session_ttl)
        return session

    def configured(self, overrides: Mapping[str, Any]) -> Config:
        """The configuration with these overrides; one object for all sessions without any."""
        return Config(overrides, self.settings) if overrides else self._default_config

    def node_of(self, session: Session) -> Node:
        """The processor of the session's node, made at its first use."""
        return self._touched(session.processor_id) or self._new_node(session.node_id, session.processor_id)

    def node(self, node_id: str) -> Node:
        """The processor of a node by its id, made at its first use."""
        name = processor_id(node_id, self.settings.service_name)
        return self._touched(name) or self._new_node(node_id, name)

    def _touched(self, name: str) -> Node | None:
        node = self.nodes.get(name)
        if node is not None:
            self.nodes.move_to_end(name)
            node.last_accessed = self.now()
        return node

    def _new_node(self, node_id: str, name: str) -> Node:
        if self.stores.redis_fails or not self.stores.ask("clickhouse", _NEW_NODE_REQUESTS):
            raise CrashError
        knowledge = self._knowledge.setdefault(name, Knowledge())
        vectors = self._collections.setdefault(name, Collection())
        node = Node(node_id, name, knowledge, vectors, self._default_config, self.stores, self.now())
        self.nodes[name] = node
        self.nodes_made += 1
        if len(self.nodes) > MAX_NODES:
            self._evict()
        return node

    def _lose_redis(self) -> None:
        for knowledge in self._knowledge.values():
            knowledge.lose_counters()
        self.sessions.clear()

    def _lose_clickhouse(self) -> None:
        for knowledge in self._knowledge.values():
            knowledge.lose_rows()

    def _lose_qdrant(self) -> None:
        for collection in self._collections.values():
            collection.lose()

    def _evict(self) -> None:
        """Drop the processor that was used least recently; its vectors go with it, and a test node's patterns."""
        name, node = self.nodes.popitem(last=False)
        node.retire()
        del self._collections[name]
        if name.startswith(_TEST_PREFIX) or not (node.knowledge.patterns or node.knowledge.unwritten):
            del self._knowledge[name]
