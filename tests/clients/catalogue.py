"""The clients of the corpus, and one run of one of them in virtual time."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.laws import LAWS
from harness.model import Verdict
from harness.run import many
from harness.run.options import Options
from harness.run.prepare import prepare
from harness.scenario import load_scenario

SCENARIOS = Path(__file__).parent / "scenarios"
MODULES = (
    "timeouts", "retries", "breakers", "asynchronous", "fallbacks", "data", "pools", "hidden", "background",
    "sequences", "sound", "sound_async", "sound_libraries", "sound_shapes", "sound_policies", "sound_async_shapes",
    "services",
)  # fmt: skip
GATES = ("X1", "X2", "X3")


@dataclass(frozen=True, slots=True)
class Subject:
    """A client of the corpus: where it is, the law that must fail it (empty: sound), and what else may, and why."""

    name: str
    use: str
    doc: str
    law: str
    runs_in: tuple[str, ...]
    also: Mapping[str, str]

    @property
    def family(self) -> str:
        """The family of its law; empty for a sound client."""
        return LAWS[self.law].family if self.law else ""

    def expects(self, law: str) -> bool:
        """Whether this law may fail the client: its own, one of the same family, or a listed one."""
        return bool(self.law) and (LAWS[law].family == self.family or law in self.also)


def _subjects() -> tuple[Subject, ...]:
    found: list[Subject] = []
    for module in MODULES:
        place = f"tests.clients.{module}"
        kinds = vars(importlib.import_module(place)).values()
        for kind in kinds:
            if isinstance(kind, type) and kind.__module__ == place and vars(kind).get("runs_in"):
                known: Any = kind
                doc = (known.__doc__ or "").strip()
                found.append(
                    Subject(kind.__name__, f"{place}:{kind.__name__}", doc, known.law, known.runs_in, known.also)
                )
    return tuple(found)


SUBJECTS: tuple[Subject, ...] = _subjects()
BROKEN = tuple(subject for subject in SUBJECTS if subject.law)
SOUND = tuple(subject for subject in SUBJECTS if not subject.law)


Job = tuple[Subject, str, int]
"""A client, a scenario, a seed."""


def runs(jobs: Sequence[Job]) -> Iterator[tuple[Job, dict[str, Verdict]]]:
    """Each job with what each law says of its run in virtual time; raises what ended a run early."""
    prepared = (
        many.Job(prepare(load_scenario(SCENARIOS / f"{scenario}.yaml"), Options(integration=subject.use, seed=seed)))
        for subject, scenario, seed in jobs
    )
    for job, done in zip(jobs, many.simulate_many(prepared), strict=True):
        if done.judgement is None:
            raise done.error or AssertionError("a run without a judgement has an error")
        yield job, {verdict.law: verdict for verdict in done.judgement.verdicts}


def failing(verdicts: Mapping[str, Verdict]) -> list[str]:
    """The laws that the run broke, gates left out."""
    return [law for law, verdict in verdicts.items() if verdict.status in ("fail", "warn") and law not in GATES]
