"""`python -m tests.clients.seeds [SEEDS]`: sound clients over many seeds, one of their scenarios each seed in turn.

Writes docs/sound-clients.md, anew after each seed, so that an interrupted run leaves what it proved.
"""

from __future__ import annotations

import platform
import sys
from collections import Counter, defaultdict
from pathlib import Path

from harness.model import Verdict
from tests.clients.catalogue import GATES, SOUND, Job, Subject, failing, runs

PAGE = Path(__file__).resolve().parents[2] / "docs" / "sound-clients.md"


def turn(subject: Subject, seed: int) -> Job:
    """The job of one client in one seed."""
    return subject, subject.runs_in[seed % len(subject.runs_in)], seed


def page(made: int, seeds: int, alarms: Counter[tuple[str, str, str]], passes: dict[str, Counter[str]]) -> str:
    """What was run, what failed, and how often each law had something to judge in each client."""
    laws = sorted({law for counts in passes.values() for law in counts}, key=lambda law: (law[0], int(law[1:])))
    lines = [
        "# Sound clients",
        "",
        f"Written by `make sound`: the {len(SOUND)} sound clients of `tests/clients/`, {seeds} seeds each, in virtual",
        f"time, each seed in the next of a client's scenarios. Python {platform.python_version()}.",
        "",
        f"- runs: {made}",
        f"- verdicts fail or warn: {sum(alarms.values())}",
        *(f"- {client} in {scenario}: {law}, {count} times" for (client, scenario, law), count in alarms.items()),
        "",
        "How often each law passed (it was exercised, and held):",
        "",
        f"| client | {' | '.join(laws)} |",
        f"|---|{'---|' * len(laws)}",
        *(
            f"| {subject.name} | {' | '.join(str(passes[subject.name][law] or '') for law in laws)} |"
            for subject in SOUND
        ),
        "",
    ]
    return "\n".join(lines)


def note(
    job: Job,
    verdicts: dict[str, Verdict],
    alarms: Counter[tuple[str, str, str]],
    passes: dict[str, Counter[str]],
) -> None:
    """Count one run."""
    subject, scenario, _ = job
    invalid = [gate for gate in GATES if verdicts[gate].status == "fail"]
    alarms.update((subject.name, scenario, law) for law in (*failing(verdicts), *invalid))
    passes[subject.name].update(
        law for law, verdict in verdicts.items() if verdict.status == "pass" and law not in GATES
    )


def main(seeds: int = 50) -> None:
    """Run everything; the page grows seed by seed."""
    alarms: Counter[tuple[str, str, str]] = Counter()
    passes: dict[str, Counter[str]] = defaultdict(Counter)
    jobs = [turn(subject, seed) for seed in range(1, seeds + 1) for subject in SOUND]
    for made, (job, verdicts) in enumerate(runs(jobs), 1):
        note(job, verdicts, alarms, passes)
        if made % len(SOUND) == 0:
            PAGE.write_text(page(made, job[2], alarms, passes), encoding="utf-8")
            sys.stderr.write(f"seed {job[2]}: {made} runs, {sum(alarms.values())} alarms\n")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
