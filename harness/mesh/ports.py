"""Service ports and what Istio takes them to carry."""

from __future__ import annotations

from dataclasses import dataclass

from harness.mesh.nodes import Node

_KUBERNETES = {"kubernetes.io/h2c": "http2", "kubernetes.io/ws": "http", "kubernetes.io/wss": "tcp"}
_PROTOCOLS = {
    **dict.fromkeys(("http", "http_proxy"), "http"),
    **dict.fromkeys(("http2", "grpc", "grpc-web"), "http2"),
    **dict.fromkeys(("tcp", "tls", "https", "mongo", "redis", "mysql"), "tcp"),
    "udp": "udp",
}
"""What a port's words mean (istio pkg/config/kube/conversion.go, pkg/config/protocol)."""
_NEVER_GUESSED = (25, 53, 3306, 27017)
"""Ports of protocols whose server speaks first: Istio waits for no client's bytes there."""


@dataclass(frozen=True, slots=True)
class Port:
    """A service port; `protocol` http, http2, tcp, udp, or auto where its name doesn't say (Istio then looks)."""

    number: int
    protocol: str = "http"

    @property
    def carries_http(self) -> bool:
        """True where Istio routes requests."""
        return self.protocol in ("http", "http2", "auto")


def protocol_of(port: Node) -> str:
    """The protocol of a Service's port: Istio takes it from appProtocol, else from the name up to its first dash."""
    if port.get("protocol") == "UDP":
        return "udp"
    told = port.get("appProtocol")
    if told in _KUBERNETES:
        return _KUBERNETES[told]
    name = str(told or port.get("name") or "").lower()
    prefix = "grpc-web" if name.startswith("grpc-web") else name.partition("-")[0]
    return _PROTOCOLS.get(prefix, "tcp" if port.get("port") in _NEVER_GUESSED else "auto")
