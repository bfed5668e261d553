"""JUnit XML: a test suite a run, a test case a law or SLO, as CI systems show them.

A failure that decides the exit code is a failure, an invalid verdict an error; what was not proven is skipped with its
reason, so that it is seen and never counts as passed; a failure that is accepted or only watched is skipped likewise.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite
from junitparser.junitparser import FinalResult

from harness.model import SloResult, Verdict
from harness.report.summary import moves_exit, place_of, standing, worst_first
from harness.report.words import status_label

if TYPE_CHECKING:
    from harness.evidence import Run
    from harness.laws.judge import Judgement

_FORBIDDEN = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(run: Run, judgement: Judgement) -> bytes:
    """The judgement as JUnit XML."""
    described = run.manifest.get("run", {})
    suite = TestSuite(f"{described.get('name', run.folder.name)} [{described.get('integration', 'unknown')}]")
    if described.get("started"):
        suite.timestamp = str(described["started"])
    for verdict in worst_first(judgement.verdicts):
        suite.add_testcase(_law_case(run, verdict, suite.name))
    for slo in judgement.slos:
        suite.add_testcase(_slo_case(slo, suite.name))
    document = JUnitXml()
    document.add_testsuite(suite)
    document.update_statistics()  # type: ignore[no-untyped-call]
    return bytes(document.tostring())  # type: ignore[no-untyped-call]


def _law_case(run: Run, verdict: Verdict, suite: str) -> TestCase:
    case = TestCase(f"{verdict.law} {verdict.name}", classname=suite)
    place = place_of(verdict, run.manifest)
    told = [
        f"where: {place}" if place else "",
        f"measured: {verdict.measured}" if verdict.measured else "",
        f"bound: {verdict.bound}" if verdict.bound else "",
        f"cure: {verdict.cure}" if verdict.cure else "",
        *(f"witness: {', '.join(f'{key}={value}' for key, value in row.items())}" for row in verdict.witnesses),
    ]
    return _complete(case, verdict, "\n".join(line for line in told if line), standing(verdict))


def _slo_case(slo: SloResult, suite: str) -> TestCase:
    case = TestCase(f"SLO {slo.name}", classname=suite)
    return _complete(case, slo, f"{slo.expression}\nmeasured: {slo.measured}\nsamples: {slo.samples}", "")


def _complete(case: TestCase, verdict: Verdict | SloResult, details: str, notes: str) -> TestCase:
    reason = f"{verdict.reason} ({notes})" if notes else verdict.reason
    match verdict.status:
        case "pass":
            case.system_out = _printable(f"{reason}\n{details}")
        case "fail" if moves_exit(verdict):
            case.result = _result(Failure, reason, details)
        case "invalid" if moves_exit(verdict):
            case.result = _result(Error, reason, details)
        case status:
            case.result = _result(Skipped, f"{status_label(status)}: {reason}", details)
    return case


def _result(kind: type[Failure | Error | Skipped], message: str, details: str) -> list[FinalResult]:
    result = kind(_printable(message))
    result.text = _printable(details)
    return [result]


def _printable(text: str) -> str:
    """Without the control characters that XML 1.0 forbids; an exception's text may hold any."""
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)
