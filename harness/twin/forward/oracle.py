"""The commit oracle of a forwarding witness: was an observe committed whose reply nobody saw?

KATO counts the observes of a session (`time` of the reply to an observe) and the events of its short-term memory
(`stm_length`, GET …/stm): contract, sections 1 and 2. While nothing else is in flight on the session, the counter's
growth minus the acknowledged observes is the number of unacknowledged ones that were committed. Only what follows
from that is marked; all else stays "not committed as far as is known".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from harness.twin.exchange import Arrivals, Exchange

UNKNOWN = -1
MAX_SESSIONS = 200_000
MAX_LENGTH = 1000
"""KATO keeps the latest 1000 events only, so the length proves nothing from there on."""


@dataclass(slots=True)
class Ledger:
    """One session: counters as of `base`, what was acknowledged since, and what is open."""

    base: int = UNKNOWN
    latest: int = UNKNOWN
    length: int = UNKNOWN
    acknowledged: int = 0
    in_flight: int = 0
    touched_ns: int = 0
    open: list[Exchange] = field(default_factory=list)


class CommitOracle:
    """Holds back the record of an unacknowledged observe until its commit is proven, disproven or can't be known."""

    def __init__(self, arrivals: Arrivals, now_ns: Callable[[], int], next_commit: Callable[[Exchange], int]) -> None:
        self._arrivals = arrivals
        self._now_ns = now_ns
        self._next_commit = next_commit
        self._ledgers: dict[str, Ledger] = {}
        self._held: set[Exchange] = set()
        self._open: dict[str, Ledger] = {}

    @property
    def recorded(self) -> int:
        """Arrivals on record or held back for it."""
        return self._arrivals.recorded + len(self._held)

    def record(self, exchange: Exchange) -> None:
        """Write the exchange down, unless its commit is still open."""
        if exchange not in self._held:
            self._arrivals.record(exchange)

    def opened(self, session: str) -> None:
        """A new session: nothing observed, nothing remembered."""
        self._ledgers[session] = Ledger(base=0, latest=0, length=0)
        while len(self._ledgers) > MAX_SESSIONS:
            oldest = next(iter(self._ledgers))
            self._give_up(self._ledgers.pop(oldest))
            self._open.pop(oldest, None)

    def begun(self, session: str) -> None:
        """An observe goes out to KATO."""
        ledger = self._ledger(session)
        ledger.in_flight += 1
        ledger.touched_ns = self._now_ns()

    def acknowledged(self, session: str, time: int, length: int, observations: int = 1) -> None:
        """KATO answered a request with so many observations with 200 and these counters."""
        ledger = self._over(session)
        ledger.acknowledged += observations
        ledger.latest = max(ledger.latest, time)
        ledger.length = length
        if ledger.in_flight:
            return
        if ledger.base == UNKNOWN:
            self._give_up(ledger)
        else:
            self._settle(ledger, ledger.latest - ledger.base - ledger.acknowledged)
        if not ledger.open:
            ledger.base, ledger.acknowledged = ledger.latest, 0

    def refused(self, session: str) -> None:
        """KATO answered an observe with an error that rules a commit out (4xx)."""
        self._over(session)

    def lost(self, exchange: Exchange) -> None:
        """The reply to an observe never came, or was a 5xx: committed or not."""
        ledger = self._over(exchange.session)
        ledger.open.append(exchange)
        self._held.add(exchange)
        self._open[exchange.session] = ledger

    def learnt(self, session: str) -> None:
        """The session's short-term memory was emptied by learn; its counter goes on."""
        self._ledger(session).length = 0

    def cleared(self, session: str) -> None:
        """Memory and counter start anew; what was open before can no longer be known."""
        ledger = self._ledger(session)
        self._give_up(ledger)
        ledger.length = ledger.latest = ledger.acknowledged = 0
        ledger.base = UNKNOWN if ledger.in_flight else 0

    def waiting(self, quiet_ns: int) -> list[tuple[str, Exchange]]:
        """Sessions with open observes that are quiet for `quiet_ns`, each with one of them."""
        now_ns = self._now_ns()
        self._open = {session: ledger for session, ledger in self._open.items() if ledger.open}
        return [
            (session, ledger.open[0])
            for session, ledger in self._open.items()
            if not ledger.in_flight and now_ns - ledger.touched_ns >= quiet_ns
        ]

    def read_back(self, session: str, length: int | None) -> None:
        """The session's memory now holds `length` events; None: KATO didn't say. Decides what is open."""
        ledger = self._ledger(session)
        if ledger.in_flight or not ledger.open:
            return
        if length is not None and ledger.length != UNKNOWN and length < MAX_LENGTH:
            committed = length - ledger.length
            self._settle(ledger, committed)
            ledger.length = length
        self._give_up(ledger)
        ledger.base = UNKNOWN

    def close(self) -> None:
        """Write down everything that is still open as it is."""
        for ledger in self._open.values():
            self._give_up(ledger)

    def _ledger(self, session: str) -> Ledger:
        return self._ledgers.setdefault(session, Ledger())

    def _over(self, session: str) -> Ledger:
        ledger = self._ledger(session)
        ledger.in_flight = max(0, ledger.in_flight - 1)
        ledger.touched_ns = self._now_ns()
        return ledger

    def _settle(self, ledger: Ledger, committed: int) -> None:
        """Mark the requests of `committed` open observations where it is clear which: all, or some of the same call,
        each of which holds as many as the others."""
        sizes = [exchange.observations for exchange in ledger.open]
        one_call = len({exchange.call for exchange in ledger.open}) == 1 and ledger.open[0].call
        alike = one_call and len(set(sizes)) == 1 and committed % max(1, sizes[0]) == 0
        if committed == sum(sizes) or (0 < committed < sum(sizes) and alike):
            for exchange in ledger.open[: committed // max(1, sizes[0]) if alike else None]:
                exchange.commit_seq = self._next_commit(exchange)
            self._give_up(ledger)
        elif committed:
            self._give_up(ledger)

    def _give_up(self, ledger: Ledger) -> None:
        for exchange in ledger.open:
            self._held.discard(exchange)
            self._arrivals.record(exchange)
        ledger.open.clear()
