"""A VirtualService without hosts lends its routes to those that delegate to it (istio virtualservice.go)."""

from __future__ import annotations

from typing import Any

import pytest
from mesh_yaml import CLUSTER, HOST, Json, translated, virtual_service

from harness.mesh import ManifestError

REST = {"route": [{"destination": {"host": "kato"}}]}


def child(*http: Json, namespace: str = "team", **spec: Any) -> Json:
    """The VirtualService `child` of a team, whose routes lead to kato."""
    to = [{"destination": {"host": HOST}}]
    document = virtual_service(*({"route": to, **each} for each in http), **spec)
    del document["spec"]["hosts"]
    return document | {"metadata": {"name": "child", "namespace": namespace}}


def root(**more: Any) -> Json:
    return virtual_service({"delegate": {"name": "child", "namespace": "team"}, **more}, REST)


def matched(*documents: Json) -> list[Json]:
    """The matches of the delegated routes, without the root's last one."""
    return [route["match"] for route in translated(*documents).routes][:-1]


API = {"uri": {"prefix": "/api"}}


@pytest.mark.parametrize(
    ("outer", "inner", "expected"),
    [
        (API, {"uri": {"prefix": "/api/v1"}}, {"prefix": "/api/v1"}),
        (API, {"uri": {"exact": "/api"}}, {"path": "/api"}),
        (API, {"uri": {"prefix": "/other"}}, None),
        (API, {"uri": {"regex": "/api/.*"}}, None),
        ({"uri": {"regex": "/api"}}, {"uri": {"exact": "/api"}}, None),
        ({"uri": {"exact": "/api"}}, {"uri": {"exact": "/api"}}, {"path": "/api"}),
        ({"uri": {"exact": "/api"}}, {"uri": {"prefix": "/api"}}, None),
        (API, {"uri": {"prefix": "/api"}, "ignoreUriCase": True}, None),
        ({"port": 19500}, {"port": 8080}, None),
        ({"sourceNamespace": "default"}, API, None),
        ({"sourceLabels": {"app": "a"}}, {"sourceLabels": {"app": "b"}}, None),
        ({"gateways": ["mesh"]}, {"gateways": ["mesh", "edge"]}, None),
    ],
)
def test_a_delegates_match_counts_as_far_as_it_is_a_part_of_the_roots(
    outer: Json, inner: Json, expected: Json | None
) -> None:
    found = matched(root(match=[outer]), child({"match": [inner]}))
    assert found == ([] if expected is None else [expected | {"case_sensitive": True}])


def test_conditions_are_joined() -> None:
    (found,) = matched(
        root(match=[{**API, "headers": {"a": {"exact": "1"}}}]),
        child({"match": [{"method": {"exact": "GET"}, "headers": {"b": {"exact": "2"}}}]}),
    )
    assert found["prefix"] == "/api"
    assert [header["name"] for header in found["headers"]] == ["a", "b", ":method"]


def test_a_delegate_inherits_what_it_does_not_say() -> None:
    routes = translated(
        root(name="r", timeout="3s", retries={"attempts": 1}, match=[API]),
        child({"name": "s"}, {"timeout": "1s", "match": [{"uri": {"prefix": "/api/v1"}}]}),
    ).routes
    assert [(route.get("name"), route["route"]["timeout"]) for route in routes] == [
        ("r-s", "3s"),
        ("r", "1s"),
        (None, "0s"),
    ]
    assert [route["route"]["retry_policy"]["num_retries"] for route in routes] == [1, 1, 2]
    assert {route["route"]["cluster"] for route in routes} == {CLUSTER}


@pytest.mark.parametrize(
    "documents",
    [
        (root(),),
        (root(), child({}, exportTo=["."])),
        (virtual_service({"delegate": {"name": "child"}}, REST), child({})),
    ],
)
def test_a_delegate_that_istio_would_not_find_is_refused(documents: tuple[Json, ...]) -> None:
    with pytest.raises(ManifestError, match=r"delegate `.*child`"):
        translated(*documents)
