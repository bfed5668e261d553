"""Mutation testing of the law code: what is mutated, and that a mutant in place is what the laws run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from law_cases import promise, said

from harness.evidence.history import History
from harness.laws import breaker_runs, breaker_spells
from harness.laws.band import written_behind
from harness.laws.case import Case
from tests.mutants.families import FAMILIES, LAWS, law_tests
from tests.mutants.generate import Mutant, mutants_of
from tests.mutants.swap import functions_of_laws, put_in_place

SOURCE = '''
import numpy as np

FAST_NS = 10
KINDS = frozenset({"refuse"})

@law("Z1", "Name", needs=KINDS, calls=3)
def judge(case: Case) -> Ruling:
    """It is quick."""
    if case.took > FAST_NS:
        return broken(case, "it took too long")
    return passed(f"{case.took} ns of {plural(2, 'call')}")
'''


@pytest.fixture
def made(tmp_path: Path) -> list[Mutant]:
    """The mutants of SOURCE."""
    path = tmp_path / "some.py"
    path.write_text(SOURCE)
    return mutants_of(path)


def test_every_file_of_law_code_is_in_one_family() -> None:
    """No file is left out, and none counts twice."""
    named = [name for names in FAMILIES.values() for name in names]
    assert sorted(named) == sorted({path.stem for path in LAWS.glob("*.py")} - {"__init__"})
    assert all(law_tests(family) for family in FAMILIES)


def test_decorated_judges_and_constants_are_mutated(made: list[Mutant]) -> None:
    """The comparison in the law, and its bound."""
    changes = {(mutant.place, mutant.change) for mutant in made}
    assert {("judge", "> FAST_NS → >= FAST_NS"), ("", "10 → 11"), ("judge", "2 → 3")} <= changes


def test_words_and_what_a_law_says_of_itself_are_not(made: list[Mutant]) -> None:
    """Neither reasons nor the decorator, nor the constant that only the decorator uses."""
    text = " ".join(mutant.change for mutant in made)
    assert not any(word in text for word in ("XX", "Z1", "KINDS", "broken(case, None)", "passed(None)"))


def test_a_mutant_keeps_the_lines_of_its_statement(made: list[Mutant]) -> None:
    """The head of an `if` without the block under it."""
    (mutant,) = [mutant for mutant in made if mutant.change == "> FAST_NS → >= FAST_NS"]
    assert (mutant.lines, "took >= FAST_NS" in mutant.source()) == (range(10, 12), True)


@contextmanager
def in_place(file: str, place: str, change: str) -> Iterator[None]:
    """The first such mutant of a law file, in place within the block."""
    mutant = next(one for one in mutants_of(LAWS / file) if (one.place, one.change) == (place, change))
    alive = functions_of_laws()
    assert put_in_place(mutant, alive)
    try:
        yield
    finally:
        put_in_place(replace(mutant, changed=mutant.node), alive)


def test_a_function_in_place_is_what_the_laws_run() -> None:
    """A decorated judge, which the catalogue holds: the verdict changes, and changes back."""

    def status() -> str:
        return said("B5", promise({"timeout": {"total": 1.0}})).status

    assert status() == "not_applicable"
    with in_place("breaker_trials.py", "half_open_single_trial", "not breakers(case) → breakers(case)"):
        assert status() == "not_exercised"
    assert status() == "not_applicable"


def test_a_constant_in_place_is_everybodys() -> None:
    """Who imported it has the new one."""
    with in_place("breaker_spells.py", "", "50_000_000 → 100000000"):
        assert breaker_runs.ORDER_NS == breaker_spells.ORDER_NS == 100_000_000
    assert breaker_runs.ORDER_NS == breaker_spells.ORDER_NS == 50_000_000


def test_a_closure_in_place_keeps_what_it_closes_over() -> None:
    """Also where the mutant reads none of it: what is computed once a case is then nothing."""
    change = "found: T = case.memo.get(derive, lambda: derive(case)) → found: T = None"
    case = Case(History.literal(calls="call op\n1 observe"), promise())
    assert written_behind(case) == ()
    with in_place("case.py", "once", change):
        assert written_behind(case) is None
    assert written_behind(case) == ()
