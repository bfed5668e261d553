"""Comparisons: what each answer needs, what is refused, and the power that the documentation promises."""

from __future__ import annotations

import csv
import json
import math
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from power import CASES, HEAD, Case, Shape, line, shares
from report_runs import demo_run

from harness.compare import Group, Metric, RunValues, comparable, compare, fingerprint, interleaved
from harness.compare.answer import Answer
from harness.compare.baseline import from_json, to_json
from harness.compare.fingerprint import differences
from harness.compare.history import columns_of, configuration, header, rows
from harness.compare.measures import ALWAYS, metric_of, objectives_of, values_of
from harness.compare.order import blocks, lean, order_notice
from harness.compare.render import as_json, text
from harness.errors import UsageError

DOCS = Path(__file__).parent.parent / "docs" / "comparing.md"
MS = Metric("p(95)", "ms", absolute=1.0)


def _power_rows() -> list[str]:
    page = DOCS.read_text()
    return page[page.index("<!-- power -->\n") : page.index("<!-- /power -->")].splitlines(keepends=True)[1:]


def test_the_power_table_has_a_row_a_case() -> None:
    """And the head that it was made with."""
    found = _power_rows()
    assert "".join(found[:2]) == HEAD
    assert len(found) == len(CASES) + 2


@pytest.mark.parametrize("at", range(len(CASES)))
def test_the_power_table_of_the_documentation_is_true(at: int) -> None:
    """Each row is made anew; seeds are fixed."""
    assert _power_rows()[at + 2] == line(CASES[at], shares(CASES[at]))


def test_a_shift_of_10_percent_at_4_percent_noise_is_found_and_nothing_else() -> None:
    """The rows of 8 interleaved pairs: found in at least 90 of 100 comparisons, whatever the noise's shape, at least 88
    where the machine drifts by 8 %; at most 1 in 100 false alarms."""
    told = [float(row.split("|")[5].strip(" %")) for row in _power_rows()[2:]]
    for shape in get_args(Shape):
        assert told[CASES.index(Case(8, 0.10, 0.04, trials=2000, shape=shape))] >= 90
    assert told[CASES.index(Case(8, 0.10, 0.04, trials=2000, drift=0.08))] >= 88
    assert all(share <= 1 for share, case in zip(told, CASES, strict=True) if not case.shift)


def _answer(base: list[float], new: list[float], metric: Metric = MS) -> Answer:
    return compare({metric.name: base}, {metric.name: new}, [metric]).answer


BASE = [100.0, 101, 102, 99, 98, 103]


@pytest.mark.parametrize(
    ("new", "answer"),
    [
        ([120.0, 121, 122, 119, 118, 123], "worse"),
        ([80.0, 81, 82, 79, 78, 83], "better"),
        ([100.5, 101.5, 102.5, 99.5, 98.5, 103.5], "same"),
        ([103.0, 104, 105, 102, 101, 106], "same"),
        ([104.5, 106, 107, 103, 103, 107], "can't tell"),
        ([150.0, 80, 130, 95, 101, 120], "can't tell"),
    ],
)
def test_each_answer_has_its_grounds(new: list[float], answer: Answer) -> None:
    """Sure and above the floor; sure to be below it; neither."""
    assert _answer(BASE, new) == answer


def test_higher_is_better_for_goodput() -> None:
    """The direction is the metric's."""
    more = Metric("goodput", "/s", lower_is_better=False)
    assert _answer(BASE, [120.0, 121, 122, 119, 118, 123], more) == "better"
    assert _answer(BASE, [80.0, 81, 82, 79, 78, 83], more) == "worse"


def test_a_shift_must_be_above_both_floors() -> None:
    """Half a millisecond on one is 50 % and below 1 ms; 2 ms on 100 is above 1 ms and below 5 %."""
    fast = [1.0, 1.01, 1.02, 0.99, 0.98, 1.03]
    assert _answer(fast, [value + 0.5 for value in fast]) == "same"
    assert _answer(BASE, [value + 2 for value in BASE]) == "same"
    assert _answer(fast, [value + 1.5 for value in fast]) == "worse"


def test_too_few_runs_say_how_many_more() -> None:
    """One or two runs of each say nothing, however far apart they are; four never suffice."""
    for runs, more in ((1, 4), (2, 3), (4, 1)):
        found = compare({"p(95)": BASE[:runs]}, {"p(95)": [v * 2 for v in BASE[:runs]]}, [MS])
        assert (found.answer, found.more) == ("can't tell", more)
        assert f"needs {more} more runs of each" in text(found)


def test_the_runs_asked_for_settle_it_most_of_the_time() -> None:
    """Of comparisons that couldn't tell, at least 60 in 100 can with that many runs made anew (80 are aimed at)."""
    draws = np.random.default_rng(6)

    def one(runs: int) -> tuple[Answer, int]:
        base, new = draws.normal(100, 4, runs), draws.normal(110, 4, runs)
        found = compare({"p(95)": base.tolist()}, {"p(95)": new.tolist()}, [MS])
        return found.answer, found.more

    undecided = [more for answer, more in (one(5) for _ in range(60)) if answer == "can't tell" and 0 < more <= 5]
    settled = [one(5 + more)[0] != "can't tell" for more in undecided]
    assert len(settled) >= 15
    assert np.mean(settled) >= 0.6


def test_a_shift_as_large_as_the_floor_is_called_hopeless() -> None:
    """No number of runs settles a coin on its edge."""
    base = [100.0, 108, 93, 90, 110, 96, 104]
    found = compare({"p(95)": base}, {"p(95)": [value + 5.0 for value in base]}, [replace(MS, relative=0.0505)])
    assert found.answer == "can't tell"
    assert found.more == 0
    assert "choose another floor" in found.shifts[0].words


def test_runs_that_are_all_alike_are_the_same() -> None:
    """No noise at all, as in virtual time."""
    assert _answer([10.0] * 5, [10.0] * 5) == "same"
    assert _answer([10.0] * 5, [12.0] * 5) == "worse"
    assert _answer([0.0] * 5, [0.0] * 5, Metric("error_rate", "%", absolute=0.1)) == "same"


def test_a_metric_without_data_is_never_the_same() -> None:
    """And leaves the others their answers."""
    found = compare({"a": BASE, "b": [math.nan] * 6}, {"a": BASE, "b": BASE}, [Metric("a", absolute=9.0), Metric("b")])
    assert [each.answer for each in found.shifts] == ["same", "can't tell"]
    assert "no value in 6 of the base runs" in found.shifts[1].words
    assert found.answer == "can't tell"
    json.dumps(as_json(found), allow_nan=False)


def test_runs_alternate_so_that_drift_hits_both_sides() -> None:
    """A B B A; a machine that slows down evenly leaves both means alike."""
    assert interleaved(4) == "ABBAABBA"
    at = {side: [n for n, each in enumerate(interleaved(8)) if each == side] for side in "AB"}
    assert np.mean(at["A"]) == np.mean(at["B"])
    assert lean(at["A"], at["B"]) < 0.1
    assert order_notice(at["A"], at["B"]) == ""
    assert "not interleaved" in order_notice([1, 2, 3], [4, 5, 6])


def test_blocks_hold_as_many_runs_of_each_side_or_there_are_none() -> None:
    """Eight pairs in turns make two blocks, seven one, runs of one side after the other none."""

    def starts(order: str) -> tuple[list[float], list[float]]:
        found = [[float(at) for at, each in enumerate(order) if each == side] for side in "AB"]
        return found[0], found[1]

    assert blocks(*starts(interleaved(8))) == ("ABBAABBA", "ABBAABBA")
    assert [len(each) for each in blocks(*starts(interleaved(13)))] == [8, 8, 10]
    assert blocks(*starts(interleaved(7))) == ()
    assert blocks(*starts("A" * 8 + "B" * 8)) == ()


def test_a_run_becomes_a_number_a_metric() -> None:
    """The scenario's SLOs by name, and the four of every comparison where no SLO speaks of them."""
    run = demo_run()
    objectives = objectives_of([{"slos": [{"name": "quick", "expr": "p(95) < 500ms in baseline"}]}], ["mean < 1s"])
    assert set(objectives) == {"p(50)", "error_rate", "goodput", "quick", "mean < 1s"}
    values = values_of(run, objectives)
    assert 10 < values["p(50)"] < 40
    assert 0 < values["error_rate"] < 100
    assert values["quick"] > values["p(50)"]
    assert metric_of("goodput", ALWAYS["goodput"]).lower_is_better is False
    assert math.isnan(values_of(run, {"x": "p(95) < 1s in fault:none"})["x"])


def test_only_slos_that_all_runs_share_are_compared() -> None:
    """A line that differs between runs means two different things."""
    one, other = {"slos": [{"name": "a", "expr": "max < 1s"}]}, {"slos": [{"name": "a", "expr": "max < 2s"}]}
    assert objectives_of([one, other]) == ALWAYS
    assert "a" in objectives_of([one, one])


MANIFEST = {
    "run": {"integration": "fast", "seed": 1, "scale": 0.1, "target": "embedded"},
    "machine": {"processors": 2, "packages": {"httpx": "0.28.1"}},
    "load": {"sessions": 20, "stages": [{"end_rate": 20.0}]},
    "scenario": {"load": {"sessions": {"concurrent": 20}}},
    "faults": [],
}


def test_a_fingerprint_tells_machines_versions_and_loads_apart_but_not_clients_and_seeds() -> None:
    """Each difference is named by its key."""
    here = fingerprint(MANIFEST)
    assert here == fingerprint(MANIFEST | {"run": MANIFEST["run"] | {"integration": "reference", "seed": 9}})
    newer = fingerprint(MANIFEST | {"machine": {"processors": 4, "packages": {"httpx": "0.29.0"}}})
    assert differences(here, newer) == ["packages.httpx: 0.28.1 against 0.29.0", "processors: 2 against 4"]
    assert differences(here, newer, ["processors", "packages.httpx"]) == []
    hungrier = fingerprint(MANIFEST | {"load": {"sessions": 60, "stages": [{"end_rate": 20.0}]}})
    assert differences(here, hungrier) == ["load.sessions: 20 against 60"]
    derived = MANIFEST | {"scenario": {"load": {}}}
    assert fingerprint(derived) == fingerprint(derived | {"load": {"sessions": 60, "stages": [{"end_rate": 20.0}]}})


def _group(name: str = "steady", machine: str = "2") -> Group:
    runs = (
        RunValues("r1", "2026-11-01T10:00:00Z", {"p(95)": 12.5}),
        RunValues("r0", "2026-10-01T10:00:00Z", {"p(95)": 11.0}),
    )
    return Group(name, {"processors": machine}, {"p(95)": "p(95) < 1h"}, runs)


def test_a_baseline_survives_its_file() -> None:
    """Missing values too, as JSON knows no nan."""
    group = _group()
    assert from_json(json.loads(json.dumps(to_json(group))), "x") == group
    gap = replace(group, runs=(replace(group.runs[0], values={"p(95)": math.nan}),))
    back = from_json(json.loads(json.dumps(to_json(gap), allow_nan=False)), "x")
    assert math.isnan(back.columns()["p(95)"][0])


@pytest.mark.parametrize("raw", [{}, {"format": 2}, {"format": 1}, {"format": 1, "runs": [{"id": 1}]}])
def test_what_is_no_baseline_is_refused_with_the_cure(raw: dict) -> None:
    """By format or by shape."""
    with pytest.raises(UsageError) as caught:
        from_json(raw, "old.json")
    assert "--save" in caught.value.cure


def test_a_baseline_of_another_machine_is_refused() -> None:
    """The refusal names the key and both values; the key may be waived by name."""
    with pytest.raises(UsageError, match="processors: 2 against 8"):
        comparable(_group(), _group("now", "8"))
    comparable(_group(), _group("now", "8"), despite=["processors"])


def test_a_history_is_a_csv_in_order_of_time() -> None:
    """With the columns that it began with; a run without a value is refused, Otava could not read it."""
    lines = header(["p(95)"]) + rows(_group().runs, ["p(95)"], "abc")
    parsed = list(csv.DictReader(lines.splitlines()))
    assert [row["run"] for row in parsed] == ["r0", "r1"]
    assert float(parsed[0]["p(95)"]) == 11.0
    assert columns_of(lines) == ["p(95)"]
    with pytest.raises(UsageError, match="r1 has no value for"):
        rows([replace(_group().runs[0], values={"p(95)": math.nan})], ["p(95)"], "")
    with pytest.raises(UsageError, match="doesn't begin"):
        columns_of("a,b\n")


@pytest.mark.skipif(shutil.which("otava") is None, reason="Apache Otava is not on PATH (uvx --from apache-otava otava)")
def test_otava_finds_the_change_in_a_history(tmp_path: Path) -> None:
    """20 runs at 12 ms, then 20 at 15 ms: one change point."""
    from ruamel.yaml import YAML

    draws = np.random.default_rng(8)
    runs = [
        RunValues(
            f"r{n}",
            f"2026-09-{n // 24 + 1:02}T{n % 24:02}:00:00Z",
            {"p(95)": (12 if n < 20 else 15) + draws.normal(0, 0.2)},
        )
        for n in range(40)
    ]
    (tmp_path / "steady.csv").write_text(header(["p(95)"]) + rows(runs, ["p(95)"], "c"))
    with (tmp_path / "otava.yaml").open("w") as file:
        YAML(typ="safe").dump(configuration("steady", "steady.csv", [MS]), file)
    command = ["otava", "analyze", "steady", "--config-file", "otava.yaml", "--since", "2026-01-01", "-M", "0.05"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=True)
    (change,) = re.findall(r"([+-][\d.]+)%", done.stdout)
    assert float(change) == pytest.approx(25, abs=3)
