"""`python -m tests.mutants [FAMILY…] [--every N]`: mutants of the law code, and the page docs/law-mutants.md.

Ends with 1 where fewer than 95 % of a family's mutants were noticed, or a survivor has no reason in reasons.toml.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections import Counter

import pytest

from tests.mutants.families import FAMILIES, files_of, law_tests
from tests.mutants.generate import Mutant, mutants_of
from tests.mutants.page import Result, cut, save, unreasoned, write
from tests.mutants.plugin import Runner

LEAST = 0.95

QUIETLY = ("-q", "--no-header", "--no-summary", "-p", "no:cacheprovider", "--tb=native", "--assert=plain")
"""Nobody reads why a mutant's test failed, and to write it down takes longer than the test."""


def measure(family: str, every: int) -> Result:
    """The family's mutants, or each n-th of them, before its tests; the result is saved."""
    mutants = [mutant for path in files_of(family) for mutant in mutants_of(path)]
    tried = mutants[::every]
    left: list[Mutant] = []
    fates: Counter[str] = Counter()

    def tell(mutant: Mutant, fate: str) -> None:
        fates[fate] += 1
        if fate != "killed":
            left.append(mutant)
            sys.stdout.write(f"{fate} {mutant.file} {mutant.place}: {mutant.change}\n")
            sys.stdout.flush()

    begun = time.monotonic()
    code = pytest.main([*QUIETLY, *law_tests(family)], plugins=[Runner(tried, tell)])
    if fates.total() < len(tried):
        raise SystemExit(f"the tests fail without any mutant (pytest's code {int(code)}); cure: make test")
    survivors = [{"file": m.file, "place": m.place, "change": m.change} for m in left]
    took_s = round(time.monotonic() - begun)
    result = Result(family, every, len(mutants), len(tried), fates["killed"], fates["unseen"], took_s, survivors)
    save(result)
    share = f"{result.killed:,} of {result.tried:,} killed, {cut(result.share)} %"
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
    families = given.families or list(FAMILIES)
    if len(families) > 1:  # a second session in this process would see no line that the first one ran
        command = [sys.executable, "-m", "tests.mutants", "--every", str(given.every)]
        return max([subprocess.run([*command, family], check=False).returncode for family in families])
    result = measure(families[0], given.every)
    write()
    return int(result.share < LEAST or bool(unreasoned(result)))


if __name__ == "__main__":
    sys.exit(main())
