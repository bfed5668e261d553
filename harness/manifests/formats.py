"""Findings as text, JSON, SARIF and JUnit: pure functions of the findings and the rules."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any
from urllib.parse import quote

from harness.manifests.rules import Rule
from harness.model import Finding

Render = Callable[[Sequence[Finding], Sequence[Rule]], str]
_LEVELS = {"gate": "error", "warn": "warning", "info": "note"}


def text(findings: Sequence[Finding], rules: Sequence[Rule]) -> str:
    """One finding a paragraph, and a line of totals."""
    out = [
        f"{each.where}: {_LEVELS[each.severity]}: {each.reason} [{each.rule}]\n  cure: {each.cure}" for each in findings
    ]
    counts = Counter(each.severity for each in findings)
    words = {"gate": "error", "warn": "warning", "info": "note"}
    told = ", ".join(f"{counts[key]} {word}{'s' if counts[key] != 1 else ''}" for key, word in words.items())
    return "\n".join([*out, f"{told} by {len(rules)} rules"]) + "\n"


def as_json(findings: Sequence[Finding], rules: Sequence[Rule]) -> str:
    """`findings` with rule, where, reason, cure and severity; `rules` with id, title and severity."""
    told = [{"id": rule.id, "title": rule.title, "severity": rule.severity} for rule in rules]
    document = {"format": 1, "findings": [asdict(finding) for finding in findings], "rules": told}
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def sarif(findings: Sequence[Finding], rules: Sequence[Rule]) -> str:
    """SARIF 2.1.0 for code scanning: one run, each rule described, each finding at its line and column."""
    driver = {
        "name": "kato-harness",
        "rules": [
            {
                "id": rule.id,
                "shortDescription": {"text": rule.title},
                "defaultConfiguration": {"level": _LEVELS[rule.severity]},
            }
            for rule in rules
        ],
    }
    run = {"tool": {"driver": driver}, "results": [_result(finding) for finding in findings]}
    document = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def junit(findings: Sequence[Finding], rules: Sequence[Rule]) -> str:
    """JUnit XML: a case a rule; a gate rule that is broken fails, others say what they found and pass."""
    from junitparser import Failure, JUnitXml, TestCase, TestSuite

    suite = TestSuite("audit")
    by_rule: dict[str, list[Finding]] = {rule.id: [] for rule in rules}
    for finding in findings:
        by_rule.setdefault(finding.rule, []).append(finding)
    for name, found in by_rule.items():
        case = TestCase(name, classname="audit", time=0)
        words = "\n".join(f"{each.where}: {each.reason}\n  cure: {each.cure}" for each in found)
        if any(each.severity == "gate" for each in found):
            failure = Failure(found[0].reason)
            failure.text = words
            case.result = [failure]
        elif words:
            case.system_out = words
        suite.add_testcase(case)
    document = JUnitXml("kato-harness audit")
    document.add_testsuite(suite)
    rendered: bytes = document.tostring()  # type: ignore[no-untyped-call]
    return rendered.decode("utf-8") + "\n"


def _result(finding: Finding) -> dict[str, Any]:
    file, line, column = finding.where.rsplit(":", 2)
    region = {"startLine": int(line), "startColumn": int(column)}
    return {
        "ruleId": finding.rule,
        "level": _LEVELS[finding.severity],
        "message": {"text": f"{finding.reason}. Cure: {finding.cure}."},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": quote(file)}, "region": region}}],
    }


FORMATS: dict[str, Render] = {"text": text, "json": as_json, "sarif": sarif, "junit": junit}
