"""Healthy runs in virtual time: corrected clients through the shipped scenarios; hardly one may be called invalid.

    python bench/healthy.py [RUNS]

A generator in virtual time is never late, so whatever is invalid is a false alarm of the gates X1 to X3, and a broken
law is one of that law. Seeds, clients and scenarios differ from run to run. One JSON document; exit 1 where more than
1 % were invalid, or a law was broken.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from machine import described

from harness.errors import EXIT_INVALID, HarnessError
from harness.run.many import Job, Simulated, simulate_many
from harness.run.options import Options
from harness.run.prepare import prepare
from harness.run.simulated import check_modelled
from harness.scenario import load_scenario

FOLDER = Path(__file__).parent.parent / "scenarios"
CLIENTS = ("reference", "fixed-httpx", "fixed-pybreaker", "fixed-requests", "fixed-tenacity", "fast")
MISTAKES = ("sessions_expiring", "sessions_shared")
"""Scenarios that ask what a wrong use of sessions costs: nothing in them is healthy."""
MOST_INVALID = 0.01


def modelled() -> list[Path]:
    """The shipped scenarios without a mistake that virtual time can carry."""
    found = []
    for file in sorted(file for file in FOLDER.glob("*.yaml") if file.stem not in MISTAKES):
        try:
            check_modelled(prepare(load_scenario(file), Options(integration="reference")))
        except HarnessError:
            continue
        found.append(file)
    return found


def jobs(runs: int) -> Iterator[Job]:
    """As many runs, each with a seed of its own."""
    files = modelled()
    for seed in range(1, runs + 1):
        file, client = files[seed % len(files)], CLIENTS[seed // len(files) % len(CLIENTS)]
        yield Job(prepare(load_scenario(file), Options(integration=client, seed=seed)))


def complaint(done: Simulated) -> str:
    """Why this run is invalid, or ''."""
    if done.judgement is None:
        return str(done.error)
    if done.judgement.exit_code != EXIT_INVALID:
        return ""
    return "; ".join(f"{v.law}: {v.reason}" for v in done.judgement.verdicts if v.law[0] == "X" and v.status != "pass")


def broken_laws(done: Simulated) -> list[str]:
    """The required laws that this run broke, each with why."""
    verdicts = done.judgement.verdicts if done.judgement else ()
    return [f"{v.law}: {v.reason}" for v in verdicts if v.status == "fail" and v.required]


def main(runs: int) -> int:
    """0 when at most 1 % of the runs were invalid and no law was broken."""
    invalid, broken, codes = [], [], Counter[str]()
    for done in simulate_many(jobs(runs)):
        scenario = done.job.prepared.scenario
        codes[str(done.judgement.exit_code if done.judgement else "error")] += 1
        which = {"scenario": scenario.name, "client": scenario.integration.use, "seed": scenario.seed}
        if words := complaint(done):
            invalid.append({**which, "why": words})
        elif laws := broken_laws(done):
            broken.append({**which, "laws": laws})
    found = {"machine": described(), "runs": runs, "scenarios": len(modelled()), "clients": list(CLIENTS),
             "exit_codes": dict(codes), "invalid": invalid, "broken": broken}  # fmt: skip
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
    return 0 if len(invalid) <= MOST_INVALID * runs and not broken else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 200))
