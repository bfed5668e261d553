"""From a run folder to verdicts and reports: finalise, judge, write. Needs no load and no network."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UsageError
from harness.evidence import Run, read_run
from harness.laws.judge import Judgement, judge_run, verdicts_json
from harness.run.control import beside_control, control_of
from harness.run.folder import write_json


@dataclass(frozen=True, slots=True)
class Judged:
    """A run with its judgement."""

    run: Run
    judgement: Judgement

    @property
    def exit_code(self) -> int:
        """The exit code of the design's table."""
        return self.judgement.exit_code

    @property
    def json_text(self) -> str:
        """verdicts.json as text."""
        return json.dumps(verdicts_json(self.judgement, self.run.manifest), indent=1) + "\n"


def judge_folder(folder: Path, *, strict_known: bool = False) -> Judged:
    """Judge the run in `folder`, beside its control where it has one, and write its verdicts.json."""
    run = read_run(folder)
    judgement = judge_run(run, strict_known=strict_known)
    control = control_of(folder.resolve())
    if (control / "manifest.json").exists():
        judgement = beside_control(judgement, judge_run(read_run(control)))
    write_json(folder / "verdicts.json", verdicts_json(judgement, run.manifest))
    return Judged(run, judgement)


def write_reports(judged: Judged, formats: Sequence[str], out: Path | None = None) -> list[Path]:
    """Render each format into the run folder (or `out`, for one); the files written."""
    from harness.report import FORMATS

    if out is not None and len(formats) != 1:
        raise UsageError("--out takes one file, and several formats were asked for", "ask for one --format")
    written = []
    for name in formats:
        if name not in FORMATS:
            raise UsageError(f"there is no report format {name!r}", f"one of {', '.join(FORMATS)}")
        form = FORMATS[name]
        path = out or judged.run.folder / form.file
        path.write_bytes(form.render(judged.run, judged.judgement))
        written.append(path)
    return written
