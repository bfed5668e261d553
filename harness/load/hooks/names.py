"""Names of a stub resolver: `getaddrinfo` asks it for one domain, everything else goes where it always went.

A client under test asks the machine's resolver, which can't be pointed elsewhere without rights. What libc would do is
done here instead: so many tries, each with its time-out (resolv.conf(5): 5 s, twice), and no cache. Under gevent's
patch the sockets, and so the waits, are greenlets'.
"""

from __future__ import annotations

import random
import socket
import sys
from typing import Any

from harness.dns import NO_ERROR, NO_SUCH_NAME, A, DnsError, Question, ask, parse_answer
from harness.load.hooks.patch import replace

TRIES = 2
_MODULES = ("socket", "gevent._socketcommon", "gevent.socket", "gevent._socket3")
"""Where `getaddrinfo` is looked up; gevent keeps copies."""


class Names:
    """Resolves names under `domain` at `server`, waiting `timeout_s` for each of its tries."""

    def __init__(self, server: tuple[str, int], domain: str, timeout_s: float) -> None:
        self._server = server
        self._domain = domain
        self._timeout_s = timeout_s

    def concerns(self, host: Any) -> bool:
        """Is this a name of the stub's domain?"""
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
        return isinstance(name, str) and name.rstrip(".").endswith(self._domain)

    def look_up(self, host: Any, port: Any, kind: int) -> list[Any]:
        """What `getaddrinfo` gives for a name; raises socket.gaierror as it does."""
        name = (host.decode("ascii") if isinstance(host, bytes) else str(host)).rstrip(".")
        for _ in range(TRIES):
            told = self._ask(name)
            if told is not None:
                break
        else:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        if told == ():
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        number = int(port or 0)
        kinds = [kind] if kind else [socket.SOCK_STREAM, socket.SOCK_DGRAM]
        return [
            (socket.AF_INET, each, socket.IPPROTO_TCP if each == socket.SOCK_STREAM else 0, "", (address, number))
            for address in told
            for each in kinds
        ]

    def _ask(self, name: str) -> tuple[str, ...] | None:
        """The addresses, none for a name that doesn't exist; None where nobody answered or the server failed."""
        number = random.getrandbits(16)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(self._timeout_s)
            try:
                sock.sendto(ask(Question(number, name, A)), self._server)
                told = parse_answer(sock.recv(2048))
            except (OSError, DnsError):
                return None
        if told.number != number or told.code not in (NO_ERROR, NO_SUCH_NAME):
            return None
        return told.addresses


def install(server: tuple[str, int], domain: str, timeout_s: float) -> None:
    """Let every `getaddrinfo` of this process know the stub's names."""
    names = Names(server, domain, timeout_s)
    for module in _MODULES:
        if hasattr(sys.modules.get(module), "getaddrinfo"):
            replace(sys.modules[module], "getaddrinfo", lambda original: _hook(original, names))


def _hook(original: Any, names: Names) -> Any:
    def getaddrinfo(host: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0) -> Any:
        if names.concerns(host):
            return names.look_up(host, port, type)
        return original(host, port, family, type, proto, flags)

    return getaddrinfo
