"""A VirtualService's match as Envoy's route match (istio pilot/pkg/networking/core/route, TranslateRouteMatch)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.mesh.virtual_service import HTTPMatchRequest, StringMatch

Json = dict[str, Any]


def envoy_match(match: HTTPMatchRequest | None) -> Json:
    """Envoy's RouteMatch; everything for None."""
    if match is None:
        return {"prefix": "/"}
    out = _path(match.uri)
    out["case_sensitive"] = not match.ignore_uri_case
    if headers := [*_headers(match), *_pseudo_headers(match)]:
        out["headers"] = headers
    if queries := [_comparison(name, how) for name, how in sorted((match.query_params or {}).items())]:
        out["query_parameters"] = queries
    return out


def string_match(how: StringMatch) -> Json | None:
    """Envoy's StringMatcher; None when nothing is compared."""
    if how.exact is not None:
        return {"exact": how.exact}
    if how.prefix is not None:
        return {"prefix": how.prefix}
    return {"safe_regex": {"regex": how.regex}} if how.regex is not None else None


def catches_all(match: Mapping[str, Any]) -> bool:
    """True for a match that nothing gets past: path `/` or `.*` and no further condition."""
    everything = match.get("prefix") == "/" or match.get("safe_regex", {}).get("regex") == ".*"
    return everything and not match.get("headers") and not match.get("query_parameters")


def _path(uri: StringMatch | None) -> Json:
    if uri is None:
        return {"prefix": "/"}
    if uri.exact is not None:
        return {"path": uri.exact}
    if uri.prefix is not None:
        return {"prefix": uri.prefix}
    return {"safe_regex": {"regex": uri.regex}} if uri.regex is not None else {"prefix": "/"}


def _headers(match: HTTPMatchRequest) -> list[Json]:
    wanted = [_comparison(name, how) for name, how in (match.headers or {}).items()]
    unwanted = []
    for name, how in (match.without_headers or {}).items():
        comparison = _comparison(name, how) | {"invert_match": True}
        if not _presence(how):
            comparison["treat_missing_header_as_empty"] = True
        unwanted.append(comparison)
    return sorted([*wanted, *unwanted], key=lambda header: str(header["name"]))


def _pseudo_headers(match: HTTPMatchRequest) -> list[Json]:
    pairs = ((":method", match.method), (":authority", match.authority), (":scheme", match.scheme))
    return [_comparison(name, how) for name, how in pairs if how is not None]


def _comparison(name: str, how: StringMatch) -> Json:
    if _presence(how):
        return {"name": name, "present_match": True}
    return {"name": name, "string_match": string_match(how)}


def _presence(how: StringMatch) -> bool:
    """`*` is no RE2 expression; Istio takes it, and an empty match, for "is present"."""
    return how.regex == "*" or (how.exact is None and how.prefix is None and how.regex is None)
