"""What a fault kind is: parameters, how it is carried, how it is proved and where the client felt it.

Adding a kind is one small file that makes a FaultKind, and one line in the registry in `__init__.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

Plane = Literal["toxiproxy", "witness", "process", "store", "registry", "broker", "subject", "external"]
ParamType = Literal["duration", "bytes", "int", "number", "text", "choice", "retry_after", "steps"]

REQUIRED: Final = object()
"""The default of a parameter that must be given."""

DIRECTIONS = ("downstream", "upstream", "both")


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter: durations are float seconds and sizes int bytes once a scenario is resolved.

    `least` bounds numbers, durations and sizes from below; `choices` are the words of a `choice`.
    """

    name: str
    type: ParamType
    default: Any
    doc: str
    choices: tuple[str, ...] = ()
    least: float | None = None

    @property
    def required(self) -> bool:
        """True when a scenario must give it."""
        return self.default is REQUIRED


def direction(default: str = "downstream") -> Param:
    """The parameter that all directed TCP faults have: downstream is from KATO to the client."""
    return Param("direction", "choice", default, "downstream (replies), upstream (requests) or both", DIRECTIONS)


@dataclass(frozen=True, slots=True)
class Toxic:
    """One toxic as Toxiproxy wants it; `stream` is downstream or upstream, attributes are integers."""

    type: str
    stream: str
    attributes: Mapping[str, int]


def toxics_of(type: str, params: Mapping[str, Any], **attributes: int) -> tuple[Toxic, ...]:
    """A toxic in each direction that `params` names."""
    both = ("downstream", "upstream") if params["direction"] == "both" else (params["direction"],)
    return tuple(Toxic(type, stream, attributes) for stream in both)


def ms(seconds: float) -> int:
    """Whole milliseconds, as Toxiproxy counts."""
    return round(seconds * 1_000)


@dataclass(frozen=True, slots=True)
class Ask:
    """How a canary proves a kind: what it asks for on a fresh connection and how long it listens.

    `down_bytes` is the size of the reply asked for, `up_bytes` that of the request's body. `until_close`: wait for
    the peer to close after the whole reply. `marked`: with the canary header, so that KATO never hears of it.
    """

    wait_s: float = 0.5
    path: str = "/"
    down_bytes: int = 2
    up_bytes: int = 0
    until_close: bool = False
    marked: bool = True


@dataclass(frozen=True, slots=True)
class Probe:
    """What one canary request saw. `outcome` is a word of model.ERRORS, '' for a whole reply.

    Times are ns on the run's clock, 0 for what did not happen. `body` is its first 4 KiB, `size` what was received of
    it, `length` what its content-length announced (-1: none), `chunks_ns` when parts of it came.
    """

    start_ns: int
    end_ns: int
    outcome: str = ""
    connected_ns: int = 0
    headers_ns: int = 0
    closed_ns: int = 0
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    size: int = 0
    length: int = -1
    chunks_ns: tuple[int, ...] = ()

    @property
    def took_s(self) -> float:
        """From before the connection until the last byte, or until it failed (s)."""
        return (self.end_ns - self.start_ns) / 1e9


class Evidence(Protocol):
    """The part of a history that `felt` reads: columns by name, times in ns."""

    @property
    def attempts(self) -> Any: ...

    @property
    def arrivals(self) -> Any: ...


FaultRow = Mapping[str, Any]
"""One row of the table `faults`: name, applied_ns, effective_ns, cleared_ns (0: never), params and more."""


@dataclass(frozen=True, slots=True)
class FaultKind:
    """One kind of fault.

    `toxics(params)` is None where Toxiproxy doesn't carry the kind (a store fault's act before that store); no toxics
    at all means: the proxy is disabled.
    `effective(params, probes)` is True when one of the probes suffered it, `felt(history, row)` the time (ns) at which
    the first attempt or arrival of the client did, 0 for never. `check(params)` names what is wrong between
    parameters. `reveals` are ids of laws. `destructive`: may leave a target other than before.
    """

    name: str
    plane: Plane
    doc: str
    params: tuple[Param, ...]
    reveals: tuple[str, ...]
    effective: Callable[[Mapping[str, Any], Sequence[Probe]], bool]
    felt: Callable[[Evidence, FaultRow], int]
    toxics: Callable[[Mapping[str, Any]], tuple[Toxic, ...] | None] = lambda params: None
    ask: Callable[[Mapping[str, Any]], Ask] = lambda params: Ask()
    check: Callable[[Mapping[str, Any]], tuple[str, ...]] = lambda params: ()
    destructive: bool = False

    def complete(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """`params` with the defaults of those that are absent."""
        defaults = {param.name: param.default for param in self.params if not param.required}
        return {**defaults, **params}
