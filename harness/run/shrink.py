"""`shrink`: from a run that a law failed to the smallest schedule that still fails it in virtual time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.evidence.run import read_manifest, read_run
from harness.explore.draft import Draft, of_manifest, yaml
from harness.explore.minimise import Minimal, minimise
from harness.laws import LAWS
from harness.laws.judge import judge_run
from harness.model import Verdict
from harness.run.options import Options
from harness.run.trials import Trials

SEEDS = 5
"""As many seeds a failure has to come back in virtual time."""

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Shrunk:
    """What became of one failed law: its smallest schedule, or why there is none."""

    law: str
    found: Minimal | None
    verdict: Verdict | None
    text: str = ""
    why: str = ""


def failed_laws(folder: Path, wanted: Sequence[str]) -> list[str]:
    """The laws that failed the run, those in `wanted` for some; raises UsageError when there is nothing to shrink."""
    unknown = [law for law in wanted if law not in LAWS]
    if unknown:
        raise UsageError(f"there is no law {', '.join(unknown)}", "kato-harness list laws")
    verdicts = {verdict.law: verdict.status for verdict in judge_run(read_run(folder)).verdicts}
    failed = [law for law, status in verdicts.items() if status == "fail" and not LAWS[law].gate]
    missing = [f"{law} says {verdicts[law]}" for law in wanted if law not in failed]
    if missing or not failed:
        what = "; ".join(missing) or "no law failed in this run"
        raise UsageError(f"{what}: there is nothing to shrink", f"failed: {', '.join(failed) or 'none'}")
    return [law for law in failed if not wanted or law in wanted]


def shrink(folder: Path, laws: Sequence[str], most_tries: int, tell: Tell) -> Iterator[Shrunk]:
    """Each law's smallest schedule, found with at most `most_tries` simulated runs.

    Raises UsageError for a run that virtual time can't carry.
    """
    manifest = read_manifest(folder)
    draft = of_manifest(manifest)
    with Trials(_options(manifest)) as trials:
        for law in laws:
            yield _shrink_one(draft, law, trials, most_tries, tell)


def smallest(draft: Draft, law: str, trials: Trials, most_tries: int, tell: Tell) -> Shrunk:
    """The smallest schedule below `draft`, which fails the law."""

    def failing(candidates: Sequence[Draft]) -> Iterator[bool]:
        return (law in trial.failed for trial in trials(candidates))

    found = minimise(draft, failing, most_tries, lambda words: tell(f"{law}: {words}"))
    verdict = next(trials([found.draft])).failed[law]
    return Shrunk(law, found, verdict, yaml(found.draft, comment(found.draft, verdict)))


def _shrink_one(draft: Draft, law: str, trials: Trials, most_tries: int, tell: Tell) -> Shrunk:
    asked = replace(draft, keys={**draft.keys, "laws": {"require": [law]}})
    errors = set()
    for seeded in _seeded(asked):
        trial = next(trials([seeded]))
        if isinstance(trial.error, UsageError):
            raise trial.error
        errors |= {str(trial.error)} if trial.error else set()
        if law in trial.failed:
            tell(f"{law}: fails in virtual time with seed {seeded.keys['seed']}: {seeded.told()}")
            return smallest(seeded, law, trials, most_tries, tell)
    why = f"it did not come back in virtual time with {SEEDS} seeds"
    return Shrunk(law, None, None, why="; ".join([why, *sorted(errors)]))


def _seeded(draft: Draft) -> Iterator[Draft]:
    first = int(draft.keys["seed"])
    for seed in range(first, first + SEEDS):
        yield replace(draft, keys={**draft.keys, "seed": seed})


def comment(draft: Draft, verdict: Verdict) -> str:
    """What stands above a schedule's file."""
    law = LAWS[verdict.law]
    lines = (
        f"The smallest schedule found that fails {law.id} {law.name} in virtual time.",
        f"law: {law.rule}",
        f"here: {verdict.reason}",
        f"schedule: {draft.told()}",
        "run it: kato-harness run THIS_FILE --virtual",
    )
    return "\n".join(lines)


def write(shrunk: Shrunk, folder: Path) -> Path:
    """The schedule as a scenario file in `folder`; a client's file is named relative to it."""
    assert shrunk.found is not None and shrunk.verdict is not None
    folder.mkdir(parents=True, exist_ok=True)
    draft = shrunk.found.draft
    keys = {**draft.keys, "integration": _beside(draft.keys["integration"], folder)}
    path = folder / f"{shrunk.law}.yaml"
    path.write_text(yaml(replace(draft, keys=keys), comment(draft, shrunk.verdict)))
    return path


def _beside(integration: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    use, colon, factory = integration["use"].partition(":")
    if use.endswith(".py"):
        use = os.path.relpath(use, folder)
    return {**integration, "use": f"{use}{colon}{factory}"}


def _options(manifest: Mapping[str, Any]) -> Options:
    """Whatever the run was allowed to do, it may do again: nobody but an embedded KATO is hit."""
    return Options(profile=manifest["run"]["profile"], allow_writes=True, allow_destructive=True)
