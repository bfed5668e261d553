"""What each variable of KATO's ConfigMap does to latency, answers and session life.

`python bench/configmap.py [--real] [--only CELL] [--table FILE]`

Runs every cell of the scenarios `services/configmap` and `services/session_life`: on the embedded KATO in virtual time,
and with --real also on the KATO that the command in KATO_COMMAND starts (`{port}` is its port), each cell with nodes of
its own. Prints JSON, and with --table FILE writes a table; exit 1 when the two don't answer alike.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from machine import described

from harness.evidence.run import Run, read_run
from harness.run.execute import execute
from harness.run.options import Options
from harness.run.prepare import prepare
from harness.run.simulated import simulate
from harness.scenario import Scenario, cells, load_scenario, override

SERVICES = Path(__file__).parent.parent / "scenarios" / "services"
FILES = ("configmap", "session_life")
CLIENT = f"{Path(__file__).with_name('answering.py').resolve()}:make"


def scenarios(name: str, real: bool, only: str) -> Iterator[Scenario]:
    """The cells; on a real KATO each has nodes that nobody had before."""
    for number, cell in enumerate(cells(load_scenario(SERVICES / f"{name}.yaml", env="real" if real else None))):
        if only in cell.name:
            prefix = f"kh-{time.time_ns():x}-{number}-"
            yield override(cell, {"target.footprint.node_prefix": prefix}) if real else cell


def played(cell: Scenario, real: bool, folder: Path) -> dict[str, Any]:
    """One cell in figures."""
    os.environ["ANSWERS"] = str(folder / "answers.json")
    options = Options(integration=CLIENT, out=folder / "run", allow_writes=True)
    done = execute(prepare(cell, options), lambda _: None) if real else simulate(prepare(cell, options))
    said = json.loads((folder / "answers.json").read_text())
    return {**figures(read_run(done.folder)), **answers(said), "said": said}


def figures(run: Run) -> dict[str, Any]:
    """Service times in ms of what went well, and when KATO first had no such session (s after the start)."""
    calls, seen = run.history.calls, run.history.arrivals
    found: dict[str, Any] = {}
    for op in ("observe", "predict", "learn"):
        rows = calls.where(calls["op"].among(op) & calls["outcome"].among("ok"))
        if len(rows):
            middle, high = np.quantile((rows["end_ns"] - rows["start_ns"]) / 1e6, (0.5, 0.95))
            found[f"{op}_ms"] = [round(float(middle), 1), round(float(high), 1)]
    gone = seen["arrive_ns"][(seen["status"] == 404) & ~seen["op"].among("open_session")]
    found["sessions_gone"] = len(gone)
    if len(gone):
        found["gone_after_s"] = round((float(gone.min()) - float(seen["arrive_ns"].min())) / 1e9, 1)
    found["failed"] = int((~calls["outcome"].among("ok")).sum())
    return found


def answers(said: Mapping[str, list[list[Any]]]) -> dict[str, Any]:
    """How many answers named predictions, how many each, and how many observes learned by themselves."""
    every = [row for rows in said.values() for row in rows]
    named = [len(row[1]) for row in every if row[0] == "predict"]
    return {
        "answers": len(named),
        "with_predictions": sum(1 for count in named if count),
        "predictions_each": round(sum(named) / max(len(named), 1), 2),
        "learned_by_itself": sum(1 for row in every if row[0] == "observe" and row[2]),
        "longest_stm": max((row[1] for row in every if row[0] == "observe"), default=0),
    }


def alike(one: Mapping[str, list[Any]], other: Mapping[str, list[Any]]) -> tuple[int, int]:
    """How many answers of the same node and place are equal, of how many that both gave."""
    pairs = [pair for node in one for pair in zip(one[node], other.get(node, ()), strict=False)]
    differ = [pair for pair in pairs if pair[0] != pair[1]]
    sys.stderr.writelines(f"  the twin {mine}, the real KATO {theirs}\n" for mine, theirs in differ[:5])
    return len(pairs) - len(differ), len(pairs)


def table(rows: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """The result for people: one row a cell and KATO."""
    head = (
        "environment", "KATO", "observe ms p50, p95", "predict ms p50, p95", "answers with predictions",
        "predictions each", "learned by itself", "longest STM", "404 first after", "answers as the twin's",
    )  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for cell, sides in rows.items():
        for side, row in sides.items():
            gone = f"{row['gone_after_s']} s ({row['sessions_gone']})" if row["sessions_gone"] else "none"
            values = (
                cell, side, *(", ".join(map(str, row.get(f"{op}_ms", ["–"]))) for op in ("observe", "predict")),
                f"{row['with_predictions']} of {row['answers']}", row["predictions_each"], row["learned_by_itself"],
                row["longest_stm"], gone, row.get("alike", "–"),
            )  # fmt: skip
            lines.append("| " + " | ".join(map(str, values)) + " |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Run the cells and tell; 0 when both KATOs answered alike."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--real", action="store_true", help="also on the KATO that KATO_COMMAND starts")
    parser.add_argument("--only", default="", help="cells whose name has this")
    parser.add_argument("--table", type=Path)
    asked = parser.parse_args()
    rows: dict[str, dict[str, dict[str, Any]]] = {}
    for side in ("twin", "real") if asked.real else ("twin",):
        for name in FILES:
            for cell in scenarios(name, side == "real", asked.only):
                with tempfile.TemporaryDirectory(prefix="kato-harness-") as folder:
                    row = played(cell, side == "real", Path(folder))
                label = ", ".join(f"{key}={value}" for key, value in cell.target.env.items())
                rows.setdefault(label, {})[side] = row
                sys.stderr.write(f"{side} {label}: {json.dumps({k: v for k, v in row.items() if k != 'said'})}\n")
    same = True
    for sides in rows.values():
        if "real" in sides:
            equal, common = alike(sides["twin"]["said"], sides["real"]["said"])
            sides["real"]["alike"] = f"{equal} of {common}"
            same &= equal == common
        for row in sides.values():
            del row["said"]
    sys.stdout.write(json.dumps({"cells": rows, "machine": described()}, indent=1) + "\n")
    if asked.table:
        asked.table.write_text(table(rows))
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
