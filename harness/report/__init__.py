"""Reports: one file a format, each a pure function of a loaded run and its judgement.

`FORMATS[name].render(run, judgement)` gives the bytes of a file; add a format by one more function and one line here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.evidence import Run
    from harness.laws.judge import Judgement


@dataclass(frozen=True, slots=True)
class Format:
    """One format: its name, the usual file name, what it is for, and `module:function` of its renderer."""

    name: str
    file: str
    doc: str
    renderer: str

    def render(self, run: Run, judgement: Judgement) -> bytes:
        """The report in this format; what it needs is imported now, so that listing formats stays quick."""
        module, function = self.renderer.split(":")
        found: Callable[[Run, Judgement], bytes] = getattr(import_module(module), function)
        return found(run, judgement)


_ALL = (
    Format(
        "html", "report.html", "one page with verdicts, evidence and plots; opens offline", "harness.report.html:render"
    ),
    Format("terminal", "report.txt", "verdicts as plain lines", "harness.report.terminal:render"),
    Format("json", "verdicts.json", "verdicts for programs, versioned schema", "harness.report.verdicts:render"),
    Format("junit", "junit.xml", "a test case a law, for CI systems", "harness.report.junit:render"),
    Format("github", "summary.md", "step summary for GitHub Actions", "harness.report.github:render"),
    Format(
        "otlp", "otlp.jsonl", "phases, faults and verdicts as OTLP spans and metrics", "harness.report.telemetry:otlp"
    ),
    Format(
        "prometheus", "metrics.prom", "verdicts and faults as Prometheus text", "harness.report.telemetry:prometheus"
    ),
    Format(
        "schedule",
        "schedule.jsonl",
        "when calls were meant to start, for load.replay",
        "harness.report.schedule:render",
    ),
    Format(
        "hdr",
        "latency.hlog",
        "times by operation, phase and outcome as an HdrHistogram log",
        "harness.report.hdr:render",
    ),
    Format("annotations", "annotations.txt", "GitHub's ::error lines for stdout", "harness.report.github:commands"),
)

FORMATS: Mapping[str, Format] = {each.name: each for each in _ALL}
