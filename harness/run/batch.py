"""Several scenarios, and the cells of each one's matrix, one after another."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.run.control import control_of, without_faults
from harness.run.execute import Executed, execute
from harness.run.folder import default_folder
from harness.run.options import Change, Options
from harness.run.prepare import Prepared, prepare
from harness.scenario import cells, load_scenario


def run_all(files: Sequence[Path], options: Options) -> Iterator[Executed]:
    """Run every cell of every file; all files are read before the first run, so that a mistake costs no time."""
    scenarios = [cell for path in files for cell in cells(load_scenario(path, env=options.environment))]
    prepared = [prepare(scenario, options) for scenario in scenarios]
    for each in prepared:
        several = options.out is not None and len(prepared) > 1
        out = options.out / each.scenario.name if several and options.out else options.out
        placed = _placed(each, out)
        if options.control:
            folder = out or default_folder(each.scenario.name)
            placed = _placed(each, folder)
            control = _run(_placed(each, control_of(folder)), without_faults)
            if control.error is not None:
                raise control.error
        yield _run(placed)


def _placed(prepared: Prepared, out: Path | None) -> Prepared:
    return replace(prepared, options=replace(prepared.options, out=out))


def _run(prepared: Prepared, change: Change | None = None) -> Executed:
    if prepared.options.virtual:
        from harness.run.simulated import simulate  # late: a run in real time needs no simulation

        return simulate(prepared, change)
    return execute(prepared, _Line(prepared.scenario.name), change)


class _Line:
    """Progress for people: one line rewritten on a terminal, a plain line each ten seconds elsewhere."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._calls = 0
        self._last: Mapping[str, Any] = {}

    def __call__(self, total: Mapping[str, Any]) -> None:
        if total == self._last:
            return
        self._last = dict(total)
        self._calls += 1
        outcomes = " ".join(f"{name} {count}" for name, count in sorted(total["outcomes"].items()))
        text = f"{self._name}: issued {total['issued']}, in flight {total['in_flight']}, {outcomes}"
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\x1b[K{text[:160]}")
        elif self._calls % 10 == 0:
            sys.stderr.write(text + "\n")
        sys.stderr.flush()
