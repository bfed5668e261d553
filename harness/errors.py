"""The error tree: every failure that a user can meet, with the exit code it ends in.

HarnessError                     3  the harness itself is at fault
├── UsageError                   4  a flag, name or argument is wrong
│   └── ScenarioError            4  one or more problems in a scenario file, all of them
├── PartMissing                  7  a part that the run needs is missing or doesn't answer
├── InvalidRun                   6  the evidence can't carry verdicts
└── Interrupted                  2  SIGINT or SIGTERM; faults are undone

Every message says what was wrong, where, and the cure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_INTERRUPTED = 2
EXIT_INTERNAL = 3
EXIT_USAGE = 4
EXIT_UNPROVEN = 5
EXIT_INVALID = 6
EXIT_ENVIRONMENT = 7

WORST_FIRST = (
    EXIT_INTERNAL,
    EXIT_INTERRUPTED,
    EXIT_ENVIRONMENT,
    EXIT_USAGE,
    EXIT_FAILED,
    EXIT_INVALID,
    EXIT_UNPROVEN,
    EXIT_OK,
)


def worst(codes: Sequence[int]) -> int:
    """The exit code that wins among `codes` (design: 3, 2, 7, 4, 1, 6, 5, 0); 0 for none."""
    return min(codes, key=WORST_FIRST.index, default=EXIT_OK)


class HarnessError(Exception):
    """A failure with words for its reader: what was wrong and, in `cure`, what to do."""

    exit_code = EXIT_INTERNAL

    def __init__(self, what: str, cure: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.cure = cure

    def __str__(self) -> str:
        return f"{self.what}\n  cure: {self.cure}" if self.cure else self.what


class UsageError(HarnessError):
    """A flag, a name or an argument is wrong."""

    exit_code = EXIT_USAGE


class PartMissing(HarnessError):
    """A part that the run needs (Toxiproxy, a port, a package) is missing or doesn't answer."""

    exit_code = EXIT_ENVIRONMENT


class InvalidRun(HarnessError):
    """The run's evidence can't carry verdicts: saturated generator, fault not effective, rows lost."""

    exit_code = EXIT_INVALID


class Interrupted(HarnessError):
    """SIGINT or SIGTERM arrived; the faults are undone and the run folder is readable."""

    exit_code = EXIT_INTERRUPTED


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a file: 1-based line and column, what is wrong, and the cure."""

    file: str
    line: int
    column: int
    what: str
    cure: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.what}\n  cure: {self.cure}"


class ScenarioError(UsageError):
    """A scenario file with mistakes; `problems` holds all of them in file order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)
