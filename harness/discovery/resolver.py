"""A stub resolver on loopback that knows one name; its answers can be missing, wrong, late, or another address."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Sequence

from harness.dns import NO_ERROR, NO_SUCH_NAME, SERVER_FAILURE, A, DnsError, Question, answer, parse_question

POLL_S = 0.1


class StubResolver:
    """Answers for `name` on a free UDP port of loopback until `stop`.

    Of `addresses` all but the last are its answer; a move takes the first away and brings the last. With one address
    there is nowhere to move.
    """

    def __init__(self, name: str, addresses: Sequence[str], ttl: int) -> None:
        self.name = name
        self.ttl = ttl
        self.mode, self.slow_s = "", 0.0
        self._before = tuple(addresses[:-1] or addresses)
        self._after = tuple(addresses[1:] or addresses)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(POLL_S)
        self.address: tuple[str, int] = self._socket.getsockname()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="resolver", daemon=True)
        self._thread.start()

    def misbehave(self, mode: str, slow_s: float = 0.0) -> None:
        """NXDOMAIN (`missing`), SERVFAIL (`error`), late (`slow`) or other addresses (`moved`); '' ends that."""
        self.mode, self.slow_s = mode, slow_s

    @property
    def moves(self) -> bool:
        """Is there an address to move to?"""
        return self._before != self._after

    def addresses(self) -> tuple[str, ...]:
        """What the name means just now."""
        return self._after if self.mode == "moved" else self._before

    def stop(self) -> None:
        """Answer no more."""
        self._stopped.set()
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while not self._stopped.is_set():
            try:
                message, client = self._socket.recvfrom(2048)
                question = parse_question(message)
            except (TimeoutError, DnsError):
                continue
            if self.mode == "slow":
                threading.Thread(target=self._answer_late, args=(question, client), daemon=True).start()
            else:
                self._answer(question, client)

    def _answer_late(self, question: Question, client: tuple[str, int]) -> None:
        time.sleep(self.slow_s)
        self._answer(question, client)

    def _answer(self, question: Question, client: tuple[str, int]) -> None:
        code = NO_ERROR
        if self.mode == "error":
            code = SERVER_FAILURE
        elif self.mode == "missing" or question.name.lower() != self.name:
            code = NO_SUCH_NAME
        told = self.addresses() if question.kind == A else ()
        with contextlib.suppress(OSError):  # stopped meanwhile, or the client's port is gone
            self._socket.sendto(answer(question, told, self.ttl, code), client)
