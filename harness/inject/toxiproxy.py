"""The plane of TCP faults: our own proxies on a Toxiproxy, and the only file that imports toxiproxy-python.

The library gives the calls and their errors; it has no time-outs, no updates, one host for all of a process, and
takes the server's errors for proxies. Those gaps are filled here. Facts of Toxiproxy 2.12 relied on, each with a
test in tests/test_toxiproxy.py:

- a misspelt attribute is accepted and does nothing: names are checked and values read back;
- deleting a sleeping `reset_peer` blocks as long as it sleeps, deleting its proxy does not;
- a disabled proxy keeps its toxics and its port's number, but not its listener.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import requests
from toxiproxy.api import APIConsumer  # type: ignore[import-untyped]
from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists  # type: ignore[import-untyped]

from harness.errors import HarnessError, PartMissing
from harness.faults import KINDS, Toxic
from harness.inject.lease import Leases
from harness.model import Fault

ATTRIBUTES: Mapping[str, frozenset[str]] = {
    "latency": frozenset({"latency", "jitter"}),
    "bandwidth": frozenset({"rate"}),
    "slow_close": frozenset({"delay"}),
    "timeout": frozenset({"timeout"}),
    "reset_peer": frozenset({"timeout"}),
    "slicer": frozenset({"average_size", "size_variation", "delay"}),
    "limit_data": frozenset({"bytes"}),
}
"""The attributes of each toxic (the folder toxics/ of Toxiproxy 2.12)."""

ANSWER_WITHIN_S = 5.0
CLEAN_READS = 2
CLEAN_WITHIN_S = 10.0
LISTEN_WITHIN_S = 2.0
POLL_S = 0.02


class ToxiproxyError(HarnessError):
    """Toxiproxy refused a request that should have been right."""


class Api:
    """One Toxiproxy server, at its own address and with time-outs."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        parts = urlsplit(self.url)
        at = {"host": parts.hostname, "port": parts.port or 80}
        self._library = type("Consumer", (APIConsumer,), at)
        self._direct = httpx.Client(base_url=self.url, timeout=ANSWER_WITHIN_S, trust_env=False)

    def proxies(self) -> dict[str, dict[str, Any]]:
        """All proxies of the server by name, each with its toxics."""
        found: dict[str, dict[str, Any]] = self._ask("get", "/proxies").json()
        return found

    def proxy(self, name: str) -> dict[str, Any]:
        """One proxy with its toxics."""
        found: dict[str, Any] = self._ask("get", _path(name)).json()
        return found

    def create(self, name: str, listen: str, upstream: str) -> dict[str, Any]:
        """A new proxy that listens at `listen` and dials `upstream` (both host:port)."""
        asked = {"name": name, "listen": listen, "upstream": upstream, "enabled": True}
        made: dict[str, Any] = self._ask("post", "/proxies", json=asked).json()
        return made

    def delete(self, name: str) -> None:
        """Remove a proxy, with its toxics and connections; it may be gone already."""
        self._gone(_path(name))

    def enable(self, name: str, enabled: bool) -> None:
        """Open or close a proxy's listener; closing cuts its connections."""
        try:
            reply = self._direct.patch(_path(name), json={"enabled": enabled})
        except httpx.HTTPError as error:
            raise self._silent(error) from error
        self._check(reply.status_code, reply.text, f"PATCH {_path(name)}")
        if self.proxy(name)["enabled"] is not enabled:
            raise ToxiproxyError(f"proxy {name} did not become {'enabled' if enabled else 'disabled'}")

    def add(self, proxy: str, name: str, toxic: Toxic) -> None:
        """Put a toxic on a proxy, on all of its connections, and read it back."""
        if toxic.attributes.keys() != ATTRIBUTES[toxic.type]:
            raise ToxiproxyError(f"toxic {toxic.type} has the attributes {', '.join(sorted(ATTRIBUTES[toxic.type]))}")
        asked = {"name": name, "type": toxic.type, "stream": toxic.stream, "toxicity": 1.0}
        asked["attributes"] = dict(toxic.attributes)
        self._ask("post", f"{_path(proxy)}/toxics", json=asked)
        found = [present for present in self.proxy(proxy)["toxics"] if present["name"] == name]
        if found != [asked]:
            raise ToxiproxyError(f"toxic {name} reads back as {found}, not as {asked}")

    def remove(self, proxy: str, name: str) -> None:
        """Take a toxic off, if it is there; blocks while a `reset_peer` sleeps."""
        self._gone(f"{_path(proxy)}/toxics/{quote(name, safe='')}")

    def close(self) -> None:
        """Give up the connection; the server stays as it is."""
        self._direct.close()

    def _gone(self, path: str) -> None:
        """Delete what may be gone already."""
        with contextlib.suppress(NotFound):
            self._ask("delete", path)

    def _ask(self, method: str, path: str, **more: Any) -> requests.Response:
        try:
            # An empty proxy entry keeps requests from sending loopback traffic through the environment's HTTP proxy.
            send = getattr(self._library, method)
            reply: requests.Response = send(path, timeout=ANSWER_WITHIN_S, proxies={"http": "", "https": ""}, **more)
        except requests.RequestException as error:
            raise self._silent(error) from error
        except (ProxyExists, InvalidToxic) as error:
            raise ToxiproxyError(f"Toxiproxy refused {method.upper()} {path}: {error}") from error
        self._check(reply.status_code, reply.text, f"{method.upper()} {path}")
        return reply

    def _check(self, status: int, text: str, what: str) -> None:
        if status >= 400:
            raise ToxiproxyError(f"Toxiproxy answered {what} with {status}: {text.strip()}")

    def _silent(self, error: Exception) -> PartMissing:
        what = f"Toxiproxy at {self.url} does not answer: {type(error).__name__}"
        return PartMissing(what, "see that it runs and that its API's port is reachable")


def _path(proxy: str) -> str:
    return f"/proxies/{quote(proxy, safe='')}"


def delete_until_clean(api: Api, name: str) -> bool:
    """Delete our proxy until CLEAN_READS reads in a row don't show it; False when that took too long."""
    deadline = time.monotonic() + CLEAN_WITHIN_S
    clean = 0
    while clean < CLEAN_READS and time.monotonic() < deadline:
        if name in api.proxies():
            clean = 0
            api.delete(name)
            time.sleep(POLL_S)
        else:
            clean += 1
    return clean >= CLEAN_READS


@dataclass(slots=True)
class Listener:
    """A proxy of ours: its name on the server, where it listens and dials, and its lease."""

    name: str
    listen: str
    upstream: str
    lease: int


@dataclass(slots=True)
class ToxiproxyPlane:
    """Carries TCP faults: each fault acts on every listener of the plane, on open and on new connections.

    Several faults may be active at once. Toxics are drawn for all connections (toxicity 1): Toxiproxy draws lots a
    connection and direction, so shares of *requests* are the witness's. `prefix` makes our proxies' names unique.
    """

    api: Api
    leases: Leases
    prefix: str
    where: str = "toxiproxy"
    listeners: list[Listener] = field(default_factory=list)
    active: list[Fault] = field(default_factory=list)

    def listen(self, name: str, listen: str, upstream: str) -> None:
        """Open a listener at `listen` (host:port, outside the ephemeral range: stack.ports) before `upstream`."""
        full = f"{self.prefix}-{name}"
        lease = self.leases.take({"undo": "proxy", "url": self.api.url, "proxy": full})
        self.listeners.append(Listener(full, listen, upstream, lease))
        self.api.create(full, listen, upstream)

    def apply(self, fault: Fault) -> None:
        """Make the fault act; it does when this returns."""
        self.active.append(fault)
        for listener in self.listeners:
            self._put(listener, fault)

    def clear(self, fault: Fault) -> None:
        """Undo one fault; others go on."""
        self.active.remove(fault)
        for listener in self.listeners:
            self._take_off(listener, fault)

    def close(self) -> tuple[str, ...]:
        """Delete our proxies; the names of those that would not go."""
        left = tuple(listener.name for listener in self.listeners if not self._retire(listener))
        self.listeners.clear()
        self.active.clear()
        self.api.close()
        return left

    def _retire(self, listener: Listener) -> bool:
        clean = delete_until_clean(self.api, listener.name)
        if clean:
            self.leases.release(listener.lease)
        return clean

    def _put(self, listener: Listener, fault: Fault) -> None:
        toxics = _toxics(fault)
        if not toxics:
            self.api.enable(listener.name, False)
        for toxic in toxics:
            self.api.add(listener.name, _toxic_name(fault, toxic), toxic)

    def _take_off(self, listener: Listener, fault: Fault) -> None:
        toxics = _toxics(fault)
        if any(toxic.type == "reset_peer" and toxic.attributes["timeout"] for toxic in toxics):
            self._renew(listener)
            return
        for toxic in toxics:
            self.api.remove(listener.name, _toxic_name(fault, toxic))
        if not toxics and not any(not _toxics(other) for other in self.active):
            self._reopen(listener)

    def _renew(self, listener: Listener) -> None:
        """Replace the proxy by one with the toxics that are left: the only way past a sleeping `reset_peer`."""
        self.api.delete(listener.name)
        self.api.create(listener.name, listener.listen, listener.upstream)
        for fault in self.active:
            self._put(listener, fault)

    def _reopen(self, listener: Listener) -> None:
        """Listen again, with a few tries in case somebody holds the port for a moment."""
        deadline = time.monotonic() + LISTEN_WITHIN_S
        while True:
            try:
                return self.api.enable(listener.name, True)
            except ToxiproxyError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(POLL_S)


def _toxics(fault: Fault) -> tuple[Toxic, ...]:
    kind = KINDS[fault.kind]
    toxics = kind.toxics(kind.complete(fault.params))
    if toxics is None:
        raise ToxiproxyError(f"fault kind {fault.kind} is not carried by Toxiproxy")
    return toxics


def _toxic_name(fault: Fault, toxic: Toxic) -> str:
    """Unique among the faults of a run: a repeated fault keeps its name and differs in its time."""
    return f"{fault.name}@{fault.at_ns // 1_000_000}ms-{toxic.stream}"
