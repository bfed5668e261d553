"""Stand-ins of what clients ask for KATO's address: a Consul agent's HTTP endpoints and a stub resolver.

Both run in threads of the parent, on loopback, and answer wrongly when a fault of kind `registry` says so.
"""

from __future__ import annotations

from harness.discovery.catalog import Check, Instance
from harness.discovery.consul import ConsulStandIn, register
from harness.discovery.resolver import StubResolver

__all__ = ["Check", "ConsulStandIn", "Instance", "StubResolver", "register"]
