"""pytest: scenario files are collected, one law one test; fixtures start a twin, a fault plane and a run.

    pytest scenarios/ --kato-integration reference

Only YAML files whose first key is `format: kato-harness/1` are taken. A scenario runs once, when its first law is asked
for. Everything heavy is imported then, so that the plugin costs nothing where it isn't used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from harness.judge import Judged
    from harness.model import SloResult, Verdict
    from harness.scenario import Scenario
    from harness.twin.serve import ServedWitness

FIRST_KEY = "format: kato-harness/1"
SKIPPED = ("not_exercised", "not_applicable", "inconclusive")


def pytest_addoption(parser: pytest.Parser) -> None:
    """The command line of `kato-harness run`, as far as it makes sense here."""
    group = parser.getgroup("kato-harness")
    group.addoption("--kato-integration", metavar="NAME|FILE:FACTORY", help="the client under test")
    group.addoption(
        "--kato-profile", choices=("fast", "true"), default="fast", help="fast: a tenth of the guide's times"
    )
    group.addoption("--kato-out", type=Path, help="folder for the run folders; default: reports/runs")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Take scenario files, leave all other YAML alone."""
    if file_path.suffix not in (".yaml", ".yml"):
        return None
    with file_path.open(encoding="utf-8", errors="replace") as file:
        first = next((line for line in file if line.strip() and not line.startswith(("#", "---", "%"))), "")
    return ScenarioFile.from_parent(parent, path=file_path) if first.strip() == FIRST_KEY else None


class ScenarioFile(pytest.File):
    """One scenario file: an item for the run, one for each law and one for each SLO, per cell of its matrix."""

    def collect(self) -> Iterator[pytest.Item]:
        """The items; a mistake in the file is a collection error with all problems."""
        from harness.errors import HarnessError
        from harness.laws import LAWS
        from harness.scenario import cells, load_scenario

        try:
            scenarios = cells(load_scenario(self.path))
        except HarnessError as error:
            raise pytest.Collector.CollectError(str(error)) from None
        for scenario in scenarios:
            once = RunOnce(scenario, self.config)
            label = f"[{scenario.name}]" if len(scenarios) > 1 else ""
            yield RunItem.from_parent(self, name=f"run{label}", once=once)
            for law in LAWS.values():
                yield LawItem.from_parent(self, name=f"{law.id}-{law.name}{label}", once=once, law=law.id)
            for slo in scenario.slos:
                yield SloItem.from_parent(self, name=f"slo-{slo}{label}", once=once, slo=slo)


class RunOnce:
    """A scenario that runs when its judgement is first asked for."""

    def __init__(self, scenario: Scenario, config: pytest.Config) -> None:
        self._scenario = scenario
        self._config = config

    @cached_property
    def judged(self) -> Judged:
        """The run, judged, its report written."""
        from harness.judge import judge_folder, write_reports
        from harness.run import Options
        from harness.run.execute import execute
        from harness.run.prepare import prepare

        out: Path | None = self._config.getoption("--kato-out")
        options = Options(
            integration=self._config.getoption("--kato-integration"),
            profile=self._config.getoption("--kato-profile"),
            out=out / self._scenario.name if out else None,
        )
        executed = execute(prepare(self._scenario, options), lambda total: None)
        judged = judge_folder(executed.folder)
        write_reports(judged, ["html"])
        if executed.error is not None:
            raise executed.error
        return judged


class _Item(pytest.Item):
    def __init__(self, *, once: RunOnce, **more: Any) -> None:
        super().__init__(**more)
        self._once = once

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str:
        """The words of a verdict or of our own errors; a traceback only for bugs."""
        from harness.errors import HarnessError

        if isinstance(excinfo.value, (BrokenLawError, HarnessError)):
            return str(excinfo.value)
        return str(super().repr_failure(excinfo, style))

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where it is from."""
        return self.path, 0, self.name


class BrokenLawError(Exception):
    """A law or an SLO failed, or the run carries no verdicts."""


class RunItem(_Item):
    """The run itself: valid, and its evidence whole."""

    def runtest(self) -> None:
        """Fail on an invalid run."""
        judged = self._once.judged
        self.add_report_section("call", "report", str(judged.run.folder / "report.html"))
        if judged.exit_code == 6:
            raise BrokenLawError("the run is invalid: " + "; ".join(_reasons(judged.judgement.verdicts, "X")))


class LawItem(_Item):
    """One law of one run."""

    def __init__(self, *, law: str, **more: Any) -> None:
        super().__init__(**more)
        self._law = law

    def runtest(self) -> None:
        """Pass, fail, skip with the reason; what is watched or accepted is an expected failure."""
        verdict = next(v for v in self._once.judged.judgement.verdicts if v.law == self._law)
        if verdict.status in SKIPPED:
            pytest.skip(f"{verdict.status}: {verdict.reason}")
        if verdict.status in ("fail", "invalid", "warn"):
            words = f"{verdict.law} {verdict.name}: {verdict.reason}\n  cure: {verdict.cure}"
            if verdict.accepted or not verdict.required or verdict.severity != "gate" or verdict.status == "warn":
                pytest.xfail(words)
            raise BrokenLawError("\n  ".join([words, *(f"witness: {dict(witness)}" for witness in verdict.witnesses)]))


class SloItem(_Item):
    """One SLO of one run."""

    def __init__(self, *, slo: str, **more: Any) -> None:
        super().__init__(**more)
        self._slo = slo

    def runtest(self) -> None:
        """As a law."""
        result: SloResult = next(s for s in self._once.judged.judgement.slos if s.name == self._slo)
        if result.status in SKIPPED:
            pytest.skip(f"{result.status}: {result.reason}")
        if result.status != "pass":
            words = f"{result.expression}: {result.reason} (measured {result.measured})"
            if result.severity != "gate":
                pytest.xfail(words)
            raise BrokenLawError(words)


def _reasons(verdicts: tuple[Verdict, ...], prefix: str) -> list[str]:
    return [f"{v.law} {v.reason}" for v in verdicts if v.law.startswith(prefix) and v.status in ("fail", "invalid")]


@pytest.fixture
def kato_twin() -> Iterator[ServedWitness]:
    """An embedded KATO of this test's own: `.url`, and `.control({"do": …})` for its faults."""
    from harness.twin.serve import serve_in_thread

    with serve_in_thread() as witness:
        yield witness


@pytest.fixture
def kato_run(tmp_path: Path) -> Callable[..., Judged]:
    """`kato_run(scenario, integration=…)` runs a scenario file or shipped name and gives it judged."""

    def run(scenario: str, **options: Any) -> Judged:
        from harness.judge import judge_folder
        from harness.run import Options, shipped_scenario
        from harness.run.batch import run_all

        (executed,) = run_all([shipped_scenario(scenario)], Options(out=tmp_path / "run", **options))
        if executed.error is not None:
            raise executed.error
        return judge_folder(executed.folder)

    return run
