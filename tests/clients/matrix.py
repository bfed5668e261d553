"""`python -m tests.clients.matrix [SEEDS]`: the kill matrix, rows clients, columns laws, to docs/kill-matrix.md."""

from __future__ import annotations

import platform
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from harness.laws import LAWS
from tests.clients.catalogue import BROKEN, GATES, SOUND, SUBJECTS, Job, Subject, failing, runs
from tests.clients.seeds import turn

PAGE = Path(__file__).resolve().parents[2] / "docs" / "kill-matrix.md"

BARE: Mapping[str, str] = {
    "T3": "the modelled network completes every handshake; a literal history fails it (test_law_timeouts)",
    "T6": "it counts waste and fails nobody: the doubled write is D2's",
    "B10": "it takes a step of the wall clock; a literal history fails it (test_law_breaker_open)",
    "P2": "descriptors are sampled in real time only; a literal history fails it (test_law_leaks)",
    "P4": "the shedding is KATO's; a literal history fails it (test_law_pools)",
    "P6": "threads and memory of a service are sampled in real time; a literal history fails it (test_law_leaks)",
    "M2": "it is judged over a map of runs, with a metastable client of its own",
    "D1": "the loss is KATO's or its stores'; a literal history fails it (test_law_data)",
    "D5": "it takes two workers and the STM read back; a literal history fails it (test_law_data)",
}
"""Why a law about clients has no broken one here; those about services and parts around KATO have their own tests."""

Failures = dict[str, Counter[str]]
"""For each client how often each law failed it."""


def collect(jobs: list[Job]) -> tuple[Failures, Counter[str]]:
    """How often each law failed each client, and the runs of each client that a gate made invalid."""
    found: Failures = {subject.name: Counter() for subject in SUBJECTS}
    invalid: Counter[str] = Counter()
    for (subject, _, _), verdicts in runs(jobs):
        found[subject.name].update(failing(verdicts))
        invalid[subject.name] += any(verdicts[gate].status == "fail" for gate in GATES)
    return found, invalid


def page(found: Failures, invalid: Counter[str], seeds: int) -> str:
    """The matrix as Markdown, with its counts."""
    killed = [subject for subject in BROKEN if found[subject.name][subject.law] == _times(subject, seeds)]
    strays = [subject for subject in BROKEN if any(not subject.expects(law) for law in found[subject.name])]
    outside = [subject for subject in BROKEN if any(_outside(subject, law) for law in found[subject.name])]
    alone = len(BROKEN) - len(outside)
    alarms = sum(found[subject.name].total() for subject in SOUND)
    laws = sorted({law for counts in found.values() for law in counts}, key=list(LAWS).index)
    lines = [
        "# Kill matrix",
        "",
        f"Written by `make matrix SEEDS={seeds}` with Python {platform.python_version()} on {platform.system()}: the",
        "clients of `tests/clients/` in virtual time, broken ones in all of their scenarios in each seed, sound ones",
        "in the next one (`make sound` gives those many seeds).",
        "",
        f"- broken clients failed by the law named for them, in every run: {len(killed)} of {len(BROKEN)}",
        f"- broken clients failed by no law outside their family: {alone} of {len(BROKEN)} ({alone / len(BROKEN):.1%})",
        f"- the others, by a listed law: {len(outside) - len(strays)}, by an unlisted one: {len(strays)}",
        f"- laws that failed a sound client: {alarms} in {sum(_times(s, seeds) for s in SOUND)} runs of {len(SOUND)}",
        f"- runs that a gate made invalid: {invalid.total()}",
        "- laws without a broken client here, besides those about services and parts around KATO:",
        *(f"    - {law}: {why}" for law, why in BARE.items()),
        "",
        "**bold**: the law named for the client; (in brackets): a listed effect in another family; `!`: neither.",
        "",
        f"| client | scenarios | law | {' | '.join(laws)} |",
        f"|---|---|---|{'---|' * len(laws)}",
        *(_row(subject, found[subject.name], laws) for subject in SUBJECTS),
        "",
    ]
    return "\n".join(lines)


def _times(subject: Subject, seeds: int) -> int:
    return seeds * len(subject.runs_in) if subject.law else seeds


def _outside(subject: Subject, law: str) -> bool:
    return LAWS[law].family != subject.family


def _row(subject: Subject, counts: Counter[str], laws: Iterable[str]) -> str:
    cells = [_cell(subject, law, counts[law]) for law in laws]
    return f"| {subject.name} | {' '.join(subject.runs_in)} | {subject.law or '–'} | {' | '.join(cells)} |"


def _cell(subject: Subject, law: str, count: int) -> str:
    if law == subject.law:
        return f"**{count}**"
    if not count:
        return ""
    if not subject.expects(law):
        return f"{count} !"
    return f"({count})" if _outside(subject, law) else str(count)


def main(seeds: int = 1) -> None:
    """Run everything and write the page."""
    jobs = [
        (subject, scenario, seed) for subject in BROKEN for scenario in subject.runs_in for seed in range(1, seeds + 1)
    ]
    jobs += [turn(subject, seed) for subject in SOUND for seed in range(1, seeds + 1)]
    text = page(*collect(jobs), seeds)
    PAGE.write_text(text, encoding="utf-8")
    sys.stdout.write("\n".join(line for line in text.splitlines() if line.startswith("- ")) + f"\n{PAGE}\n")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
