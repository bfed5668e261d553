"""Header operations as Envoy's (istio pilot/pkg/networking/core/route, TranslateHeadersOperations)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.mesh.virtual_service import HeaderOperations, Headers

Json = dict[str, Any]


def envoy_headers(headers: Headers | None) -> Json:
    """`request_headers_to_add` and the like, without the authority; empty for None."""
    if headers is None:
        return {}
    out: Json = {}
    for side, operations in (("request", headers.request), ("response", headers.response)):
        if operations is None:
            continue
        if added := [*_options(operations.set, overwrite=True), *_options(operations.add, overwrite=False)]:
            out[f"{side}_headers_to_add"] = added
        if removed := [name for name in operations.remove if not _internal(name)]:
            out[f"{side}_headers_to_remove"] = removed
    return out


def authority(headers: Headers | None) -> str:
    """The authority that the request operations write; `set` goes before `add`."""
    request = headers.request if headers is not None and headers.request is not None else HeaderOperations()
    return _authority(request.set) or _authority(request.add)


def joined(outer: Json, inner: Json) -> Json:
    """Two sets of operations, the inner one's after the outer one's."""
    return {key: [*outer.get(key, ()), *inner.get(key, ())] for key in {**outer, **inner}}


def _options(headers: Mapping[str, str] | None, *, overwrite: bool) -> list[Json]:
    """Sorted by name as Istio sorts them. Appending is the enum's zero and so isn't written."""
    action = {"append_action": "OVERWRITE_IF_EXISTS_OR_ADD"} if overwrite else {}
    return [
        {"header": {"key": name, "value": value} if value else {"key": name}, **action}
        for name, value in sorted((headers or {}).items())
        if not _internal(name)
    ]


def _authority(headers: Mapping[str, str] | None) -> str:
    return next((value for name, value in (headers or {}).items() if name.lower() in (":authority", "host")), "")


def _internal(name: str) -> bool:
    """Envoy doesn't let these be changed as headers."""
    return name.startswith(":") or name.lower() == "host"
