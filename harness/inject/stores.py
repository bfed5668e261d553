"""The plane of store faults on a KATO that we didn't start: Toxiproxy between that KATO and its store.

KATO dials its store through a proxy: one that is there already (adopted: toxics come and go, the proxy stays) or one
that is made for the run. Several proxies may lead to one store, as to Qdrant's two ports; a fault hits them all.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from harness.errors import HarnessError, PartMissing, UsageError
from harness.faults import KINDS, Probe
from harness.inject.lease import Leases
from harness.inject.toxiproxy import Api, ToxiproxyGone, delete_until_clean
from harness.model import Fault

Address = tuple[str, int]

AUTO = "auto"
PORTS: Mapping[str, tuple[int, ...]] = {"redis": (6379,), "clickhouse": (8123, 9000), "qdrant": (6333, 6334)}
"""Where the stores listen by default."""

_GET = "GET {} HTTP/1.1\r\nhost: store\r\nconnection: close\r\n\r\n"
PINGS: Mapping[str, bytes] = {
    "redis": b"PING\r\n",
    "clickhouse": _GET.format("/ping").encode(),
    "qdrant": _GET.format("/healthz").encode(),
}
"""What each store answers at once, whatever its user and password."""

_EVERYWHERE = ("", "0.0.0.0", "::")


@dataclass(frozen=True, slots=True)
class StoreProxy:
    """A proxy before a store: its name on the server, where it listens; `lease` 0: it was there before us."""

    store: str
    name: str
    address: Address
    lease: int = 0


@dataclass(slots=True)
class StorePlane:
    """Carries faults of the stores by the proxies before them; `prefix` makes the names of our toxics unique."""

    api: Api
    leases: Leases
    prefix: str
    where: str = "toxiproxy"
    proxies: list[StoreProxy] = field(default_factory=list)
    active: list[Fault] = field(default_factory=list)
    taken: dict[int, list[int]] = field(default_factory=dict)

    def adopt(self, store: str, at: str = AUTO) -> None:
        """Use the proxies that are before a store already: that which listens `at` (host:port), or all that lead there.

        Raises PartMissing where there is none, or where it is disabled already.
        """
        known = self.api.proxies()
        fits = _leads_to(store) if at == AUTO else _listens_at(at)
        found = [proxy for proxy in known.values() if fits(proxy)]
        if not found:
            where = f"before {store}" if at == AUTO else f"that listens at {at}"
            what = f"the Toxiproxy at {self.api.url} has no proxy {where}; it has {', '.join(sorted(known)) or 'none'}"
            raise PartMissing(what, CURE.format(store=store))
        for proxy in found:
            if not proxy["enabled"]:
                raise PartMissing(f"proxy {proxy['name']} before {store} is disabled", "enable it, then run again")
            self.proxies.append(StoreProxy(store, proxy["name"], self._reached_at(proxy["listen"])))

    def listen(self, store: str, listen: str, upstream: str) -> None:
        """A proxy for this run, at `listen` before `upstream` (both host:port)."""
        name = f"{self.prefix}-{store}"
        lease = self.leases.take({"undo": "proxy", "url": self.api.url, "proxy": name})
        made = self.api.create(name, listen, upstream)
        self.proxies.append(StoreProxy(store, name, self._reached_at(made["listen"]), lease))

    def apply(self, fault: Fault) -> None:
        """Make the fault act; it does when this returns."""
        self.active.append(fault)
        leases = self.taken[id(fault)] = []
        for proxy in self._before(fault):
            undo = {"undo": "toxics", "url": self.api.url, "proxy": proxy.name, "prefix": self.prefix}
            leases.append(self.leases.take(undo))
            toxics = KINDS["store"].toxics(KINDS["store"].complete(fault.params))
            if toxics is None:
                raise UsageError(f"fault {fault.name}: a store can't be {fault.params['mode']} by its network")
            if not toxics:
                self.api.enable(proxy.name, False)
            for toxic in toxics:
                self.api.add(proxy.name, self._toxic(fault), toxic)

    def clear(self, fault: Fault) -> None:
        """Undo one fault; others go on."""
        if fault in self.active:
            self.active.remove(fault)
        for proxy in self._before(fault):
            self.api.remove(proxy.name, self._toxic(fault))
            if not any(_refuses(other) and proxy in self._before(other) for other in self.active):
                self.api.enable(proxy.name, True)
        for lease in self.taken.pop(id(fault), ()):
            self.leases.release(lease)

    def close(self) -> tuple[str, ...]:
        """Delete the proxies that we made; the names of those that would not go."""
        left = []
        for proxy in self.proxies:
            if proxy.lease and _gone(self.api, proxy.name):
                self.leases.release(proxy.lease)
            elif proxy.lease:
                left.append(proxy.name)
        self.proxies.clear()
        return tuple(left)

    def look(self, fault: Fault, now_ns: Callable[[], int]) -> Probe:
        """A ping through the first proxy that the fault hits: what KATO meets when it asks its store."""
        params = KINDS["store"].complete(fault.params)
        return ping(self._before(fault)[0].address, params["store"], KINDS["store"].ask(params).wait_s, now_ns)

    def _before(self, fault: Fault) -> list[StoreProxy]:
        return [proxy for proxy in self.proxies if proxy.store == fault.params["store"]]

    def _toxic(self, fault: Fault) -> str:
        return f"{self.prefix}-{fault.name}-{fault.at_ns}"

    def _reached_at(self, listen: str) -> Address:
        host, _, port = listen.rpartition(":")
        host = host.strip("[]")
        return (urlsplit(self.api.url).hostname or "127.0.0.1") if host in _EVERYWHERE else host, int(port)


CURE = (
    "let KATO reach {store} through a Toxiproxy (docker-compose.yml, profile kato, does), name that Toxiproxy in"
    " TOXIPROXY_URL and the proxy in topology: {{stores: {{{store}: HOST:PORT}}}}"
)


def ping(address: Address, store: str, wait_s: float, now_ns: Callable[[], int]) -> Probe:
    """Ask a store at `address` for a sign of life; never raises for what the network does: that is the outcome."""
    start_ns = now_ns()
    connected = False
    try:
        with socket.create_connection(address, timeout=wait_s) as sock:
            connected = True
            sock.sendall(PINGS[store])
            outcome = "" if sock.recv(64) else "protocol_error"
    except TimeoutError:
        outcome = "read_timeout" if connected else "connect_timeout"
    except OSError:
        outcome = "reset" if connected else "connect_error"
    return Probe(start_ns, now_ns(), outcome)


def restore(url: str, proxy: str, prefix: str) -> None:
    """Take our toxics off somebody's proxy and let it listen again; nothing to do where all that is gone."""
    api = Api(url)
    try:
        found = api.proxies().get(proxy)
        for toxic in found["toxics"] if found else ():
            if toxic["name"].startswith(prefix):
                api.remove(proxy, toxic["name"])
        if found:
            api.enable(proxy, True)
    finally:
        api.close()


def _refuses(fault: Fault) -> bool:
    return not KINDS["store"].toxics(KINDS["store"].complete(fault.params))


def _leads_to(store: str) -> Callable[[Mapping[str, Any]], bool]:
    def fits(proxy: Mapping[str, Any]) -> bool:
        host, _, port = proxy["upstream"].rpartition(":")
        words = {*re.split(r"\W|_", proxy["name"]), *re.split(r"\W|_", host)}
        return store in words or (port.isdecimal() and int(port) in PORTS[store])

    return fits


def _listens_at(at: str) -> Callable[[Mapping[str, Any]], bool]:
    host, _, port = at.rpartition(":")

    def fits(proxy: Mapping[str, Any]) -> bool:
        listens, _, on = proxy["listen"].rpartition(":")
        # A name of the network that Toxiproxy stands in says nothing of the address that it binds.
        return bool(on == port and (listens.strip("[]") in _EVERYWHERE or host in (listens, "localhost") or not host))

    return fits


def _gone(api: Api, name: str) -> bool:
    try:
        return delete_until_clean(api, name)
    except ToxiproxyGone:
        return True
    except HarnessError:
        return False
