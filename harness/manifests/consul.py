"""Consul service definitions: what the check proves, and whether KATO uses the sidecar's upstreams at all."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from harness.manifests.kato import CLICKHOUSE_HTTP, GET_PATHS
from harness.manifests.rules import Remark, Rule, remark
from harness.manifests.stores import LOCAL
from harness.manifests.unit import Unit
from harness.mesh import duration
from harness.mesh.nodes import Node

STORES = {"clickhouse": ("CLICKHOUSE_HOST", "CLICKHOUSE_PORT"), "qdrant": ("QDRANT_HOST", "QDRANT_PORT")}
DEFAULT_PORTS = {"clickhouse": CLICKHOUSE_HTTP, "qdrant": 6333, "redis": 6379}
NATIVE = 9000


def _services(unit: Unit) -> Iterator[Node]:
    for document in unit.services:
        yield from document.each("service")
        yield from document.each("services")


def _checks(unit: Unit) -> Iterator[tuple[Node, Node]]:
    for service in _services(unit):
        for name in ("check", "checks"):
            yield from ((service, check) for check in service.each(name))


def _upstreams(unit: Unit) -> Iterator[Node]:
    for service in _services(unit):
        for connect in service.each("connect"):
            for sidecar in connect.each("sidecar_service"):
                for proxy in sidecar.each("proxy"):
                    yield from proxy.each("upstreams")


def _missing_path(unit: Unit) -> Iterator[Remark]:
    for _, check in _checks(unit):
        node = check["http"]
        path = urlsplit(str(node.value)).path or "/" if node is not None else "/"
        if node is not None and path not in GET_PATHS:
            reason = f"the check asks for `{path}`, which KATO answers 404: the service is never passing"
            yield remark(node, reason, "check `/health`")


def _no_check(unit: Unit) -> Iterator[Remark]:
    checked = {id(service) for service, _ in _checks(unit)}
    for service in _services(unit):
        if id(service) not in checked:
            yield remark(service, "no check: a dead instance stays in discovery for ever", "add an HTTP check")


def _blind_check(unit: Unit) -> Iterator[Remark]:
    for service, check in _checks(unit):
        node = check["http"]
        alone = len([1 for other, _ in _checks(unit) if other is service]) == 1
        if node is not None and alone and urlsplit(str(node.value)).path in ("/health", "/status"):
            reason = "the only check is /health, which answers 200 with every store down: the instance is never removed"
            yield remark(
                node, reason, "add a check of the stores (tcp, or a script), so that a useless instance leaves"
            )


def _slow_removal(unit: Unit) -> Iterator[Remark]:
    for _, check in _checks(unit):
        interval, timeout = _seconds(check["interval"]), _seconds(check["timeout"])
        if interval is None:
            yield remark(check, "a check without interval", 'give `interval = "10s"` or shorter')
        elif interval > 10:
            yield remark(
                check["interval"] or check, f"a dead instance is found after {interval:g} s", "check every 10 s"
            )
        if interval is not None and (timeout is None or timeout >= interval):
            reason = "a check whose time-out (10 s by default) isn't below its interval"
            yield remark(check["timeout"] or check, reason, "give `timeout` below `interval`")


def _stays_registered(unit: Unit) -> Iterator[Remark]:
    for service, check in _checks(unit):
        first = next((own for owner, own in _checks(unit) if owner is service), None)
        if check is first and not any(
            own["deregister_critical_service_after"] for owner, own in _checks(unit) if owner is service
        ):
            reason = "a crashed instance stays registered for ever (no deregister_critical_service_after)"
            yield remark(check, reason, 'deregister_critical_service_after = "10m"')


def _bypassed(unit: Unit) -> Iterator[Remark]:
    told = {variable.name: variable.value for variable in unit.environment}
    for container in unit.kato():
        told |= {name: variable.value for name, variable in container.variables.items()}
    for upstream in _upstreams(unit):
        name, port = str(upstream.get("destination_name")), upstream.get("local_bind_port")
        store = next((known for known in ("redis", *STORES) if name.startswith(known)), "")
        reason = _bypass(store, port, told)
        if reason:
            words = _wanted(store, port)
            yield remark(upstream, f"upstream `{name}` is bypassed: {reason}", f"tell KATO {words}")


def _bypass(name: str, port: object, told: dict[str, str | None]) -> str:
    """Why KATO doesn't come by an upstream; "" when it does, or when KATO has no such store."""
    if name == "redis":
        return _redis_bypass(port, told.get("REDIS_URL"))
    if not name:
        return ""
    host_name, port_name = STORES[name]
    host, number = told.get(host_name) or "localhost", told.get(port_name) or str(DEFAULT_PORTS[name])
    if host not in LOCAL:
        return f"{host_name} is {host}, not the sidecar on localhost"
    return "" if number == str(port) else f"KATO asks port {number} ({port_name}), the sidecar listens on {port}"


def _redis_bypass(port: object, url: str | None) -> str:
    if not url:
        return "REDIS_URL is not set, so sessions live in each worker's memory"
    parts = urlsplit(url)
    if parts.hostname not in LOCAL:
        return f"REDIS_URL points to {parts.hostname}, not the sidecar on localhost"
    return (
        ""
        if (parts.port or 6379) == port
        else f"REDIS_URL asks port {parts.port or 6379}, the sidecar listens on {port}"
    )


def _wanted(name: str, port: object) -> str:
    if name == "redis":
        return f"REDIS_URL=redis://127.0.0.1:{port}/0"
    host_name, port_name = STORES[name]
    return f"{host_name}=127.0.0.1 and {port_name}={port}"


def _native(unit: Unit) -> Iterator[Remark]:
    for upstream in _upstreams(unit):
        port = upstream["local_bind_port"]
        if str(upstream.get("destination_name")).startswith("clickhouse") and port is not None and port.value == NATIVE:
            reason = "9000 is ClickHouse's native protocol; KATO speaks HTTP and asks 8123"
            yield remark(port, reason, f"bind {CLICKHOUSE_HTTP} and register ClickHouse's HTTP port as the service")


def _no_address(unit: Unit) -> Iterator[Remark]:
    for service in _services(unit):
        if service["address"] is None:
            reason = "no `address`: discovery answers an empty Service.Address, and clients must know to use the node's"
            yield remark(service, reason, "give `address`, or use clients that fall back to Node.Address")


def _seconds(node: Node | None) -> float | None:
    try:
        return duration.parse(str(node.value)) / duration.NS if node is not None else None
    except ValueError:
        return None


RULES = (
    Rule("H1/consul-path-missing", "a check's path doesn't exist on KATO", "gate", _missing_path),
    Rule("S1/no-check", "a service without check", "gate", _no_check),
    Rule("H3/consul-check-blind", "a check that proves nothing", "warn", _blind_check),
    Rule("S1/slow-removal", "a dead instance is found late", "warn", _slow_removal),
    Rule("S1/stays-registered", "a crashed instance stays registered", "warn", _stays_registered),
    Rule("CONSUL/upstream-bypassed", "an upstream that KATO doesn't use", "gate", _bypassed),
    Rule("CONSUL/clickhouse-native-port", "ClickHouse's native port", "gate", _native),
    Rule("S5/empty-address", "discovery answers an empty address", "warn", _no_address),
)
