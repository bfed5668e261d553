"""One Toxiproxy server, spoken to through toxiproxy-python; the only file that imports it.

The library gives the calls and their errors; it has no time-outs, no updates, one host for all of a process, and
takes the server's errors for proxies. Those gaps are filled here. Facts of Toxiproxy 2.12 relied on, each with a
test in tests/test_toxiproxy.py:

- a misspelt attribute is accepted and does nothing: names are checked and values read back;
- deleting a toxic writes on what it holds, and waits 5 s a piece where the client has gone and the reply came in
  several pieces; new connections are locked out until then. So a toxic is *calmed* by an update where that works;
- raising the rate of a `bandwidth` toxic that holds data ends the whole server (slice out of range): it is deleted;
- both can still block, for 5 s or for ever, when a client's end is noticed in the very moment (1 of 64 clears with
  clients that gave up in the middle of replies): the plane then has our own server started anew;
- deleting a sleeping `reset_peer` blocks as long as it sleeps, deleting its proxy does not;
- a disabled proxy keeps its toxics and its port's number, but not its listener.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import requests
from toxiproxy.api import APIConsumer
from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists

from harness.errors import HarnessError, PartMissing
from harness.faults import Toxic

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

ENDLESS = 1 << 40

CALM: Mapping[str, Mapping[str, int]] = {
    "latency": {"latency": 0, "jitter": 0},
    "slow_close": {"delay": 0},
    "slicer": {"average_size": ENDLESS, "delay": 0},
    "limit_data": {"bytes": ENDLESS},
}
"""The attributes that make a toxic let everything pass; types that are not here are deleted instead."""

ANSWER_WITHIN_S = 2.0
CLEAN_READS = 2
CLEAN_WITHIN_S = 10.0

POLL_S = 0.02


class ToxiproxyError(HarnessError):
    """Toxiproxy refused a request that should have been right."""


class ToxiproxyGone(PartMissing):
    """Nothing answers at a Toxiproxy's address any more, so nothing of ours is left there either."""


class Api:
    """One Toxiproxy server, at its own address and with time-outs."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        parts = urlsplit(self.url)
        at = {"host": parts.hostname, "port": parts.port or 80}
        self._library = type("Consumer", (APIConsumer,), at)
        self._direct = requests.Session()
        self._direct.trust_env = False

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
        self._patch(_path(name), {"enabled": enabled})
        if self.proxy(name)["enabled"] is not enabled:
            raise ToxiproxyError(f"proxy {name} did not become {'enabled' if enabled else 'disabled'}")

    def add(self, proxy: str, name: str, toxic: Toxic) -> None:
        """Put a toxic on a proxy, on all of its connections, and read it back."""
        asked = _description(name, toxic)
        self._ask("post", f"{_path(proxy)}/toxics", json=asked)
        self._read_back(proxy, asked)

    def update(self, proxy: str, name: str, toxic: Toxic) -> None:
        """Give a toxic other attributes, and read it back."""
        asked = _description(name, toxic)
        self._patch(_path(proxy, name), {"attributes": asked["attributes"], "toxicity": 1.0})
        self._read_back(proxy, asked)

    def remove(self, proxy: str, name: str) -> None:
        """Take a toxic off, if it is there; see above for when this blocks."""
        self._gone(_path(proxy, name))

    def close(self) -> None:
        """Give up the connection; the server stays as it is."""
        self._direct.close()

    def _read_back(self, proxy: str, asked: Mapping[str, Any]) -> None:
        found = [toxic for toxic in self.proxy(proxy)["toxics"] if toxic["name"] == asked["name"]]
        if found != [asked]:
            raise ToxiproxyError(f"toxic {asked['name']} reads back as {found}, not as {asked}")

    def _patch(self, path: str, body: Mapping[str, Any]) -> None:
        try:
            reply = self._direct.patch(self.url + path, json=body, timeout=ANSWER_WITHIN_S)
        except requests.RequestException as error:
            raise self._silent(error) from error
        self._check(reply.status_code, reply.text, f"PATCH {path}")

    def _gone(self, path: str) -> None:
        """Delete what may be gone already."""
        with contextlib.suppress(NotFound):
            self._ask("delete", path)

    def _ask(self, method: str, path: str, json: Mapping[str, Any] | None = None) -> requests.Response:
        more = {"json": json} if json else {}
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
        late = isinstance(error, requests.Timeout)
        what = f"Toxiproxy at {self.url} does not answer: {type(error).__name__}"
        return (PartMissing if late else ToxiproxyGone)(what, "see that it runs and that its API's port is reachable")


def _path(proxy: str, toxic: str = "") -> str:
    path = f"/proxies/{quote(proxy, safe='')}"
    return f"{path}/toxics/{quote(toxic, safe='')}" if toxic else path


def _description(name: str, toxic: Toxic) -> dict[str, Any]:
    """A toxic as the server shows it; its attributes' names are checked, which the server does not."""
    if toxic.attributes.keys() != ATTRIBUTES[toxic.type]:
        raise ToxiproxyError(f"toxic {toxic.type} has the attributes {', '.join(sorted(ATTRIBUTES[toxic.type]))}")
    attributes = dict(toxic.attributes)
    return {"name": name, "type": toxic.type, "stream": toxic.stream, "toxicity": 1.0, "attributes": attributes}


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
