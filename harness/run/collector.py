"""The OTLP collector of a run: a receiver of ours behind a proxy of ours, so that it can be broken too."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from harness.inject.tcp import ToxiproxyPlane
from harness.run.front import Address, at
from harness.scenario.faultkeys import PARTS
from harness.spool import SPANS
from harness.stack.ports import free_port

COLLECTOR = PARTS[3]


@dataclass(frozen=True, slots=True)
class Collector:
    """Where the client sends its spans: the proxies' addresses, for HTTP and for gRPC."""

    address: Address
    grpc: Address

    @property
    def orders(self) -> Mapping[str, str]:
        """What the generators are told."""
        return {"collector": f"http://{at(self.address)}", "collector_grpc": at(self.grpc)}


def start_collector(spool: Path, host: str, plane: ToxiproxyPlane, undo: ExitStack) -> Collector:
    """Start it; spans go into the spool folder. Raises PartMissing where opentelemetry-proto is."""
    from harness.otlp import Receiver  # a run without tracing shall not wait for protobuf

    receiver = Receiver(spool / SPANS)
    undo.callback(receiver.stop)
    collector = Collector((host, free_port()), (host, free_port()))
    plane.listen(COLLECTOR, at(collector.address), f"127.0.0.1:{receiver.port}", part=COLLECTOR)
    plane.listen(f"{COLLECTOR}-grpc", at(collector.grpc), f"127.0.0.1:{receiver.grpc_port}", part=COLLECTOR)
    return collector
