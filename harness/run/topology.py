"""What stands between the client and KATO in one run: how many instances with which labels, and who leads to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

from harness.errors import UsageError
from harness.scenario import Scenario
from harness.scenario.secrets import reveal
from harness.scenario.topology import Discovery, StoreAt

if TYPE_CHECKING:
    from harness.mesh import Translation

Labels = Mapping[str, str]
PLAIN: tuple[Labels, ...] = ({},)


@dataclass(frozen=True, slots=True)
class Layout:
    """`labels`: one mapping an instance; `labels_from` says whence: given, workloads, subsets or none.

    `translation` is the mesh's policy and `discovery` the registry's, both with their times already scaled.
    """

    labels: tuple[Labels, ...] = PLAIN
    labels_from: str = "none"
    balance: str = "round_robin"
    discovery: Discovery = field(default_factory=Discovery)
    translation: Translation | None = None
    files: tuple[str, ...] = ()
    scale: float = 1.0
    queue: bool = False
    stores: Mapping[str, StoreAt] = field(default_factory=dict)
    """How the stores that faults hit are reached, on a KATO that we didn't start."""
    collector: str = "none"

    @property
    def replicas(self) -> int:
        """How many instances there are."""
        return len(self.labels)

    @property
    def plain(self) -> bool:
        """One instance, with nothing before it but our proxy."""
        return self.replicas == 1 and self.translation is None and self.discovery.kind == "none"

    @property
    def parts(self) -> frozenset[str]:
        """What stands before KATO, in the words of laws."""
        asked = {
            "mesh": self.translation is not None,
            "registry": self.discovery.kind != "none",
            "queue": self.queue,
            "collector": self.collector != "none",
        }
        return frozenset(part for part, there in asked.items() if there)


def layout_of(scenario: Scenario, scale: float) -> Layout:
    """The layout that a scenario asks for; raises UsageError, or ManifestError for mesh files that don't make sense.

    On a KATO at a URL there is one way to it: its replicas are its own.
    """
    stores = {} if scenario.target.embedded else _stores(scenario)
    return replace(_layout(scenario, scale), stores=stores, collector=scenario.topology.collector)


def _layout(scenario: Scenario, scale: float) -> Layout:
    topology = scenario.topology
    asked = topology.replicas if scenario.target.embedded else 1
    files = topology.mesh.get("istio", ())
    if files:
        return _meshed(files, asked, scale)
    labels = asked if isinstance(asked, tuple) else ({},) * (asked or 1)
    told = topology.discovery
    times = {name: getattr(told, name) * scale for name in ("interval", "timeout", "ttl")}
    source = "given" if isinstance(asked, tuple) else "none"
    return Layout(labels, source, topology.balance, replace(told, **times), scale=scale)


def _stores(scenario: Scenario) -> dict[str, StoreAt]:
    """Where Toxiproxy is before each store that a fault hits."""
    hit = sorted({fault.params["store"] for fault in scenario.faults if fault.kind == "store"})
    return {store: StoreAt(**reveal(asdict(scenario.topology.stores.get(store, StoreAt())))) for store in hit}


def _meshed(files: tuple[str, ...], asked: int | tuple[Labels, ...] | None, scale: float) -> Layout:
    # A run without a mesh shall not wait for it.
    from harness.mesh import documents_of, replica_labels, scaled, translate

    documents = documents_of(files)
    if isinstance(asked, tuple):
        labels, source = asked, "given"
    else:
        labels, source = replica_labels(translate(documents), asked)
    translation = scaled(translate(documents, labels), scale)
    if not translation.virtual_hosts:
        what = f"the mesh files name no host to route to: {', '.join(files)}"
        raise UsageError(what, "give a VirtualService or a DestinationRule for KATO's service")
    return Layout(labels, source, translation=translation, files=files, scale=scale)
