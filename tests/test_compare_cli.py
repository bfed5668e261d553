"""`compare` on the command line: sides, baselines, gates, histories, and refusals with their cure."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from report_runs import demo_run

from harness.cli.verbs import kato_harness
from harness.errors import InvalidRun, UsageError
from harness.evidence import Run
from harness.evidence.history import SCHEMA
from harness.evidence.parquet import write_table
from harness.evidence.table import Table


def _write(folder: Path, seed: int, slower: float = 1.0, **changes: Any) -> Path:
    """A run folder of some seconds whose calls take `slower` times as long."""
    run = demo_run(stretch=0.4, seed=seed)
    calls = run.history.calls
    ends = calls["start_ns"] + ((calls["end_ns"] - calls["start_ns"]) * slower).astype(np.int64)
    history = replace(run.history, calls=Table({**calls.columns, "end_ns": ends}))
    about = {**run.manifest["run"], "id": f"run-{folder.name}", "started": f"2026-11-03T10:{seed % 60:02}:00Z"}
    (folder / "tables").mkdir(parents=True)
    (folder / "manifest.json").write_text(
        json.dumps({**run.manifest, "facts": dict(history.facts), "run": about, **changes})
    )
    for name in SCHEMA:
        write_table(folder / "tables" / f"{name}.parquet", getattr(Run(folder, {}, history).history, name))
    return folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six runs of one client in turns with six of a client that is 30 % slower."""
    root = tmp_path_factory.mktemp("runs")
    for pair in range(6):
        _write(root / "base" / f"{pair}", 2 * pair)
        _write(root / "slow" / f"{pair}", 2 * pair + 1, slower=1.3)
    return root


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(kato_harness, ["compare", *arguments], standalone_mode=False)


def test_folders_of_runs_are_compared_and_a_worse_one_fails_the_gate(runs: Path) -> None:
    """Exit 1 with --gate only; the table names metric, shift and answer."""
    plain = _run(str(runs / "base"), str(runs / "slow"))
    assert (plain.exception, plain.return_value) == (None, 0)
    assert "p(95) ms" in plain.stdout
    assert plain.stdout.rstrip().endswith("worse (6 base runs, 6 new ones)")
    assert _run(str(runs / "base"), "vs", str(runs / "slow"), "--gate").return_value == 1
    assert _run(str(runs / "slow"), str(runs / "base"), "--gate").return_value == 0


def test_too_few_runs_are_unproven_at_the_gate(runs: Path) -> None:
    """Exit 5: one run against one says nothing."""
    found = _run(str(runs / "base" / "0"), str(runs / "slow" / "0"), "--gate", "--json")
    assert found.return_value == 5
    answer = json.loads(found.stdout)
    assert (answer["answer"], answer["more_runs"]) == ("can't tell", 5)
    assert {each["metric"] for each in answer["metrics"]} == {"p(50)", "p(95)", "error_rate", "goodput"}


def test_a_baseline_is_saved_and_compared_with(runs: Path, tmp_path: Path) -> None:
    """The file holds values, lines and fingerprint; later runs are held against it."""
    file = tmp_path / "base.json"
    assert _run("--save", str(file), str(runs / "base"), "--slo", "p(99) < 1s").return_value == 0
    saved = json.loads(file.read_text())
    assert len(saved["runs"]) == 6
    assert "p(99) < 1s" in saved["objectives"]
    assert saved["fingerprint"]["python"] == "3.11.7"
    found = _run("--baseline", str(file), str(runs / "slow"), "--gate")
    assert found.return_value == 1
    assert "p(99) < 1s" in found.stdout


def test_runs_of_another_machine_are_refused(runs: Path, tmp_path: Path) -> None:
    """With the key and both values; --despite waives it by name."""
    other = _write(tmp_path / "other", 3, machine={"cpu": "64 cores", "python": "3.11.7", "toxiproxy": "2.12.0"})
    refused = _run(str(runs / "base" / "0"), str(other))
    assert isinstance(refused.exception, UsageError)
    assert "cpu: 2 cores against 64 cores" in str(refused.exception)
    assert _run(str(runs / "base" / "0"), str(other), "--despite", "cpu").return_value == 0


def test_an_invalid_run_is_refused(runs: Path, tmp_path: Path) -> None:
    """A run that did not come to its end says nothing of the client's times."""
    torn = _write(tmp_path / "torn", 4, finished=False)
    refused = _run(str(runs / "base" / "0"), str(torn))
    assert isinstance(refused.exception, InvalidRun)
    assert "X2" in str(refused.exception)


def test_a_history_grows_and_keeps_its_columns(runs: Path, tmp_path: Path) -> None:
    """One line a run, Otava's configuration beside it; what the runs don't measure is refused."""
    file = tmp_path / "history" / "demo.csv"
    assert _run("--history", str(file), "--commit", "c1", str(runs / "base")).return_value == 0
    assert _run("--history", str(file), "--commit", "c2", str(runs / "slow")).return_value == 0
    lines = file.read_text().splitlines()
    assert lines[0].startswith("time,run,commit,")
    assert [line.split(",")[2] for line in lines[1:]] == ["c1"] * 6 + ["c2"] * 6
    assert "time_column: time" in file.with_suffix(".otava.yaml").read_text()
    file.write_text("time,run,commit,p(12)\n")
    assert isinstance(_run("--history", str(file), str(runs / "base")).exception, UsageError)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["a", "vs"],
        ["a", "vs", "b", "vs", "c"],
        ["a", "b", "c"],
        ["--baseline", "nosuch", "a"],
        ["--base", "fast", "a", "b"],
    ],
)
def test_what_can_not_be_meant_is_a_usage_error_with_a_cure(arguments: list[str]) -> None:
    """Never a traceback."""
    error = _run(*arguments).exception
    assert isinstance(error, UsageError)
    assert error.cure


@pytest.mark.parametrize("flag", [["--floor", "5 apples"], ["--floor-time", "7"], ["--slo", "p(95)"]])
def test_a_flag_that_can_not_be_read_is_named(runs: Path, flag: list[str]) -> None:
    """With what is wrong in it."""
    error = _run(str(runs / "base" / "0"), str(runs / "slow" / "0"), *flag).exception
    assert isinstance(error, UsageError)
    assert flag[0] in str(error)


def test_a_run_on_both_sides_is_refused(runs: Path) -> None:
    """It would tell of nothing, and count twice."""
    one, other = str(runs / "base" / "0"), str(runs / "base" / "1")
    for named in ([one, "vs", one], [one, one, "vs", other]):
        with pytest.raises(UsageError, match="named twice") as refused:
            raise _run(*named).exception or AssertionError("not refused")
        assert "make another" in refused.value.cure


def test_sides_of_unequal_size_are_told_how_many_runs_it_takes_in_all(runs: Path) -> None:
    """Two against one: 5 of each, of which one side has fewer."""
    found = _run(str(runs / "base" / "0"), str(runs / "base" / "1"), "vs", str(runs / "slow" / "0"))
    assert "needs 5 more runs of each, 6 in all" in found.stdout
