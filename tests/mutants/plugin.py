"""pytest collects a family's tests once, and each mutant meets those that run its lines in a fork of that process.

The quickest come first, but before them those that noticed an earlier mutant of the same function.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from _pytest.runner import runtestprotocol
from hypothesis import Phase, settings

from tests.mutants.generate import Mutant
from tests.mutants.lines import Lines, Watched
from tests.mutants.swap import functions_of_laws, put_in_place

PATIENCE, LEAST_S = 2, 1
"""A test that takes so many times the processor time it took without the mutant, and so much more, hangs: noticed."""

SURVIVED, KILLED, UNSEEN = 0, 1, 3
NONE = -1


@dataclass
class Runner:
    """A pytest plugin: runs the tests once with their lines noted, then `killed` tells mutants from each other."""

    mutants: Iterable[Mutant]
    tell: Callable[[Mutant, str], None]
    lines: dict[tuple[str, int], list[int]] = field(default_factory=dict)
    took_s: list[float] = field(default_factory=list)
    noticing: dict[tuple[str, str], set[int]] = field(default_factory=dict)
    failed: Any = field(default_factory=lambda: multiprocessing.RawValue("i"))

    def pytest_sessionstart(self) -> None:
        """The same examples for every mutant, and no search for a smaller one that fails, too."""
        phases = (Phase.explicit, Phase.generate)
        settings.register_profile("mutants", settings.default, derandomize=True, database=None, phases=phases)
        settings.load_profile("mutants")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """In place of pytest's own loop."""
        for number, run in enumerate([_watched(item) for item in session.items]):
            self.took_s.append(run.took_s)
            for line in run.lines:
                self.lines.setdefault(line, []).append(number)
        alive = functions_of_laws()
        gc.freeze()  # so that a fork's collections touch, and so copy, nothing of what is shared
        for mutant in self.mutants:
            self.tell(mutant, self._fate(mutant, session.items, alive))
        return True

    def _fate(self, mutant: Mutant, items: list[pytest.Item], alive: Any) -> str:
        """`killed`, `survived`, or `unseen` where no test runs its lines."""
        noticing = self.noticing.setdefault((mutant.file, mutant.place), set())
        chosen = sorted(self._tests_of(mutant), key=lambda n: (n not in noticing, self.took_s[n]))
        if not chosen:
            return "unseen"
        self.failed.value = NONE
        child = os.fork()
        if child == 0:
            os._exit(self._meet(mutant, {n: items[n] for n in chosen}, alive))
        _, status = os.waitpid(child, 0)
        if self.failed.value != NONE:
            noticing.add(self.failed.value)
        return {SURVIVED: "survived", UNSEEN: "unseen"}.get(os.waitstatus_to_exitcode(status), "killed")

    def _meet(self, mutant: Mutant, items: dict[int, pytest.Item], alive: Any) -> int:
        """In the fork: the exit code."""
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        try:
            found = put_in_place(mutant, alive)
        except Exception:  # noqa: BLE001
            return KILLED  # the module could not even be imported
        if not found:
            return UNSEEN
        for number, item in items.items():
            signal.setitimer(signal.ITIMER_PROF, PATIENCE * self.took_s[number] + LEAST_S)  # its signal ends the fork
            self.failed.value = number
            if not _passes(item):
                return KILLED
        self.failed.value = NONE
        return SURVIVED

    def _tests_of(self, mutant: Mutant) -> set[int]:
        """The tests (positions) that run its lines; what runs at import concerns those that run any of the file."""
        if mutant.place:
            return {n for line in mutant.lines for n in self.lines.get((mutant.file, line), ())}
        return {n for (file, _), numbers in self.lines.items() if file == mutant.file for n in numbers}


def _watched(item: pytest.Item) -> Watched:
    begun = time.process_time()
    with Lines() as seen:
        if not _passes(item):
            raise pytest.UsageError(f"{item.nodeid} fails without any mutant; cure: make test")
    return Watched(time.process_time() - begun, sorted(seen.lines))


def _passes(item: pytest.Item) -> bool:
    return not any(report.failed for report in runtestprotocol(item, log=False, nextitem=None))
