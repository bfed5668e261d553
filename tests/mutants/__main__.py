"""`python -m tests.mutants [FAMILY…] [--every N]`: mutants of the law code, and the page docs/law-mutants.md.

Ends with 1 where fewer than 95 % of a family's mutants were noticed, or a survivor has no reason in reasons.toml.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence

import pytest

from tests.mutants.families import FAMILIES, files_of, law_tests
from tests.mutants.generate import Mutant, mutants_of
from tests.mutants.page import Result, cut, save, unreasoned, write
from tests.mutants.plugin import Runner

LEAST = 0.95

QUIETLY = ("-q", "--no-header", "--no-summary", "-p", "no:cacheprovider", "--tb=native", "--assert=plain")
"""Nobody reads why a mutant's test failed, and to write it down takes longer than the test."""


def measure(families: Sequence[str], every: int) -> list[Result]:
    """The families' mutants, or each n-th of them, before the laws' tests; each result is saved when it is there."""
    made = {family: [mutant for path in files_of(family) for mutant in mutants_of(path)] for family in families}
    left: list[tuple[Mutant, str]] = []
    results: list[Result] = []

    def tell(mutant: Mutant, fate: str) -> None:
        if fate != "killed":
            left.append((mutant, fate))
            sys.stdout.write(f"{fate} {mutant.file} {mutant.place}: {mutant.change}\n")
            sys.stdout.flush()

    def taken() -> Iterator[Mutant]:
        for family, mutants in made.items():
            begun = time.monotonic()
            left.clear()
            yield from mutants[::every]
            results.append(_result(family, every, mutants, left, round(time.monotonic() - begun)))

    code = pytest.main([*QUIETLY, *law_tests()], plugins=[Runner(taken(), tell)])
    if len(results) < len(families):
        raise SystemExit(f"the tests fail without any mutant (pytest's code {int(code)}); cure: make test")
    return results


def _result(family: str, every: int, mutants: list[Mutant], left: list[tuple[Mutant, str]], took_s: int) -> Result:
    tried = len(mutants[::every])
    survivors = [{"file": m.file, "place": m.place, "change": m.change} for m, _ in left]
    unseen = sum(fate == "unseen" for _, fate in left)
    result = Result(family, every, len(mutants), tried, tried - len(left), unseen, took_s, survivors)
    save(result)
    share = f"{result.killed:,} of {tried:,} killed, {cut(result.share)} %"
    sys.stdout.write(f"{family}: {share}, in {took_s} s\n")
    return result


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants")
    parser.add_argument("families", nargs="*", metavar="FAMILY", help=f"of {', '.join(FAMILIES)}; default: all")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="each N-th mutant: a sample")
    given = parser.parse_args()
    if unknown := set(given.families) - set(FAMILIES):
        parser.error(f"there is no family {', '.join(sorted(unknown))}; cure: one of {', '.join(FAMILIES)}")
    results = measure(given.families or list(FAMILIES), given.every)
    write()
    return int(any(result.share < LEAST or unreasoned(result) for result in results))


if __name__ == "__main__":
    sys.exit(main())
