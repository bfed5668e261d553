"""A node's processor: what KATO's worker keeps in memory for it, between the requests of all its sessions."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from hashlib import md5
from itertools import islice
from weakref import WeakSet

from harness.twin.kato.config import Config
from harness.twin.kato.knowledge import Knowledge, Pattern, Statistics, nothing_to_settle
from harness.twin.kato.messages import CrashError
from harness.twin.kato.neighbours import Collection
from harness.twin.kato.prediction import Future, Prediction, predict
from harness.twin.kato.sessions import Event, Session
from harness.twin.kato.single import predict_single
from harness.twin.kato.sql import is_broken, is_changed
from harness.twin.kato.stores import STORM_S, FrozenError, Stores
from harness.twin.kato.vectors import summed, vector_name

MAX_UNWRITTEN = 10
"""Rows that a failing ClickHouse leaves with the worker; older ones are lost."""

_INSERT_REQUESTS = 2
_FINALIZE_REQUESTS = 2
_CLEAR_REQUESTS = 2
_GREETING_REQUESTS = 2
_REPLACED = str.maketrans(dict.fromkeys('/\\."$*<>:|?- ', "_"))
_MAX_ID = 60
_SAFE_RANKINGS = frozenset(
    ("potential", "similarity", "evidence", "confidence", "snr", "fragmentation", "frequency", "confluence")
)


def processor_id(node_id: str, service: str) -> str:
    """The name of a node's processor and of its data: the cleaned node id, cut to fit, and the service's name."""
    clean = node_id.translate(_REPLACED)
    base = service.replace("-", "_")
    if len(clean) + 1 + len(base) > _MAX_ID:
        digest = md5(clean.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()[:8]
        clean = f"{clean[: _MAX_ID - len(base) - 10]}_{digest}"
    return f"{clean}_{base}"


class Outlook:
    """The predictions of one observation, computed when somebody asks or what they depend on is about to change."""

    __slots__ = ("__weakref__", "_events", "_stm", "predictions")

    def __init__(self, stm: list[Event]) -> None:
        self._stm = stm
        self._events = len(stm)
        self.predictions: list[Prediction] | None = None

    def stm(self) -> list[Event]:
        """The short-term memory as it was; it only ever grows at its end."""
        return list(islice(self._stm, self._events))


class Node:
    """One processor. `knowledge` and `vectors` outlive it, the rest does not.

    `future_potentials` may be left over from an earlier request, as in KATO. `unreadable`: the node's name breaks or
    changes the SQL that reads its patterns.
    """

    def __init__(
        self,
        node_id: str,
        name: str,
        knowledge: Knowledge,
        vectors: Collection,
        config: Config,
        stores: Stores,
        now: float,
    ) -> None:
        self.node_id = node_id
        self.name = name
        self.knowledge = knowledge
        self.vectors = vectors
        self.created_at = self.last_accessed = now
        self.persistence = config.settings.persistence
        self.unreadable = is_broken(name) or is_changed(name)
        self._config = config
        self._stores = stores
        self._unwritten: list[Pattern] = []
        self._future_potentials: list[Future] = []
        self._new_vectors: list[tuple[str, list[float]]] = []
        self._greeted = False
        self._statistics: Statistics | None = None
        self._open: WeakSet[Outlook] | None = None
        self._latest: Outlook | None = None
        self._lazy = config.settings.rank_sort_algo in _SAFE_RANKINGS
        knowledge.settle = self.settle

    def foresee(self, stm: Sequence[Event], config: Config) -> list[Prediction]:
        """Predictions for a session's memory under its configuration; nothing for an empty memory."""
        if not stm:
            return []
        single = _is_single(stm)
        readable = self._read_patterns(single)
        if single:
            return self._foresee_single(stm[0][0], config)
        self._latest = None
        predictions, self._future_potentials = self._foresee(stm, config) if readable else ([], [])
        return predictions

    def expect(self, session: Session, event: Event) -> None:
        """Predict after an observation that ended in `event`, under the worker's own configuration; mostly later.

        Raises CrashError at once where KATO fails.
        """
        stm = session.stm
        single = len(stm) == 1 and len(event) == 1
        readable = self._read_patterns(single)
        if single and (self.unreadable or is_broken(event[0])):
            raise self._storm()
        if not self.knowledge.patterns or not readable:
            session.predictions = ()
            if not single:
                self._latest = None
                self._future_potentials = []
            return
        outlook = Outlook(stm)
        session.predictions = outlook
        if self._open is None:
            self._open = WeakSet()
        self._open.add(outlook)
        if not single:
            self._latest = outlook
        if not self._lazy:
            self.settle()

    def settle(self) -> None:
        """Compute all outlooks that are still open."""
        outlooks, self._open = self._open, None
        for outlook in tuple(outlooks or ()):
            stm = outlook.stm()
            if _is_single(stm):
                outlook.predictions = self._foresee_single(stm[0][0], self._config)
                continue
            outlook.predictions, futures = self._foresee(stm, self._config)
            if outlook is self._latest:
                self._future_potentials = futures
                self._latest = None

    def retire(self) -> None:
        """The worker drops this processor from its cache."""
        self.settle()
        self.knowledge.settle = nothing_to_settle

    def predicted(self, session: Session) -> Sequence[Prediction]:
        """What the session's last observation predicted."""
        outlook = session.predictions
        if isinstance(outlook, Outlook):
            if outlook.predictions is None:
                self.settle()
            session.predictions = outlook.predictions
        predictions: Sequence[Prediction] = session.predictions
        return predictions

    @property
    def future_potentials(self) -> list[Future]:
        """The futures of the last prediction for two or more symbols."""
        if self._latest is not None:
            self.settle()
        return self._future_potentials

    def name_vectors(self, vectors: Sequence[Sequence[float]]) -> list[str]:
        """The symbols of one observation's vectors: the name of their sum and of its stored neighbours.

        Raises CrashError for vectors that can't be added.
        """
        total = summed(vectors)
        name = vector_name(total)
        self._greet_qdrant()
        neighbours = self.vectors.nearest(total) if self._stores.ask("qdrant") else []
        self._new_vectors.append((name, total))
        return [*neighbours, *(() if name in neighbours else (name,))]

    def store_vectors(self) -> None:
        """Put the vectors observed since the last learning into the collection."""
        if self._new_vectors:
            self._greet_qdrant()
        for name, vector in self._new_vectors:
            # Without a collection KATO looks for it and makes it, the second also where the first fails.
            made = self.vectors.dimension or all([self._stores.ask("qdrant"), self._stores.ask("qdrant")])
            if made and self._stores.ask("qdrant"):
                self.vectors.add(name, vector)
        self._new_vectors = []

    def _greet_qdrant(self) -> None:
        """Before anything else a node asks Qdrant for its collections, again and again until it answers."""
        self._greeted = self._greeted or self._stores.ask("qdrant", _GREETING_REQUESTS)

    def write(self, pattern: Pattern) -> None:
        """Write the pattern's row; raises CrashError where ClickHouse fails, and keeps the row for later."""
        self._unwritten = [*self._unwritten[1 - MAX_UNWRITTEN :], pattern]
        self._flush(_INSERT_REQUESTS)

    def finalize(self) -> int:
        """Compute the metrics of all patterns; returns how many rows they have in ClickHouse."""
        self._flush(1)
        if is_broken(self.name) or not self._stores.ask("clickhouse", _FINALIZE_REQUESTS):
            raise CrashError
        return 0 if self.unreadable else self.knowledge.finalize()

    def clear(self) -> None:
        """Forget all that was learned. Stored vectors and future potentials stay, as in KATO."""
        if is_broken(self.name) or not self._stores.ask("clickhouse", _CLEAR_REQUESTS):
            raise CrashError
        self.knowledge.clear()
        self.forget_statistics()
        self._new_vectors = []

    def forget_statistics(self) -> None:
        """Read the symbols' statistics anew at the next prediction."""
        self._statistics = None

    def keep_statistics(self) -> None:
        """Hold on to the statistics as they are: a learning that fails half-way leaves KATO's copies behind."""
        self._statistics = deepcopy(self._statistics)

    def find(self, name: str) -> Pattern | None:
        """The pattern of this name as ClickHouse gives it; raises CrashError if waiting rows can't be written."""
        self._flush(1)
        if self.unreadable or not self._stores.ask("clickhouse"):
            return None
        return self.knowledge.patterns.get(name)

    def _read_patterns(self, single: bool) -> bool:
        """Whether ClickHouse gives the patterns now; raises CrashError or FrozenError where KATO fails without."""
        if self._stores.all_up and not self._unwritten:
            return True
        self._flush(1)
        if self._stores.ask("clickhouse"):
            return True
        if single:
            raise self._storm() if self._stores.state("clickhouse") == "error" else FrozenError
        return False

    def _flush(self, requests: int) -> None:
        if not self._unwritten:
            return
        if not self._stores.ask("clickhouse", requests):
            raise CrashError
        for pattern in self._unwritten:
            self.knowledge.write(pattern)
        self._unwritten = []

    def _storm(self) -> CrashError:
        self._stores.spent += STORM_S
        return CrashError()

    def _foresee(self, stm: Sequence[Event], config: Config) -> tuple[list[Prediction], list[Future]]:
        if self.unreadable:
            return [], []
        return predict(self.knowledge, stm, config, self._config.settings.rank_sort_algo, self._cached_statistics)

    def _foresee_single(self, symbol: str, config: Config) -> list[Prediction]:
        if self.unreadable or is_broken(symbol):
            raise self._storm()
        return predict_single(self.knowledge, symbol, config, self._config.settings.use_token_matching)

    def _cached_statistics(self) -> Statistics:
        # Kept between predictions as KATO does, so that a Redis that lost everything shows only after a learn.
        if self._statistics is None:
            self._statistics = self.knowledge.statistics()
        return self._statistics


def _is_single(stm: Sequence[Event]) -> bool:
    return len(stm) == 1 and len(stm[0]) == 1
