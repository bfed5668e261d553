"""One run from scenario to run folder: its children begin to import first, and only then does this process."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import HarnessError
from harness.run.begin import begin
from harness.run.folder import make_folder
from harness.run.options import Change
from harness.run.prepare import Prepared
from harness.run.signals import stopping

if TYPE_CHECKING:
    from harness.run.conduct import Progress


@dataclass(frozen=True, slots=True)
class Executed:
    """A run that ended: its folder, and the error that ended it early (None: it went through)."""

    folder: Path
    error: HarnessError | None = None


def execute(prepared: Prepared, progress: Progress, change: Change | None = None) -> Executed:
    """Run it, with `change` another timeline than the scenario's own. Raises what goes wrong before load starts;
    afterwards the error is kept beside the evidence."""
    folder = make_folder(prepared.options.out, prepared.scenario.name)
    with stopping() as stop, ExitStack() as undo:
        begun = begin(prepared, folder, _target(prepared, folder, undo), undo)
        from harness.run.perform import perform  # late: the children import meanwhile

        return Executed(folder, perform(prepared, begun, folder, undo.pop_all(), stop, progress, change))


def _target(prepared: Prepared, folder: Path, undo: ExitStack) -> str:
    """The URL of the real KATO that the run is about, started where it has a command; empty for the embedded one."""
    if not prepared.target:
        return ""
    from harness.run.subject import kato_of  # late: a run on the embedded KATO needs none of it

    return kato_of(prepared.scenario.target, folder / "logs", prepared.beside, undo)
