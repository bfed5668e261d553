"""What Istio's admission refuses of a DestinationRule (istio pkg/config/validation, validateTrafficPolicy)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.manifests.istio import policies
from harness.manifests.rules import Remark, remark
from harness.mesh import duration
from harness.mesh.inventory import namespace_of
from harness.mesh.nodes import Node

_MILLISECOND = duration.NS // 1000
_BLOCKS = (
    "connectionPool",
    "loadBalancer",
    "outlierDetection",
    "portLevelSettings",
    "proxyProtocol",
    "retryBudget",
    "tls",
    "tunnel",
)
_TIMES = (
    ("outlierDetection", "baseEjectionTime"),
    ("outlierDetection", "interval"),
    ("connectionPool", "http", "idleTimeout"),
    ("connectionPool", "http", "http2KeepAlive", "interval"),
    ("connectionPool", "http", "http2KeepAlive", "timeout"),
    ("connectionPool", "tcp", "connectTimeout"),
    ("connectionPool", "tcp", "maxConnectionDuration"),
    ("connectionPool", "tcp", "tcpKeepalive", "time"),
    ("connectionPool", "tcp", "tcpKeepalive", "interval"),
    ("loadBalancer", "warmup", "duration"),
)
_LARGEST_TABLE = 5_000_011
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def refused_rule(rule: Node) -> Iterator[Remark]:
    """What keeps a DestinationRule out of the mesh."""
    yield from exported(rule)
    for policy in policies(rule):
        if not any(policy[name] is not None for name in _BLOCKS):
            yield remark(policy, "an empty policy: Istio refuses the file", f"give one of {', '.join(_BLOCKS)}")
        yield from times(policy, _TIMES)
        yield from _pool(policy)
        yield from _table(policy)


def times(node: Node, paths: tuple[tuple[str, ...], ...]) -> Iterator[Remark]:
    """Durations that aren't a whole number of milliseconds, at least one; 0 counts as given, not as none."""
    for path in paths:
        found = node.at(*path)
        told = _ns(found) if found is not None else None
        if found is not None and told is not None and (told < _MILLISECOND or told % _MILLISECOND):
            reason = f"`{path[-1]}: {found.value}`: Istio refuses the file, it takes whole milliseconds from 1"
            yield remark(found, reason, f"give whole milliseconds, or leave `{path[-1]}` out")


def exported(document: Node) -> Iterator[Remark]:
    """`exportTo`: namespaces, `.` or `*`; a rule that selects its clients stays in its namespace."""
    own = namespace_of(document)
    named = [(node, own if node.value == "." else str(node.value)) for node in document.each("spec", "exportTo")]
    spaces = [space for _, space in named]
    for at, (node, space) in enumerate(named):
        if space != "*" and not _LABEL.fullmatch(space):
            yield remark(node, f"exportTo `{space}` is no namespace: Istio refuses the file", "give names, `.` or `*`")
        elif space in spaces[:at] or ("*" in spaces and at):
            yield remark(node, f"exportTo `{node.value}` beside others: Istio refuses the file", "give each once")
        elif space != own and document.at("spec", "workloadSelector") is not None:
            reason = "exportTo beyond the own namespace beside `workloadSelector`: Istio refuses the file"
            yield remark(node, reason, "leave `exportTo` out")


def _ns(node: Node) -> int | None:
    """None for what is no duration: rule I1/not-understood says so."""
    try:
        return duration.parse(str(node.value))
    except ValueError:
        return None


def _pool(policy: Node) -> Iterator[Remark]:
    pool = policy["connectionPool"]
    if pool is None:
        return
    if pool["http"] is None and pool["tcp"] is None:
        yield remark(pool, "an empty connectionPool: Istio refuses the file", "give `http` or `tcp`")
    if pool.get("http", "h2UpgradePolicy") == "UPGRADE" and pool.get("http", "useClientProtocol") is True:
        reason = "useClientProtocol beside `h2UpgradePolicy: UPGRADE`: Istio refuses the file"
        yield remark(pool.at("http", "useClientProtocol") or pool, reason, "keep one of them")
    pings = pool.at("http", "http2KeepAlive")
    for name in ("interval", "timeout") if pings is not None else ():
        if pings is not None and pings[name] is None:
            yield remark(pings, f"http2KeepAlive without {name}: Istio refuses the file", f"give `{name}`")
    idle = pool.at("tcp", "idleTimeout")
    if idle is not None and (_ns(idle) or 0) >= _MILLISECOND:  # 0 switches this one off
        yield from times(pool, (("tcp", "idleTimeout"),))


def _table(policy: Node) -> Iterator[Remark]:
    maglev = policy.at("loadBalancer", "consistentHash", "maglev")
    if maglev is None:
        return
    size = maglev.get("tableSize") or 0
    if isinstance(size, int) and not (size < _LARGEST_TABLE and _prime(size)):
        reason = f"maglev's tableSize is {size}: Istio refuses the file, it takes a prime below {_LARGEST_TABLE}"
        yield remark(maglev["tableSize"] or maglev, reason, "give tableSize: 65537")


def _prime(number: int) -> bool:
    return number > 0 and all(number % factor for factor in range(2, int(number**0.5) + 1))
