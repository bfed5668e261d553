"""The instances that a client knows of: the last good answer of a registry, kept fresh in the background.

A registry's outage costs nothing: calls never wait for it once they know an instance, and what it last said is
believed until it says something else. An answer that names nobody is not believed either.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable

Address = tuple[str, int]

COOLS_S = 1.0
"""An instance that refused is passed over for so long, unless all did."""


BREATH_S = 0.05
"""Between look-ups that answered: a registry that never waits shall not be asked without pause."""


class NoInstanceError(ConnectionError):
    """No registry has named an instance yet."""


class Members:
    """Takes turns over the known addresses. `look_up` gives the addresses, and may wait until they change.

    Call `start` once; `stop` lets the thread end after its current look-up.
    """

    def __init__(self, look_up: Callable[[], Iterable[Address]], pause_s: float, on_gone: Callable[[Address], None]):
        self._look_up = look_up
        self._pause_s = pause_s
        self._on_gone = on_gone
        self._known: tuple[Address, ...] = ()
        self._refused: dict[Address, float] = {}
        self._turn = 0
        self._found = threading.Event()
        self._stopped = threading.Event()
        self._lock = threading.Lock()

    def start(self) -> None:
        """Look for instances from now on."""
        threading.Thread(target=self._watch, name="members", daemon=True).start()

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()

    def in_turn(self, wait_s: float | None) -> tuple[Address, ...]:
        """All known addresses, the one whose turn it is first and those that refused lately last.

        Waits at most `wait_s` for the first answer of the registry; raises NoInstanceError without one.
        """
        if not self._found.wait(wait_s):
            raise NoInstanceError("the registry has not named an instance")
        with self._lock:
            known, now = self._known, time.monotonic()
            self._turn += 1
            turned = known[self._turn % len(known) :] + known[: self._turn % len(known)]
            cool = {address for address, at in self._refused.items() if now - at < COOLS_S}
        return tuple(sorted(turned, key=cool.__contains__))

    def refused(self, address: Address) -> None:
        """The instance at `address` accepts no connection."""
        with self._lock:
            self._refused[address] = time.monotonic()

    def _watch(self) -> None:
        while not self._stopped.is_set():
            try:
                self._take(tuple(dict.fromkeys(self._look_up())))
            except Exception:  # noqa: BLE001 - whatever the registry does: the last good answer holds
                self._stopped.wait(self._pause_s)
            else:
                self._stopped.wait(BREATH_S)

    def _take(self, addresses: tuple[Address, ...]) -> None:
        if not addresses:
            self._stopped.wait(self._pause_s)
            return
        with self._lock:
            gone = set(self._known) - set(addresses)
            self._known = addresses
        for address in gone:
            self._on_gone(address)
        self._found.set()
