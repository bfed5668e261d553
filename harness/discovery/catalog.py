"""What a Consul agent knows: registered instances, the state of their checks, and an index that grows with changes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

NODE = "kato-harness"
PASSING, CRITICAL = "passing", "critical"


@dataclass(frozen=True, slots=True)
class Check:
    """An HTTP check: what is asked, how often and for how long (s), and after how long of failing the instance is
    deregistered (0: never)."""

    url: str
    interval_s: float
    timeout_s: float
    deregister_after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Instance:
    """A registered instance. An empty `address` means that the node's counts (consul#4599)."""

    id: str
    name: str
    address: str
    port: int
    tags: tuple[str, ...] = ()
    check: Check | None = None


class Catalog:
    """Instances in the order of their registration, each with its check's status; safe to use from several threads."""

    def __init__(self, node_address: str) -> None:
        self._node_address = node_address
        self._instances: dict[str, Instance] = {}
        self._status: dict[str, str] = {}
        self._failing_since: dict[str, float] = {}
        self._changed = threading.Condition()
        self.index = 1

    def register(self, instance: Instance, status: str = CRITICAL) -> None:
        """Add or replace an instance; one with a check is critical until that passes, unless told otherwise."""
        with self._changed:
            self._instances[instance.id] = instance
            self._status[instance.id] = status if instance.check else PASSING
            self._note()

    def deregister(self, id: str) -> bool:
        """Forget an instance; False when there was none."""
        with self._changed:
            known = self._instances.pop(id, None)
            self._failing_since.pop(id, None)
            if known is not None:
                self._note()
            return known is not None

    def checked(self, id: str, healthy: bool) -> None:
        """The result of an instance's check."""
        with self._changed:
            instance = self._instances.get(id)
            if instance is None or instance.check is None:
                return
            status, now = PASSING if healthy else CRITICAL, time.monotonic()
            if healthy:
                self._failing_since.pop(id, None)
            since = self._failing_since.setdefault(id, now) if not healthy else now
            if status != self._status[id]:
                self._status[id] = status
                self._note()
        limit = instance.check.deregister_after_s
        if limit and now - since >= limit:
            self.deregister(id)

    def instances(self) -> tuple[Instance, ...]:
        """All that are registered."""
        with self._changed:
            return tuple(self._instances.values())

    def health(self, name: str, passing: bool, tags: frozenset[str] = frozenset()) -> list[dict[str, Any]]:
        """The entries of `/v1/health/service/NAME`, in the order of registration (a real agent may shuffle them)."""
        with self._changed:
            return [
                self._entry(instance)
                for id, instance in self._instances.items()
                if instance.name == name and (not passing or self._status[id] == PASSING) and tags <= {*instance.tags}
            ]

    def services(self, name: str, tags: frozenset[str] = frozenset()) -> list[dict[str, Any]]:
        """The entries of `/v1/catalog/service/NAME`, which knows of no checks."""
        return [_listed(entry["Node"], entry["Service"]) for entry in self.health(name, False, tags)]

    def wait(self, index: int, for_s: float) -> int:
        """Return when the index is beyond `index`, or after `for_s`; the index then."""
        with self._changed:
            self._changed.wait_for(lambda: self.index > index, for_s)
            return self.index

    def _note(self) -> None:
        self.index += 1
        self._changed.notify_all()

    def _entry(self, instance: Instance) -> dict[str, Any]:
        return {
            "Node": {"ID": NODE, "Node": NODE, "Address": self._node_address, "Datacenter": "dc1"},
            "Service": {
                "ID": instance.id,
                "Service": instance.name,
                "Tags": list(instance.tags),
                "Address": instance.address,
                "Port": instance.port,
                "Meta": {},
                "Weights": {"Passing": 1, "Warning": 1},
            },
            "Checks": [self._shown(instance)] if instance.check else [],
        }

    def _shown(self, instance: Instance) -> Mapping[str, Any]:
        return {
            "Node": NODE,
            "CheckID": f"service:{instance.id}",
            "Name": f"Service '{instance.name}' check",
            "Status": self._status[instance.id],
            "ServiceID": instance.id,
            "ServiceName": instance.name,
            "Type": "http",
        }


def _listed(node: Mapping[str, Any], service: Mapping[str, Any]) -> dict[str, Any]:
    named = {"ServiceName" if name == "Service" else f"Service{name}": value for name, value in service.items()}
    return {**node, **named}


def registration(instance: Instance) -> dict[str, Any]:
    """The body of `PUT /v1/agent/service/register` for an instance, passing until its check says otherwise."""
    body: dict[str, Any] = {
        "ID": instance.id,
        "Name": instance.name,
        "Address": instance.address,
        "Port": instance.port,
        "Tags": list(instance.tags),
    }
    if instance.check is not None:
        check = instance.check
        body["Check"] = {
            "HTTP": check.url,
            "Interval": f"{check.interval_s:g}s",
            "Timeout": f"{check.timeout_s:g}s",
            "Status": PASSING,
        }
    return body


def registered(body: Mapping[str, Any], seconds: Callable[[str], float]) -> tuple[Instance, str]:
    """The instance of a registration's body and its first status; names count without regard to case, as with the
    agent. `seconds` reads durations. Raises ValueError or TypeError."""
    told = _lowered(body)
    name = told.get("name")
    if not isinstance(name, str) or not name:
        raise ValueError("Missing service name")
    checks = [each for each in (told.get("check"), *(told.get("checks") or ())) if each and each.get("http")]
    check = _check(checks[0], seconds) if checks else None
    address, port = str(told.get("address") or ""), int(told.get("port") or 0)
    instance = Instance(str(told.get("id") or name), name, address, port, tuple(told.get("tags") or ()), check)
    return instance, str(checks[0].get("status") or CRITICAL) if checks else PASSING


def _check(told: Mapping[str, Any], seconds: Callable[[str], float]) -> Check:
    after = told.get("deregistercriticalserviceafter") or "0s"
    return Check(
        told["http"], seconds(told.get("interval") or "10s"), seconds(told.get("timeout") or "10s"), seconds(after)
    )


def _lowered(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name).lower(): _lowered(inner) for name, inner in value.items()}
    return [_lowered(inner) for inner in value] if isinstance(value, list) else value
