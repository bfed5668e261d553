"""One audit, four formats; and no manifest, however broken, brings the audit down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from junitparser import JUnitXml

from harness.manifests import RULES, audit, audit_command
from harness.manifests.unit import Unit
from harness.mesh import ManifestError, load, load_file, translate

DEPLOY = Path(__file__).resolve().parent.parent / "deploy"
GUIDE = DEPLOY / "istio" / "guide"


def test_text_names_place_rule_and_cure() -> None:
    text, code = audit_command([GUIDE])
    assert code == 1
    assert "virtual-service.yaml:27:7: error: POST is sent again" in text
    assert "cure: " in text
    assert text.rstrip().endswith("rules")


def test_json_carries_every_finding_and_rule() -> None:
    told = json.loads(audit_command([GUIDE], "json")[0])
    assert len(told["findings"]) == len(audit([GUIDE]))
    assert set(told["findings"][0]) == {"rule", "where", "reason", "cure", "severity"}
    assert {rule["id"] for rule in told["rules"]} == {rule.id for rule in RULES}


def test_sarif_points_at_lines_and_describes_its_rules() -> None:
    told = json.loads(audit_command([GUIDE], "sarif")[0])
    (run,) = told["runs"]
    known = {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    assert told["version"] == "2.1.0"
    assert {result["ruleId"] for result in run["results"]} <= known
    for result in run["results"]:
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"].endswith(".yaml")
        assert place["region"]["startLine"] >= 1
        assert result["level"] in ("error", "warning", "note")


def test_junit_fails_the_gates_and_passes_the_rest() -> None:
    (suite,) = JUnitXml.fromstring(audit_command([GUIDE], "junit")[0].encode())
    failed = {case.name for case in suite if case.result}
    assert failed == {finding.rule for finding in audit([GUIDE]) if finding.severity == "gate"}
    assert suite.tests == len(RULES)


DOCUMENTS = [
    document.plain()
    for folder in ("kubernetes", "istio", "linkerd")
    for version in ("guide", "fixed")
    for file in sorted((DEPLOY / folder / version).glob("*.yaml"))
    for document in load_file(file)
]
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.floats(-2, 2), st.text(max_size=4))
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
)


@st.composite
def mutilated(draw: st.DrawFn) -> list[Any]:
    """Real documents in which something somewhere is replaced by anything."""
    documents = json.loads(json.dumps(draw(st.lists(st.sampled_from(DOCUMENTS), min_size=1, max_size=4))))
    for document in documents:
        node: Any = document
        while isinstance(node, dict | list) and node:
            key: Any = draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
            if draw(st.booleans()) or not isinstance(node[key], dict | list):
                node[key] = draw(VALUES)
                break
            node = node[key]
    return documents


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(mutilated())
def test_no_document_brings_audit_or_translation_down(documents: list[Any]) -> None:
    nodes = tuple(node for document in documents for node in load(json.dumps(document), "x.yaml"))
    unit = Unit(documents=nodes)
    findings = [finding for rule in RULES for finding in rule.findings(unit)]
    assert all(finding.where.count(":") >= 2 and finding.reason and finding.cure for finding in findings)
    try:
        translation = translate(nodes)
    except ManifestError as error:
        assert error.problems
    else:
        json.dumps(translation.as_json())


@pytest.mark.parametrize("form", ["text", "json", "sarif", "junit"])
def test_nothing_wrong_is_said_in_every_format(form: str) -> None:
    text, code = audit_command([DEPLOY / "kubernetes" / "fixed"], form)
    assert code == 0
    assert text.strip()
