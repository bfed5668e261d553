"""What the translator doesn't understand it refuses by name and place; it drops nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.mesh import ManifestError, duration, load, translate, translate_command

VIRTUAL_SERVICE = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: kato
spec:
  hosts: [kato]
  http:
  - route:
    - destination:
        host: kato
    {line}
"""
RULE = """\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: kato
spec:
  host: kato
  trafficPolicy:
    {line}
"""


def problems(text: str) -> list[tuple[int, int, str, str]]:
    with pytest.raises(ManifestError) as caught:
        translate(load(text, "kato.yaml"))
    return [(problem.line, problem.column, problem.what, problem.cure) for problem in caught.value.problems]


REFUSED = {
    "retrys: {attempts: 3}": ("unknown field `retrys`", "did you mean `retries`?"),
    "retries: {attempts: three}": ("`attempts` is `three`, a whole number is needed", ""),
    "retries: {attempts: true}": ("`attempts` is true, a whole number is needed", ""),
    "timeout: 30": ("`timeout` is 30, a duration is needed", "30s"),
    "timeout: 30 s": ("`30 s` is not a duration", "unit"),
    "delegate: {name: other}": ("delegate `default/other` is no VirtualService without hosts", "give its file"),
    "fault: {abort: {http2Error: PROTOCOL}}": ("`http2Error` is not translated", ""),
    "match: {uri: {prefix: /}}": ("`match` is a mapping, a list is needed", ""),
    "headers: [a]": ("a list where a mapping is needed", ""),
    "redirect: {uri: /a, redirectCode: 305}": ("`redirectCode` is 305, one of 0, 301", ""),
    "match: [{uri: {exact: /a, prefix: /a}}]": ("`prefix` beside `exact`", "keep"),
}


@pytest.mark.parametrize("line", REFUSED)
def test_a_route_that_is_not_understood_is_refused_where_it_stands(line: str) -> None:
    ((number, column, what, cure),) = problems(VIRTUAL_SERVICE.format(line=line))
    assert number == 11
    assert column >= 5
    assert REFUSED[line][0] in what
    assert REFUSED[line][1] in cure


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("outlierDetection: {consecutive5xxError: 5}", "unknown field `consecutive5xxError`"),
        ("tls: {mode: SIMPLE}", "`mode` is not translated: the harness's path is plain TCP"),
        ("tls: {mode: MUTUAL, clientCertificate: a}", "`mode` is not translated"),
        ("tunnel: {targetHost: a}", "`tunnel` is not translated"),
        ("loadBalancer: {simple: FASTEST}", "one of UNSPECIFIED"),
        ("connectionPool: {http: {maxRetries: -x}}", "a whole number is needed"),
    ],
)
def test_a_policy_that_is_not_understood_is_refused(line: str, what: str) -> None:
    assert what in problems(RULE.format(line=line))[0][2]


def test_every_problem_is_told_at_once() -> None:
    text = VIRTUAL_SERVICE.format(line="timeout: soon") + "---\n" + RULE.format(line="tunnel: {}\n    speed: 3")
    assert [line for line, *_ in problems(text)] == [11, 20, 21]


@pytest.mark.parametrize(
    "document",
    [
        "apiVersion: networking.istio.io/v1\nkind: EnvoyFilter\nmetadata: {name: x}\nspec: {}\n",
        "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: x}\nspec: {}\n",
        "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: x}\nspec: {}\n",
        "apiVersion: networking.istio.io/v1\nmetadata: {name: x}\n",
    ],
)
def test_documents_that_would_change_traffic_are_refused(document: str) -> None:
    assert problems(document)


def test_two_virtual_services_for_one_host_are_refused() -> None:
    text = VIRTUAL_SERVICE.format(line="timeout: 1s")
    assert "both claim" in problems(f"{text}---\n{text}")[0][2]


def test_two_rules_that_only_their_age_decides_between_are_refused() -> None:
    text = RULE.format(line="loadBalancer: {simple: RANDOM}")
    assert "only the older one counts" in problems(f"{text}---\n{text}")[0][2]


def test_a_headless_service_under_a_policy_is_refused() -> None:
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: kato}\nspec: {clusterIP: None, ports: [{port: 8000}]}\n"
    text = RULE.format(line="loadBalancer: {simple: RANDOM}")
    assert "headless" in problems(f"{service}---\n{text}")[0][2]


def test_a_virtual_service_for_no_known_service_is_refused() -> None:
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: other}\nspec: {ports: [{port: 8000}]}\n"
    text = VIRTUAL_SERVICE.format(line="timeout: 1s")
    assert "no known service" in problems(f"{service}---\n{text}")[0][2]


def test_the_subsets_of_two_rules_are_joined() -> None:
    rule = RULE.split("  trafficPolicy")[0]
    text = "---\n".join(f"{rule}  subsets: [{{name: {name}}}]\n" for name in ("a", "b"))
    names = [name.split("|")[2] for name in translate(load(text, "kato.yaml")).clusters]
    assert sorted(names) == ["", "a", "b"]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a: [", "not valid YAML"),
        ("a: 1\na: 2\n", "`a` stands twice"),
        ("a: {<<: 5}\n", "a merge key `<<` without a mapping"),
        ("{{ if .Values.mesh }}\na: 1\n", "a template, not a manifest"),
        ("a: &x [*x]\n", "contains itself"),
        ("? [a]\n: 1\n", "a key that is not a word"),
    ],
)
def test_text_that_is_no_plain_yaml_is_refused(text: str, what: str) -> None:
    with pytest.raises(ManifestError, match=what):
        load(text, "x.yaml")


def test_an_alias_bomb_is_refused_without_laying_it_out() -> None:
    lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60))]
    with pytest.raises(ManifestError, match="aliases that stand for more than"):
        load("\n".join(lines), "x.yaml")


def test_merge_keys_and_bare_words_mean_what_they_mean_to_kubectl() -> None:
    text = (
        "a: &x {b: 1, c: 2}\nd: {<<: *x, c: 3}\ne: {c: 4, <<: [{f: 5, b: 6}, *x]}\ng: [yes, Off, n, 'yes', yesterday]\n"
    )
    assert load(text, "x.yaml")[0].plain() == {
        "a": {"b": 1, "c": 2},
        "d": {"b": 1, "c": 3},
        "e": {"f": 5, "b": 6, "c": 4},
        "g": [True, False, False, "yes", "yesterday"],
    }


def test_missing_files_are_all_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as caught:
        translate_command([tmp_path / "a.yaml", tmp_path / "b.yaml"])
    assert len(caught.value.problems) == 2


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        documents = load(text, "x.yaml")
    except ManifestError as error:
        assert error.problems
    else:
        assert all(document.line >= 1 for document in documents)


@given(st.integers(min_value=0, max_value=10**15))
def test_a_duration_survives_protobufs_form(ns: int) -> None:
    assert duration.from_proto(duration.proto(ns)) == ns


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("600ms", 600_000_000),
        ("1m30s", 90 * 10**9),
        ("1.5h", 5400 * 10**9),
        ("0", 0),
        ("-2s", -2 * 10**9),
        ("1µs", 1000),
    ],
)
def test_go_durations_are_read(text: str, ns: int) -> None:
    assert duration.parse(text) == ns


@pytest.mark.parametrize("text", ["", "5", "s", "1 s", "1d", "1s2", ".s"])
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        duration.parse(text)
