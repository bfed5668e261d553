"""Which route takes a request: Envoy's route matching as a pure function (config.route.v3.RouteMatch)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl


def route_for(
    routes: Sequence[Mapping[str, Any]], method: str, path: str, headers: Mapping[str, str], authority: str = "kato"
) -> int | None:
    """The index of the first route that matches; None where none does, which Envoy answers with 404.

    `path` may have a query; header names are compared without regard to case.
    """
    told = {name.lower(): value for name, value in headers.items()}
    told |= {":method": method, ":authority": authority, ":scheme": "http", ":path": path}
    for index, route in enumerate(routes):
        if _matches(route["match"], path, told):
            return index
    return None


def _matches(match: Mapping[str, Any], path: str, headers: Mapping[str, str]) -> bool:
    bare, _, query = path.partition("?")
    asked = dict(parse_qsl(query, keep_blank_values=True))
    return (
        _path(match, bare)
        and all(_compared(how, headers) for how in match.get("headers", ()))
        and all(_compared(how, asked) for how in match.get("query_parameters", ()))
    )


def _path(match: Mapping[str, Any], path: str) -> bool:
    if "safe_regex" in match:
        return re.fullmatch(match["safe_regex"]["regex"], path) is not None
    exact = "path" in match
    wanted = match["path"] if exact else match.get("prefix", "/")
    if not match.get("case_sensitive", True):
        wanted, path = wanted.lower(), path.lower()
    return path == wanted if exact else path.startswith(wanted)


def _compared(how: Mapping[str, Any], values: Mapping[str, str]) -> bool:
    name = how["name"]
    value = values.get(name.lower(), values.get(name))
    if value is None and how.get("treat_missing_header_as_empty"):
        value = ""
    if value is None:
        # A header that isn't there matches no comparison, and its inversion neither, unless presence is asked for.
        return bool(how.get("invert_match")) and "present_match" in how
    found = "present_match" in how or _equals(how.get("string_match", {}), value)
    return found != bool(how.get("invert_match"))


def _equals(how: Mapping[str, Any], value: str) -> bool:
    if "exact" in how:
        return bool(value == how["exact"])
    if "prefix" in how:
        return value.startswith(how["prefix"])
    return "safe_regex" in how and re.fullmatch(how["safe_regex"]["regex"], value) is not None
