"""What a comparison reads and writes: groups of run folders, baselines, histories; and interleaved runs made for it."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from harness.compare import Comparison, Group, RunValues, comparable, compare, fingerprint, interleaved
from harness.compare.baseline import from_json, to_json
from harness.compare.history import columns_of, configuration, header, rows
from harness.compare.measures import metric_of, objectives_of, values_of
from harness.compare.order import blocks, order_notice
from harness.errors import InvalidRun, UsageError
from harness.evidence import read_manifest, read_run
from harness.laws import LAWS
from harness.laws.judge import judge_run
from harness.run.folder import write_json
from harness.run.options import Options

BASELINES = Path("reports/baselines")
OLDER = "the base is a baseline: what drifted on the machine since it was made looks like a shift"


def folders_of(paths: Sequence[Path]) -> list[Path]:
    """Run folders, and those in folders of run folders, in order of name."""
    found: list[Path] = []
    for path in paths:
        inner = sorted(each.parent for each in path.glob("*/manifest.json"))
        found += [path] if (path / "manifest.json").exists() or not inner else inner
    return found


def read_group(name: str, folders: Sequence[Path], objectives: Mapping[str, str], despite: Sequence[str]) -> Group:
    """The values of those runs. Raises InvalidRun for one whose gates fail, UsageError where conditions differ."""
    first: Group | None = None
    values = []
    for folder in folders:
        run = read_run(folder)
        broken = [v for v in judge_run(run).verdicts if LAWS[v.law].gate and v.status in ("fail", "invalid")]
        if broken:
            said = "; ".join(f"{verdict.law}: {verdict.reason}" for verdict in broken)
            raise InvalidRun(
                f"{folder} is invalid, its times are not the client's ({said})", "leave it out and run again"
            )
        group = Group(str(folder), fingerprint(run.manifest), objectives, ())
        first = first or replace(group, name=name)
        comparable(replace(first, name=str(folders[0])), group, despite)
        about = run.manifest["run"]
        values.append(RunValues(about["id"], about["started"], values_of(run, objectives)))
    if first is None:
        raise UsageError(f"{name} holds no run", "name run folders that `kato-harness run` wrote")
    return replace(first, runs=tuple(values))


def compare_groups(base: Group, new: Group, floor: float, least_ms: float, despite: Sequence[str]) -> Comparison:
    """The comparison of two groups of equal objectives; raises UsageError when they were not made alike, or one run is
    in them twice."""
    comparable(base, new, despite)
    runs = [(run.id, run.started) for run in base.runs + new.runs]
    twice = sorted({run[0] for run in runs if runs.count(run) > 1})
    if twice:
        raise UsageError(f"named twice: {', '.join(twice)}", "a run counts once, on one side: make another")
    metrics = [metric_of(name, text, floor, least_ms) for name, text in base.objectives.items()]
    base, new = _in_order(base), _in_order(new)
    starts = _starts(base), _starts(new)
    notice = order_notice(*starts)
    return compare(base.columns(), new.columns(), metrics, [notice] if notice else [], blocks(*starts))


def _in_order(group: Group) -> Group:
    return replace(group, runs=tuple(sorted(group.runs, key=_start)))


def _starts(group: Group) -> list[float]:
    return [_start(run) for run in group.runs]


def _start(run: RunValues) -> float:
    return datetime.datetime.fromisoformat(run.started).timestamp()


def shared_objectives(folders: Sequence[Path], more: Sequence[str]) -> dict[str, str]:
    """What to compare in those runs."""
    return objectives_of([read_manifest(folder) for folder in folders], more)


def baseline_file(name: str) -> Path:
    """Where the baseline `name` lies: itself, when it is a path."""
    return Path(name) if name.endswith(".json") else BASELINES / f"{name}.json"


def read_baseline(name: str) -> Group:
    """The committed baseline `name`; raises UsageError for none."""
    path = baseline_file(name)
    try:
        raw = json.loads(path.read_text())
    except OSError as error:
        there = ", ".join(sorted(each.stem for each in BASELINES.glob("*.json"))) or "none yet"
        raise UsageError(f"baseline {path}: {error.strerror}", f"there are: {there}; make one with --save") from None
    except ValueError as error:
        raise UsageError(f"baseline {path} is not JSON: {error}", "make it anew with --save") from None
    return from_json(raw, str(path))


def write_baseline(name: str, group: Group) -> Path:
    """Write the group as the baseline `name`, to be committed."""
    path = baseline_file(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, to_json(replace(group, name=path.stem)))
    return path


def add_to_history(path: Path, group: Group, commit: str) -> Path:
    """Append a line a run to the CSV, and write Otava's configuration beside it; the latter's path."""
    from ruamel.yaml import YAML

    names = list(group.objectives)
    if path.exists():
        names = columns_of(path.read_text())
        unknown = [name for name in names if name not in group.objectives]
        if unknown:
            what = f"{path} has the columns {', '.join(unknown)}, which these runs don't measure"
            raise UsageError(what, "give them with --slo, or begin another history")
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(header(names))
    lines = rows(group.runs, names, commit)
    with path.open("a", encoding="utf-8") as file:
        file.write(lines)
    beside = path.with_suffix(".otava.yaml")
    metrics = [metric_of(name, group.objectives[name]) for name in names]
    with beside.open("w", encoding="utf-8") as file:
        YAML(typ="safe").dump(configuration(path.stem, path.name, metrics), file)
    return beside


def make_runs(
    scenario: Path, base: Options, new: Options, pairs: int, out: Path, say: Callable[[str], None]
) -> tuple[list[Path], list[Path]]:
    """Run the scenario with both sets of options, A B B A …; the folders of each. A run that ends early raises."""
    from harness.run.execute import execute
    from harness.run.prepare import prepare
    from harness.run.simulated import simulate
    from harness.scenario import load_scenario

    loaded = load_scenario(scenario, env=base.environment)
    sides: dict[str, list[Path]] = {"A": [], "B": []}
    for number, side in enumerate(interleaved(pairs)):
        chosen = base if side == "A" else new
        # both runs of a pair get one seed, so that they are offered the same calls
        seed = loaded.seed + number // 2
        options = replace(chosen, seed=seed, out=out / f"{number + 1:03}-{side.lower()}")
        say(f"run {number + 1} of {2 * pairs}: {side} {options.integration or loaded.integration.use}")
        prepared = prepare(loaded, options)
        done = simulate(prepared) if options.virtual else execute(prepared, lambda _: None)
        if done.error is not None:
            raise done.error
        sides[side].append(done.folder)
    return sides["A"], sides["B"]
