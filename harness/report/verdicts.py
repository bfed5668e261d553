"""JSON for programs: verdicts.json in its versioned schema."""

from __future__ import annotations

import json

from harness.report.inputs import Judgement, Run


def render(run: Run, judgement: Judgement) -> bytes:
    """The judgement as JSON."""
    from harness.laws.judge import verdicts_json

    return (json.dumps(verdicts_json(judgement, run.manifest), indent=1) + "\n").encode()
