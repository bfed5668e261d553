"""JSON for programs: verdicts.json in its versioned schema."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.evidence import Run
    from harness.laws.judge import Judgement


def render(run: Run, judgement: Judgement) -> bytes:
    """The judgement as JSON."""
    from harness.laws.judge import verdicts_json

    return (json.dumps(verdicts_json(judgement, run.manifest), indent=1) + "\n").encode()
