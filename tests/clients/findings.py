"""`python -m tests.clients.findings`: each defect of the integration guide's clients, its law, and a call.

Clients run in virtual time in one scenario or two; what shows without running is told by the audit. Writes
docs/guide-findings.md; exit 1 where a defect isn't named.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.manifests.audit import audit
from harness.model import Verdict
from harness.run import many
from harness.run.options import Options
from harness.run.prepare import prepare
from harness.scenario import load_scenario

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "guide-findings.md"
SCENARIOS = (ROOT / "tests" / "clients" / "scenarios", ROOT / "scenarios")
GUIDE = "tests.clients.guide"


@dataclass(frozen=True, slots=True)
class Defect:
    """A defect of the guide's, the client and scenario that show it, and the laws that have to name it."""

    number: int
    words: str
    client: str
    scenario: str
    laws: tuple[str, ...]


DEFECTS = (
    Defect(2, "exclude=[HTTPStatusError]: 5xx never opens the breaker", "guide-pybreaker", "burst_5xx", ("B3",)),
    Defect(3, "the decorator holds the breaker's lock during the call", "guide-pybreaker", "latency_step", ("B8",)),
    Defect(4, "the fallback's answer hides what failed, in another shape", "guide-pybreaker", "outage", ("F1",)),
    Defect(5, "a prediction's fallback for observes: the write is dropped", "guide-pybreaker", "outage", ("F1", "F4")),
    Defect(5, "`except Exception` masks KATO's 4xx", "guide-pybreaker", "refusals", ("F3",)),
    Defect(7, "a synchronous breaker around AsyncClient never opens", f"{GUIDE}:AsyncResilient", "refuse", ("B9",)),
    Defect(8, "without reraise=True callers see RetryError", "guide-tenacity", "outage", ("R9",)),
    Defect(9, "a read time-out of a write is tried again: orphans", "guide-tenacity", "black_hole", ("R8", "D6", "D2")),
    Defect(10, "waits of 2 s and 2 s, without jitter", "guide-tenacity", "outage", ("R3", "R4")),
    Defect(12, "requests without a time-out", "guide-requests", "black_hole", ("T1", "K1")),
    Defect(25, "`create or reuse` always creates", "guide-httpx", "steady", ("D6",)),
    Defect(27, "three requests in a row, and no deadline", f"{GUIDE}:Service", "slow", ("T1", "T5")),
    Defect(28, "a session that was never made; the status ignored", f"{GUIDE}:Shop", "steady", ("F2", "D6")),
    Defect(29, "`message_processed: True` regardless", f"{GUIDE}:Chatbot", "steady", ("F2", "D6")),
)

STATIC: Mapping[int, tuple[str, str, str]] = {
    1: (
        "timeout_duration is no argument of pybreaker's",
        "B1/unknown-argument",
        "import httpx\nfrom pybreaker import CircuitBreaker\nkato_breaker = CircuitBreaker(timeout_duration=60)\n",
    ),
    12: (
        "requests without a time-out",
        "T1/no-timeout",
        "import requests\nsession = requests.Session()\nsession.post('/sessions', json={})\n",
    ),
    30: (
        "nobody closes the client",
        "P2/never-closed",
        "import httpx\nclass Service:\n    def __init__(self, url):\n        self.kato = httpx.AsyncClient()\n",
    ),
}
"""Defects that show without running: words, rule, and the lines in question."""


def judged(defects: Iterable[Defect]) -> dict[tuple[str, str], dict[str, Verdict]]:
    """What the laws say of each client in each scenario, each pair run once."""
    pairs = list(dict.fromkeys((defect.client, defect.scenario) for defect in defects))
    jobs = [
        many.Job(prepare(load_scenario(_place(scenario)), Options(integration=client, seed=1)))
        for client, scenario in pairs
    ]
    found = {}
    for pair, done in zip(pairs, many.simulate_many(jobs), strict=True):
        if done.judgement is None:
            raise done.error or AssertionError("a run without a judgement has an error")
        found[pair] = {verdict.law: verdict for verdict in done.judgement.verdicts}
    return found


def _place(scenario: str) -> Path:
    return next(path for folder in SCENARIOS if (path := folder / f"{scenario}.yaml").exists())


def audited() -> dict[int, tuple[str, str]]:
    """For each static defect what the audit says and where, "" where it says nothing."""
    said = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, (_, rule, lines) in STATIC.items():
            file = Path(folder) / "client.py"
            file.write_text(lines)
            named = (found for found in audit([file]) if found.rule == rule)
            said[number] = next(((found.reason, Path(found.where).name) for found in named), ("", ""))
    return said


def rows() -> list[tuple[int, str, str, str, str, str]]:
    """(number, words, where, law, reason, witness); reason "" where nothing named the defect."""
    found, said = judged(DEFECTS), audited()
    table = [(number, words, "audit", rule, *said[number]) for number, (words, rule, _) in STATIC.items()]
    for defect in DEFECTS:
        for law in defect.laws:
            verdict = found[defect.client, defect.scenario][law]
            broken = verdict.status in ("fail", "warn")
            call = f"call {verdict.witnesses[0]['call']}" if verdict.witnesses else "the policy itself"
            where = f"{defect.client.rpartition(':')[2]} in {defect.scenario}"
            table.append((defect.number, defect.words, where, law, verdict.reason if broken else "", call))
    return sorted(table, key=lambda row: row[0])


def main() -> int:
    """Write the page; 1 where a defect has no name."""
    table = rows()
    lines = [
        "# The integration guide's defects, by law",
        "",
        "Written by `make findings`: the guide's clients in virtual time, one seed; what shows without running by the",
        "audit. One witness of up to five is shown.",
        "",
        "| finding | defect | where | law | what it says | witness |",
        "|---|---|---|---|---|---|",
        *(f"| {' | '.join(str(cell) for cell in row)} |" for row in table),
        "",
    ]
    PAGE.write_text("\n".join(lines), encoding="utf-8")
    unnamed = [row for row in table if not row[4]]
    for row in unnamed:
        sys.stderr.write(f"finding {row[0]}: {row[3]} does not name it in {row[2]}\n")
    sys.stdout.write(
        f"{len({row[0] for row in table})} findings, {len(table)} verdicts, {len(unnamed)} missing: {PAGE}\n"
    )
    return 1 if unnamed else 0


if __name__ == "__main__":
    sys.exit(main())
