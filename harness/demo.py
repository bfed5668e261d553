"""`make demo`: the shipped demo scenario on the guide's client and on a corrected one, verdicts side by side."""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from harness.errors import HarnessError, worst
from harness.judge import judge_folder, write_reports
from harness.laws.judge import Judgement
from harness.report.terminal import side_by_side
from harness.run import Options, shipped_scenario
from harness.run.batch import run_all

CLIENTS = ("guide-pybreaker", "reference")


def main() -> int:
    """Run both; 0 when the harness did its work, whatever it thinks of the clients."""
    folders, errors = [], []
    for client in CLIENTS:
        sys.stderr.write(f"demo: {client}\n")
        for done in run_all([shipped_scenario("demo")], Options(integration=client)):
            folders.append(done.folder)
            errors += [done.error] if done.error else []
    with ProcessPoolExecutor(len(CLIENTS)) as pool:
        judgements = list(pool.map(_judged_and_drawn, folders))
    side_by_side(list(zip(CLIENTS, judgements, strict=True)), sys.stdout)
    sys.stdout.writelines(f"report: {_short(folder / 'report.html')}\n" for folder in folders)
    for error in errors:
        sys.stderr.write(f"kato-harness: {error}\n")
    broken = [judgement.exit_code for judgement in judgements if judgement.exit_code not in (0, 1)]
    return worst([error.exit_code for error in errors] + broken)


def _judged_and_drawn(folder: Path) -> Judgement:
    """The judgement of one run, its report written beside it."""
    judged = judge_folder(folder)
    write_reports(judged, ["html"])
    return judged.judgement


def _short(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


if __name__ == "__main__":
    try:
        code = main()
    except HarnessError as failure:
        sys.stderr.write(f"kato-harness: {failure}\n")
        code = failure.exit_code
    sys.exit(code)
