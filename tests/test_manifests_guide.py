"""The guide's manifests break the rules that they must, where they must; the fixed ones beside them break none."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import EXIT_FAILED, EXIT_OK
from harness.manifests import audit, audit_command
from harness.mesh import documents_of, predict, translate

DEPLOY = Path(__file__).resolve().parent.parent / "deploy"

GUIDE = {
    ("istio/guide/destination-rule.yaml", "I4/ejects-nobody", "one of 3 endpoints is 33 %"),
    ("istio/guide/destination-rule.yaml", "I4/consecutive-errors-dropped", "dropped"),
    ("istio/guide/destination-rule.yaml", "I5/subset-without-pods", "tier=premium"),
    ("istio/guide/destination-rule.yaml", "R6/no-retry-cap", "4 times"),
    ("istio/guide/destination-rule.yaml", "I7/idle-race", "5 s"),
    ("istio/guide/virtual-service.yaml", "R8/post-sent-again", "POST is sent again"),
    ("istio/guide/virtual-service.yaml", "T5/tries-do-not-fit", "4 x 10 s = 40 s > 30 s"),
    ("istio/guide/virtual-service.yaml", "T4/caller-gives-up-first", "perTryTimeout 10 s is not below the caller's"),
    ("istio/guide/virtual-service.yaml", "I3/route-without-timeout", "high-performance"),
    ("istio/guide/deployment.yaml", "H1/probe-path-missing", "`/ready`"),
    ("istio/guide/deployment.yaml", "H2/liveness-follows-stores", "restarted"),
    ("kubernetes/guide/deployment.yaml", "KATO/sessions-in-memory", "REDIS_HOST"),
    ("kubernetes/guide/deployment.yaml", "KATO/variable-never-read", "PROCESSOR_ID"),
    ("kubernetes/guide/deployment.yaml", "K8S/memory-limit-below-workers", "512Mi for 4 workers"),
    ("kubernetes/guide/deployment.yaml", "D5/lock-per-worker", "overwrite each other"),
    ("kubernetes/guide/config-map.yaml", "K8S/configured-never-consumed", "kato-config"),
    ("kubernetes/guide/secret.yaml", "SEC/secret-in-file", "clickhouse-password"),
    ("kubernetes/guide/secret.yaml", "K8S/configured-never-consumed", "redis-password"),
    ("linkerd/guide/deployment.yaml", "LINKERD/annotation-misplaced", "linkerd.io/inject"),
    ("linkerd/guide/deployment.yaml", "LINKERD/no-timeout", "never end"),
    ("linkerd/guide/deployment.yaml", "LINKERD/no-failure-accrual", "errors"),
    ("consul/guide/kato.hcl", "CONSUL/upstream-bypassed", "clickhouse"),
    ("consul/guide/kato.hcl", "CONSUL/clickhouse-native-port", "9000"),
    ("consul/guide/kato.hcl", "H3/consul-check-blind", "200 with every store down"),
}


@pytest.mark.parametrize(("file", "rule", "words"), sorted(GUIDE))
def test_the_guides_defects_are_named_where_they_stand(file: str, rule: str, words: str) -> None:
    found = [each for each in audit([(DEPLOY / file).parent]) if each.rule == rule and file in each.where]
    assert any(words in each.reason for each in found), found


@pytest.mark.parametrize("folder", ["kubernetes", "istio", "linkerd", "consul"])
def test_the_fixed_manifests_break_nothing(folder: str) -> None:
    assert audit([DEPLOY / folder / "fixed"]) == []
    assert audit_command([DEPLOY / folder / "fixed"])[1] == EXIT_OK
    assert audit_command([DEPLOY / folder / "guide"])[1] == EXIT_FAILED


@pytest.mark.parametrize(("folder", "said"), [("linkerd", True), ("kubernetes", False), ("consul", False)])
def test_the_audit_says_that_linkerd_is_not_run(folder: str, said: bool) -> None:
    """Nothing of ours proves what its files promise."""
    for version in ("guide", "fixed"):
        assert ("Linkerd: not run" in audit_command([DEPLOY / folder / version])[0]) == said


def test_every_finding_stands_on_a_line_that_is_there_and_has_a_cure() -> None:
    for finding in audit([DEPLOY]):
        file, line, column = finding.where.rsplit(":", 2)
        text = Path(file).read_text(encoding="utf-8").splitlines()[int(line) - 1]
        assert int(column) <= len(text)
        assert finding.cure


def test_the_guides_mesh_and_the_fixed_one_differ_in_what_they_promise() -> None:
    def traffic(version: str):  # type: ignore[no-untyped-def]
        return predict(translate(documents_of(sorted((DEPLOY / "istio" / version).glob("*.yaml")))))

    guide, fixed = traffic("guide"), traffic("fixed")
    assert any(route.worst_ns is None for route in guide.routes)
    assert all(route.worst_ns is not None and route.worst_ns <= 4 * 10**9 for route in fixed.routes)
    assert {cluster.ejection.after(503) for cluster in guide.clusters} == {None}
    assert {cluster.ejection.after(503) for cluster in fixed.clusters} == {5}
    assert [route.resends_writes for route in fixed.routes if "GET" not in route.name] == [(), ()]
