"""`make demo`: the shipped demo scenario on the guide's client and on a corrected one, verdicts side by side."""

from __future__ import annotations

import sys
from pathlib import Path

from harness.errors import HarnessError, worst
from harness.judge import judge_folder, write_reports
from harness.report.terminal import side_by_side
from harness.run import Options, shipped_scenario
from harness.run.batch import run_all

CLIENTS = ("guide-pybreaker", "reference")


def main() -> int:
    """Run both; 0 when the harness did its work, whatever it thinks of the clients."""
    judgements, reports, errors = [], [], []
    for client in CLIENTS:
        sys.stderr.write(f"demo: {client}\n")
        for done in run_all([shipped_scenario("demo")], Options(integration=client)):
            judged = judge_folder(done.folder)
            judgements.append((client, judged.judgement))
            reports += write_reports(judged, ["html"])
            errors += [done.error] if done.error else []
    side_by_side(judgements, sys.stdout)
    sys.stdout.writelines(f"report: {_short(path)}\n" for path in reports)
    for error in errors:
        sys.stderr.write(f"kato-harness: {error}\n")
    broken = [judgement.exit_code for _, judgement in judgements if judgement.exit_code not in (0, 1)]
    return worst([error.exit_code for error in errors] + broken)


def _short(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


if __name__ == "__main__":
    try:
        code = main()
    except HarnessError as failure:
        sys.stderr.write(f"kato-harness: {failure}\n")
        code = failure.exit_code
    sys.exit(code)
