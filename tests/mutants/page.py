"""Results of mutation testing: one file a family in bench/results/law-mutants, and the page made of them."""

from __future__ import annotations

import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from tests.mutants.families import FAMILIES, ROOT

FOLDER = ROOT / "bench" / "results" / "law-mutants"
PAGE = ROOT / "docs" / "law-mutants.md"
REASONS = Path(__file__).with_name("reasons.toml")


@dataclass(frozen=True)
class Result:
    """What became of a family's mutants; `survivors` includes those whose lines no test runs (`unseen`)."""

    family: str
    every: int
    mutants: int
    tried: int
    killed: int
    unseen: int
    took_s: int
    survivors: list[dict[str, str]]

    @property
    def share(self) -> float:
        """Killed of those tried."""
        return self.killed / self.tried if self.tried else 1.0


def save(result: Result) -> None:
    """Write one family's file."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    text = json.dumps(asdict(result), indent=1, ensure_ascii=False)
    (FOLDER / f"{result.family}.json").write_text(f"{text}\n")


def load() -> list[Result]:
    """The results of the families that were measured, in the order of FAMILIES."""
    paths = [FOLDER / f"{family}.json" for family in FAMILIES]
    return [Result(**json.loads(path.read_text())) for path in paths if path.exists()]


@cache
def reasons() -> tuple[Mapping[str, str], ...]:
    """The entries of reasons.toml: patterns of `file`, `place` and `change`, and `why`."""
    return tuple(tomllib.loads(REASONS.read_text())["survivor"])


def reason(survivor: Mapping[str, str]) -> str:
    """Why this mutant may survive; empty where nobody has said."""
    for entry in reasons():
        if all(re.fullmatch(entry.get(key, ".*"), survivor[key]) for key in ("file", "place", "change")):
            return entry["why"]
    return ""


def unreasoned(result: Result) -> list[dict[str, str]]:
    """The survivors without a reason."""
    return [survivor for survivor in result.survivors if not reason(survivor)]


def write() -> None:
    """Write the page."""
    results = load()
    total = Result("all", 1, *(sum(getattr(one, key) for one in results) for key in _SUMS), [])
    PAGE.write_text("\n".join([_HEAD, *(_row(one) for one in [*results, total]), "", *_survivors(results)]) + "\n")


def cut(share: float) -> str:
    """Per cent with two digits, never rounded up."""
    return f"{int(10_000 * share) / 100:.2f}"


_SUMS = ("mutants", "tried", "killed", "unseen", "took_s")


def _row(result: Result) -> str:
    tried = f"{result.tried:,}" + (f" (one in {result.every})" if result.every > 1 else "")
    survived = result.tried - result.killed
    return (
        f"| {result.family} | {result.mutants:,} | {tried} | {result.killed:,} | {survived:,} | {cut(result.share)} % |"
    )


def _survivors(results: list[Result]) -> Iterator[str]:
    for result in results:
        grouped = Counter((s["file"], s["place"] or "the module", s["change"], reason(s)) for s in result.survivors)
        if grouped:
            yield f"## Survivors: {result.family}\n\n| where | change | why |\n|---|---|---|"
            for (file, place, change, why), count in grouped.items():
                often = f" (×{count})" if count > 1 else ""
                yield f"| {file} {place} | `{change.replace('|', chr(92) + '|')}`{often} | {why or 'no reason yet'} |"
            yield ""


_HEAD = """# Mutants of the law code

Written by `make mutants FAMILY=…` (all families without one; `EVERY=n` takes each n-th mutant, a sample). A mutant
changes one expression of `harness/laws` by one of mutmut's operators, and those of its family's own tests that run its
lines have to fail: they run in a fork, the quickest first. One that hangs is noticed, too. What only another family's
tests would notice counts as survived. Decorated functions are mutated like any.

Left out, because changing them is no defect of a verdict:

- words for a person: a literal with a space in it, a literal inside a text with values, an argument that is nothing
  else; docstrings
- what a law says of itself in `@law(…)`, and constants that are used nowhere else (`tests/test_judge.py` holds them)
- type annotations, type variables and other names for types
- `strict=` of `zip`, a guard against a mistake in the line above it
- the second and third of mutmut's changes to a string (lower and upper case): the first makes it another word already

A number of a million or more is doubled, where mutmut adds one: a nanosecond more is nothing that a test can tell, and
a second of two seconds is.

Percentages are cut, not rounded up; a sample of a hundred knows a share of 95 % to about four points. A survivor is
*equivalent* where no history tells it from the law.

| family | mutants | tried | killed | survived | killed of tried |
|---|---|---|---|---|---|"""
