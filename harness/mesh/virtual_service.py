"""Istio's VirtualService as records (istio.io/api networking/v1alpha3/virtual_service.proto)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from harness.mesh.decode import Duration, OneOf, Refused, Unsigned

GrpcStatus = Literal[
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
]
"""gRPC's status words; a word's place is its code."""


@dataclass(frozen=True, slots=True)
class StringMatch:
    """How a string is compared; with nothing given it only has to be present."""

    exact: Annotated[str | None, OneOf("match")] = None
    prefix: Annotated[str | None, OneOf("match")] = None
    regex: Annotated[str | None, OneOf("match")] = None


@dataclass(frozen=True, slots=True)
class Percent:
    """0 to 100."""

    value: float = 0.0


@dataclass(frozen=True, slots=True)
class PortSelector:
    """A service port by number."""

    number: Unsigned | None = None


@dataclass(frozen=True, slots=True)
class Destination:
    """A service, perhaps one of its subsets and ports."""

    host: str = ""
    subset: str = ""
    port: PortSelector | None = None


@dataclass(frozen=True, slots=True)
class HeaderOperations:
    """What is set, added and removed."""

    set: Mapping[str, str] | None = None
    add: Mapping[str, str] | None = None
    remove: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Headers:
    """Header operations on the way there and back."""

    request: HeaderOperations | None = None
    response: HeaderOperations | None = None


@dataclass(frozen=True, slots=True)
class HTTPMatchRequest:
    """All of it must hold."""

    name: str = ""
    uri: StringMatch | None = None
    scheme: StringMatch | None = None
    method: StringMatch | None = None
    authority: StringMatch | None = None
    headers: Mapping[str, StringMatch] | None = None
    without_headers: Mapping[str, StringMatch] | None = None
    query_params: Mapping[str, StringMatch] | None = None
    ignore_uri_case: bool = False
    port: Unsigned | None = None
    source_labels: Mapping[str, str] | None = None
    source_namespace: str = ""
    gateways: tuple[str, ...] = ()
    stat_prefix: str = ""


@dataclass(frozen=True, slots=True)
class HTTPRouteDestination:
    """One of the weighted destinations."""

    destination: Destination = Destination()
    weight: int = 0
    headers: Headers | None = None


@dataclass(frozen=True, slots=True)
class HTTPRedirect:
    """An answer with a location instead of an upstream."""

    uri: str = ""
    authority: str = ""
    port: Annotated[Unsigned | None, OneOf("redirect_port")] = None
    derive_port: Annotated[Literal["FROM_PROTOCOL_DEFAULT", "FROM_REQUEST_PORT"] | None, OneOf("redirect_port")] = None
    scheme: str = ""
    redirect_code: Literal[0, 301, 302, 303, 307, 308] | None = None
    prefix_rewrite: str = ""


@dataclass(frozen=True, slots=True)
class HTTPBody:
    """The body of a direct response; `bytes` in base64."""

    string: Annotated[str | None, OneOf("specifier")] = None
    bytes: Annotated[str | None, OneOf("specifier")] = None


@dataclass(frozen=True, slots=True)
class HTTPDirectResponse:
    """A fixed answer instead of an upstream."""

    status: Unsigned | None = None
    body: HTTPBody | None = None


@dataclass(frozen=True, slots=True)
class RegexRewrite:
    """A substitution in the path."""

    match: str = ""
    rewrite: str = ""


@dataclass(frozen=True, slots=True)
class HTTPRewrite:
    """What is rewritten before a request is sent on."""

    uri: str = ""
    authority: str = ""
    uri_regex_rewrite: RegexRewrite | None = None


@dataclass(frozen=True, slots=True)
class HTTPRetry:
    """`attempts` counts re-tries; 0 switches them off."""

    attempts: int = 0
    per_try_timeout: Duration | None = None
    retry_on: str = ""
    retry_remote_localities: bool | None = None
    retry_ignore_previous_hosts: bool | None = None
    backoff: Duration | None = None


@dataclass(frozen=True, slots=True)
class Delay:
    """A share of requests waits."""

    percent: int = 0
    fixed_delay: Annotated[Duration | None, OneOf("delay")] = None
    exponential_delay: Annotated[Duration | None, OneOf("delay"), Refused("Istio itself doesn't support it")] = None
    percentage: Percent | None = None


@dataclass(frozen=True, slots=True)
class Abort:
    """A share of requests is answered by the sidecar."""

    http_status: Annotated[int | None, OneOf("error")] = None
    grpc_status: Annotated[GrpcStatus | None, OneOf("error")] = None
    http2_error: Annotated[str | None, OneOf("error"), Refused("Istio itself doesn't support it")] = None
    percentage: Percent | None = None


@dataclass(frozen=True, slots=True)
class HTTPFaultInjection:
    """Faults that the client's sidecar injects."""

    delay: Delay | None = None
    abort: Abort | None = None


@dataclass(frozen=True, slots=True)
class HTTPMirrorPolicy:
    """A copy of a share of requests goes there too."""

    destination: Destination | None = None
    percentage: Percent | None = None


@dataclass(frozen=True, slots=True)
class CorsPolicy:
    """Cross-origin rules, answered by the sidecar."""

    allow_origin: tuple[str, ...] | None = None
    allow_origins: tuple[StringMatch, ...] | None = None
    allow_methods: tuple[str, ...] = ()
    allow_headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    max_age: Duration | None = None
    allow_credentials: bool | None = None
    unmatched_preflights: Literal["UNSPECIFIED", "FORWARD", "IGNORE"] | None = None


@dataclass(frozen=True, slots=True)
class Delegate:
    """A VirtualService without hosts whose routes stand here; "" for the namespace is the root's."""

    name: str = ""
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class HTTPRoute:
    """Any of `match`, then what happens."""

    name: str = ""
    match: tuple[HTTPMatchRequest, ...] = ()
    route: tuple[HTTPRouteDestination, ...] = ()
    redirect: HTTPRedirect | None = None
    direct_response: HTTPDirectResponse | None = None
    delegate: Delegate | None = None
    rewrite: HTTPRewrite | None = None
    timeout: Duration | None = None
    retries: HTTPRetry | None = None
    fault: HTTPFaultInjection | None = None
    mirror: Destination | None = None
    mirrors: tuple[HTTPMirrorPolicy, ...] = ()
    mirror_percent: Unsigned | None = None
    mirror_percentage: Percent | None = None
    cors_policy: CorsPolicy | None = None
    headers: Headers | None = None


@dataclass(frozen=True, slots=True)
class VirtualService:
    """Routes for requests to `hosts`."""

    hosts: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    http: tuple[HTTPRoute, ...] = ()
    tls: Annotated[str | None, Refused("KATO speaks HTTP; TLS routes see no requests")] = None
    tcp: Annotated[str | None, Refused("KATO speaks HTTP; TCP routes see no requests")] = None
    export_to: tuple[str, ...] = ()
