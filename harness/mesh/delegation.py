"""Routes that one VirtualService delegates to another (istio pilot/pkg/model/virtualservice.go, MergeHTTPRoutes)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from harness.mesh.virtual_service import HTTPMatchRequest, HTTPRoute, StringMatch

_INHERITED = (
    "rewrite",
    "direct_response",
    "timeout",
    "retries",
    "fault",
    "mirror",
    "mirror_percent",
    "mirror_percentage",
    "cors_policy",
    "mirrors",
    "headers",
)


def delegated(root: HTTPRoute, routes: Iterable[HTTPRoute]) -> tuple[HTTPRoute, ...]:
    """The routes of the delegate as they stand in the root's place.

    Like Istio it leaves out a route whose matches go beyond the root's.
    """
    merged = ((own, _matches(root.match, own.match)) for own in routes)
    return tuple(_route(root, own, matches) for own, matches in merged if matches is not None)


def _route(root: HTTPRoute, own: HTTPRoute, matches: tuple[HTTPMatchRequest, ...]) -> HTTPRoute:
    taken = {name: getattr(root, name) for name in _INHERITED if getattr(own, name) in (None, ())}
    return replace(own, match=matches, name=_named(root.name, own.name), **taken)


def _named(root: str, own: str) -> str:
    return "-".join(name for name in (root, own) if name)


def _matches(root: Sequence[HTTPMatchRequest], own: Sequence[HTTPMatchRequest]) -> tuple[HTTPMatchRequest, ...] | None:
    """Every pair that doesn't conflict; None when one of the delegate's is in none of the root's."""
    if not root or not own:
        return tuple(root or own)
    fitting = [[_match(outer, inner) for outer in root if not _conflict(outer, inner)] for inner in own]
    return tuple(match for each in fitting for match in each) if all(fitting) else None


def _match(root: HTTPMatchRequest, own: HTTPMatchRequest) -> HTTPMatchRequest:
    return replace(
        own,
        name=_named(root.name, own.name),
        uri=own.uri or root.uri,
        scheme=own.scheme or root.scheme,
        method=own.method or root.method,
        authority=own.authority or root.authority,
        headers={**(root.headers or {}), **(own.headers or {})},
        without_headers={**(root.without_headers or {}), **(own.without_headers or {})},
        query_params={**(root.query_params or {}), **(own.query_params or {})},
        port=own.port or root.port,
        source_labels={**(root.source_labels or {}), **(own.source_labels or {})},
        source_namespace=own.source_namespace or root.source_namespace,
        gateways=own.gateways or root.gateways,
        stat_prefix=own.stat_prefix or root.stat_prefix,
    )


def _conflict(root: HTTPMatchRequest, own: HTTPMatchRequest) -> bool:
    """True where `own` isn't a part of what `root` matches."""
    words = ((root.uri, own.uri), (root.scheme, own.scheme), (root.method, own.method), (root.authority, own.authority))
    named = ((root.headers, own.headers), (root.without_headers, own.without_headers),
             (root.query_params, own.query_params))  # fmt: skip
    return (
        any(_strings_conflict(outer, inner) for outer, inner in words)
        or any(_named_conflict(outer or {}, inner or {}) for outer, inner in named)
        or root.ignore_uri_case != own.ignore_uri_case
        or bool(root.port and own.port and root.port != own.port)
        or bool(root.source_namespace and root.source_namespace != own.source_namespace)
        or _labels_conflict(root.source_labels or {}, own.source_labels or {})
        or bool(root.gateways and own.gateways and not set(own.gateways) <= set(root.gateways))
    )


def _labels_conflict(root: Mapping[str, str], own: Mapping[str, str]) -> bool:
    return any(root.get(key, value) != value for key, value in own.items())


def _named_conflict(root: Mapping[str, StringMatch], own: Mapping[str, StringMatch]) -> bool:
    return any(_strings_conflict(root.get(key), how) for key, how in own.items())


def _strings_conflict(root: StringMatch | None, own: StringMatch | None) -> bool:
    """Only equal words, and words under a prefix, are a part of the root's; a regular expression never is."""
    if root is None or own is None:
        return False
    if root.exact:
        return own.exact != root.exact
    inner = own.prefix or own.exact
    return not (root.prefix and inner and inner.startswith(root.prefix))
